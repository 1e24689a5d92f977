import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { RunOptions, RunResult } from "./run";

/** A run as it is asked of another process. */
export type RunRequest = Omit<RunOptions, "traceSink" | "plant">;

/** Takes seeds from `take` until there are none, in as many processes, and hands each result on as it comes. */
export async function runInProcesses(
  jobs: number,
  take: () => RunRequest | null,
  onResult: (result: RunResult) => void,
): Promise<void> {
  const children: ChildProcess[] = [];
  try {
    await Promise.all(Array.from({ length: jobs }, () => runInProcess(take, onResult, children)));
  } finally {
    // When one has died, what the others would find is of no use to anybody.
    for (const child of children) child.kill("SIGKILL");
  }
}

function runInProcess(
  take: () => RunRequest | null,
  onResult: (result: RunResult) => void,
  children: ChildProcess[],
): Promise<void> {
  const first = take();
  if (first === null) return Promise.resolve();
  const child: ChildProcess = fork(join(__dirname, "worker.js"));
  children.push(child);
  let request: RunRequest = first;
  return new Promise((resolve, reject) => {
    child.on("message", (result: RunResult) => {
      onResult(result);
      const next = take();
      if (next === null) {
        child.disconnect();
        return;
      }
      request = next;
      child.send(request);
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`the process that ran seed ${request.seed} ended with ${signal ?? code}`));
    });
    child.send(request);
  });
}
