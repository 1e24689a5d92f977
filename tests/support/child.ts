import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import type { Workplace } from "./workplace";

/** How a process ended: exactly one is not null. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What surrounds a program when it is started. */
export interface Surroundings {
  /** A command that becomes the program it is given, such as `["unshare", "--mount"]`: the process id stays. */
  readonly within?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** A node program as a process of its own, whose output goes to a file. */
export class Child {
  readonly name: string;
  readonly pid: number;
  /** Settles when the process has ended. */
  readonly ended: Promise<Exit>;
  #exit: Exit | null = null;
  readonly #process: ChildProcess;
  readonly #logFile: string;

  /** @param argv the program's path and its arguments */
  constructor(
    workplace: Workplace,
    name: string,
    argv: readonly string[],
    { within = [], environment = {} }: Surroundings = {},
  ) {
    this.name = name;
    this.#logFile = workplace.at(`${name}.log`);
    const log = openSync(this.#logFile, "a");
    try {
      const [program, ...rest] = [...within, process.execPath, ...argv] as [string, ...string[]];
      this.#process = spawn(program, rest, {
        cwd: workplace.path,
        env: { ...cleanEnvironment(), ...environment },
        stdio: ["ignore", log, log],
      });
    } finally {
      closeSync(log);
    }
    if (this.#process.pid === undefined) throw new Error(`${name} could not be started: ${argv.join(" ")}`);
    this.pid = this.#process.pid;
    workplace.enter(this.pid);
    this.ended = new Promise((resolve) => {
      this.#process.once("exit", (code, signal) => {
        workplace.leave(this.pid);
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
  }

  /** How it ended; null while it runs. */
  get exit(): Exit | null {
    return this.#exit;
  }

  get isRunning(): boolean {
    return this.#exit === null;
  }

  /** @returns whether the process was there to take it */
  signal(signal: NodeJS.Signals): boolean {
    return this.isRunning && this.#process.kill(signal);
  }

  /** Everything that this process and earlier ones of its name wrote. */
  log(): string {
    return readFileSync(this.#logFile, "utf8");
  }
}

/** Settings of whoever runs the tests are not settings of the processes under test. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(QUORATE_|JEST_|NODE_OPTIONS$)/.test(name));
  return Object.fromEntries(kept);
}
