import { type LoopResult, loopResult } from "./latencies";
import { Samples } from "./statistics";

/**
 * Keeps `inFlight` operations open for `seconds`: each of as many callers starts its next operation when the one before
 * has ended. Counted is what was begun in that time. Failures are counted, not hidden in a retry; the first one is thrown
 * when nothing at all succeeded.
 */
export async function closedLoop(
  operation: () => Promise<unknown>,
  { inFlight, seconds }: { readonly inFlight: number; readonly seconds: number },
): Promise<LoopResult> {
  const latencies = new Samples();
  let failed = 0;
  let failure: unknown = null;
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  const caller = async () => {
    let beganAt = performance.now();
    while (beganAt < endsAt) {
      try {
        await operation();
        const endedAt = performance.now();
        latencies.add(endedAt - beganAt);
        // One look at the clock for each operation: it shows at 100,000 a second.
        beganAt = endedAt;
      } catch (thrown) {
        failed += 1;
        failure ??= thrown;
        beganAt = performance.now();
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  if (latencies.count === 0) throw failure ?? new Error(`nothing ended within ${seconds} s`);
  return loopResult(latencies, { failed, failure, seconds: (performance.now() - startedAt) / 1000 });
}
