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
  await Promise.all(Array.from({ length: jobs }, () => runInProcess(take, onResult)));
}

function runInProcess(take: () => RunRequest | null, onResult: (result: RunResult) => void): Promise<void> {
  const first = take();
  if (first === null) return Promise.resolve();
  const child: ChildProcess = fork(join(__dirname, "worker.js"));
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
