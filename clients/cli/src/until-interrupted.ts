/** Waits for Ctrl-C (or the signal that ends services), or for a signal of ours. */
export function untilInterrupted(signal: AbortSignal): Promise<"interrupted" | "aborted"> {
  return new Promise((resolve) => {
    const end = (how: "interrupted" | "aborted"): void => {
      process.removeListener("SIGINT", interrupt);
      process.removeListener("SIGTERM", interrupt);
      signal.removeEventListener("abort", abort);
      resolve(how);
    };
    const interrupt = (): void => end("interrupted");
    const abort = (): void => end("aborted");
    process.once("SIGINT", interrupt);
    process.once("SIGTERM", interrupt);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
  });
}
