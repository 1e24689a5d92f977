import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/*
 * The guard outlives a test run that is killed: when the pipe to it breaks it kills the processes whose ids are file
 * names in `pids`, and removes the directory. It has a process group of its own, so that Ctrl-C leaves it alive.
 */
const GUARD_SCRIPT =
  'read -r line; for file in "$1"/pids/*; do [ -e "$file" ] && kill -9 "$' +
  '{file##*/}" 2>/dev/null; done; rm -rf "$1"';

/** A temporary directory with the processes that work in it; both are gone after `remove()`, or when the test run dies. */
export class Workplace {
  readonly path: string;
  readonly #guard: ChildProcess;

  constructor() {
    this.path = mkdtempSync(join(tmpdir(), "quorate-test-"));
    mkdirSync(join(this.path, "pids"));
    this.#guard = spawn("sh", ["-c", GUARD_SCRIPT, "guard", this.path], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
    });
    this.#guard.unref();
  }

  /** A path inside. */
  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Notes a process that must not outlive the workplace. */
  enter(pid: number): void {
    writeFileSync(this.at("pids", String(pid)), "");
  }

  /** Forgets a process that has ended, before its id can belong to another. */
  leave(pid: number): void {
    rmSync(this.at("pids", String(pid)), { force: true });
  }

  /** Removes the directory. Fails when something wrote to it afterwards. */
  async remove(): Promise<void> {
    const ended = new Promise((resolve) => this.#guard.once("exit", resolve));
    if (this.#guard.exitCode === null) {
      this.#guard.stdin?.end();
      await ended;
    }
    if (existsSync(this.path)) throw new Error(`${this.path} is still there`);
  }
}
