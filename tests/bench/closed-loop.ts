import { quantileOf, Samples } from "./statistics";

/** What a closed loop did. */
export interface LoopResult {
  readonly operations: number;
  readonly failed: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/**
 * Keeps `inFlight` operations open for `seconds`: each of as many callers starts its next operation when the one before
 * has ended. Counted is what ended in that time. Failures are counted, not hidden in a retry; the first one is thrown
 * when nothing at all succeeded.
 */
export async function closedLoop(
  operation: () => Promise<unknown>,
  { inFlight, seconds }: { readonly inFlight: number; readonly seconds: number },
): Promise<LoopResult> {
  const latencies = new Samples();
  const failures: unknown[] = [];
  let failed = 0;
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  const caller = async () => {
    for (let before = performance.now(); before < endsAt; before = performance.now()) {
      try {
        await operation();
        latencies.add(performance.now() - before);
      } catch (failure) {
        failed += 1;
        if (failures.length < 1) failures.push(failure);
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  if (latencies.count === 0) throw failures[0] ?? new Error(`nothing ended within ${seconds} s`);
  const sorted = latencies.sorted();
  return {
    operations: sorted.length,
    failed,
    seconds: (performance.now() - startedAt) / 1000,
    p50Ms: quantileOf(sorted, 0.5),
    p95Ms: quantileOf(sorted, 0.95),
    p99Ms: quantileOf(sorted, 0.99),
    maxMs: sorted.at(-1) ?? Number.NaN,
  };
}
