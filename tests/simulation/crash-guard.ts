/** Hands on what nobody handles: a promise of the code under test that rejects fails the run, not the process. */
export function guardAgainstRejections(onRejection: (error: Error) => void): () => void {
  const onUnhandled = (reason: unknown): void => {
    onRejection(reason instanceof Error ? reason : new Error(String(reason)));
  };
  process.on("unhandledRejection", onUnhandled);
  return () => process.off("unhandledRejection", onUnhandled);
}
