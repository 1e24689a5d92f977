import { Arrivals } from "./arrivals";
import { type LoopResult, loopResult } from "./latencies";
import { Samples } from "./statistics";

/**
 * Begins `perSecond` operations a second, whatever becomes of the earlier ones, for `seconds`, and waits until all have
 * ended. A latency counts from the moment at which the operation was due, so that a stall shows in all that it held up.
 */
export async function openLoop(
  operation: () => Promise<unknown>,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Promise<LoopResult> {
  const latencies = new Samples();
  let failed = 0;
  let failure: unknown = null;
  let begun = 0;
  let open = 0;
  let onEnded = (): void => undefined;
  const total = perSecond * seconds;
  const startedAt = performance.now();
  const begin = async (dueAtMs: number): Promise<void> => {
    open += 1;
    try {
      await operation();
      latencies.add(performance.now() - dueAtMs);
    } catch (thrown) {
      failed += 1;
      failure ??= thrown;
    }
    open -= 1;
    if (open === 0 && begun >= total) onEnded();
  };
  const ended = new Promise<void>((resolve) => {
    onEnded = resolve;
  });
  const arrivals = new Arrivals({ perSecond, total }, (dueAtMs) => {
    begun += 1;
    void begin(dueAtMs);
  });
  arrivals.start();
  await ended;
  if (latencies.count === 0) throw failure;
  return loopResult(latencies, { failed, failure, seconds: (performance.now() - startedAt) / 1000 });
}
