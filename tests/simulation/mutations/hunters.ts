import { type ChildProcess, fork } from "node:child_process";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import type { Catch, Hunt, HuntMessage } from "./hunt";

/** A hunt, and who waits for what it finds. */
export interface Task {
  /** Of the task, for the report of one that does not end. */
  readonly name: string;
  readonly hunt: Hunt;
  onEnded(caught: Catch): void;
}

/** No run takes nearly as long, however busy the machine. */
const SEED_MS_MAX = 300_000;

/**
 * Carries out all tasks in as many processes. A process runs many hunts, for it costs more to start one than to run a
 * seed that fails.
 *
 * @param tree whose code the processes are made of
 */
export async function runTasks(tree: string, jobs: number, tasks: readonly Task[]): Promise<void> {
  const left = [...tasks];
  const children: ChildProcess[] = [];
  try {
    await Promise.all(
      Array.from({ length: Math.min(jobs, tasks.length) }, () => runInProcess(tree, left, children)),
    );
  } finally {
    // When one fails, the others have nobody to hunt for.
    for (const child of children) child.kill("SIGKILL");
  }
}

function runInProcess(tree: string, left: Task[], children: ChildProcess[]): Promise<void> {
  const child: ChildProcess = fork(join(tree, "tests/simulation/mutations/hunter-process.js"), {
    execArgv: [],
  });
  children.push(child);
  // Hunts take all they get for minutes; clusters of real processes beside them would miss their election timeouts.
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  let task: Task | undefined;
  let watchdog: NodeJS.Timeout | undefined;
  return new Promise<void>((resolve, reject) => {
    const expectWord = (): void => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => {
        reject(new Error(`${task?.name}: a seed has run for ${SEED_MS_MAX / 1000} s and does not end`));
        child.kill("SIGKILL");
      }, SEED_MS_MAX);
    };
    const next = (): void => {
      task = left.shift();
      if (task === undefined) {
        clearTimeout(watchdog);
        child.disconnect();
        return;
      }
      expectWord();
      child.send(task.hunt);
    };
    child.on("message", (message: HuntMessage) => {
      if (message.kind === "ran") {
        expectWord();
        return;
      }
      task?.onEnded(message.caught);
      next();
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      clearTimeout(watchdog);
      if (code === 0) resolve();
      else reject(new Error(`${task?.name}: the process that hunted ended with ${signal ?? code}`));
    });
    next();
  });
}
