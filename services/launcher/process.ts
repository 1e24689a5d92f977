import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LauncherFault } from "./fault";

/** What was built is started, even where this file itself runs from its source, as in tests, or within another program. */
const DIST = builtFolder(require.resolve("@quorate/services/launcher"));

/**
 * Half of the room that V8 takes for young objects by itself: under load each of its two halves is in use, so a node takes 12 to 15 MB
 * less, and puts and gets cost what they did. V8 reads it before a program can set it, and scripts/programs.mjs makes code for it.
 */
const ENGINE_FLAGS = ["--max-semi-space-size=8"] as const;

const POLL_MS = 20;

/** A program of the cluster, ready to be started. */
export interface Program {
  readonly folder: "node" | "gateway";
  readonly arguments: readonly string[];
  /** Where its standard output and error go, at the end of what is there. */
  readonly logPath: string;
}

/** Who ends a process when nobody else does. */
export type Owner =
  /** The process that starts it, through a channel that closes with that process. */
  | { readonly kind: "starter" }
  /** Another process, looked for again and again. */
  | { readonly kind: "process"; readonly pid: number }
  /** Nobody: it runs until it is stopped. */
  | { readonly kind: "nobody" };

/** @throws LauncherFault when it is not built */
export function programPath(folder: Program["folder"]): string {
  const main = join(DIST, "programs", `${folder}.js`);
  if (!existsSync(main)) throw new LauncherFault("the programs are not built yet: run npm run build");
  return main;
}

/** Starts a program in a session of its own, so that a Ctrl-C in the terminal reaches the launcher alone. */
export function start(program: Program, owner: Owner): ChildProcess {
  const main = programPath(program.folder);
  mkdirSync(dirname(program.logPath), { recursive: true });
  const log = openSync(program.logPath, "a");
  try {
    const child = spawn(
      process.execPath,
      [...ENGINE_FLAGS, "--require", join(DIST, "launcher/exit-with-owner.js"), main, ...program.arguments],
      {
        detached: true,
        stdio: ["ignore", log, log, ...(owner.kind === "starter" ? (["ipc"] as const) : [])],
        env: {
          // Else glibc keeps a heap for each of a dozen threads, and in each some of what was given back: 9 MB of a node.
          MALLOC_ARENA_MAX: "2",
          ...process.env,
          QUORATE_OWNER_PID: owner.kind === "process" ? String(owner.pid) : "",
        },
      },
    );
    child.unref();
    child.channel?.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

function builtFolder(launcher: string): string {
  return join(dirname(launcher), launcher.endsWith(".ts") ? "../dist" : "..");
}

/** A process of a cluster, with what tells it from another one that was given the same number later. */
export interface RunningProcess {
  readonly pid: number;
  readonly commandLine: string;
}

/** A process that runs now. */
export function identify(pid: number): RunningProcess {
  return { pid, commandLine: commandLine(pid) };
}

export function isRunning(running: RunningProcess): boolean {
  return running.commandLine !== "" && commandLine(running.pid) === running.commandLine;
}

/** Sends a signal; a process that has ended meanwhile is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Whether the process had ended by the deadline, and its ports and files with it. */
export async function hasEnded(running: RunningProcess, withinMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs;
  while (isRunning(running) || holdsFiles(running)) {
    if (performance.now() >= deadlineMs) return false;
    await delay(POLL_MS);
  }
  return true;
}

/**
 * Whether a process that is ending still has its files: its memory, and with it its command line, goes first, and files
 * and sockets go with the last of its threads, which may be waiting for a disk (do_exit in Linux's kernel/exit.c).
 */
function holdsFiles(running: RunningProcess): boolean {
  if (commandLine(running.pid) !== "") return false;
  const status = statusOf(running.pid);
  return status !== null && (status.state !== "Z" || status.threads > 1);
}

/** null where there is no such process, or no /proc to ask. */
function statusOf(pid: number): { readonly state: string; readonly threads: number } | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return {
      state: /^State:\s+(\S)/m.exec(status)?.[1] ?? "Z",
      threads: Number(/^Threads:\s+(\d+)/m.exec(status)?.[1] ?? 1),
    };
  } catch {
    return null;
  }
}

/** Empty when there is no such process, or only its remains. */
function commandLine(pid: number): string {
  try {
    if (existsSync("/proc/self/cmdline"))
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    return execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
  } catch {
    return "";
  }
}
