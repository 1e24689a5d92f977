import type { LoopResult } from "./closed-loop";
import { quantileOf, Samples } from "./statistics";

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
  let begun = 0;
  const open = new Set<Promise<void>>();
  const total = perSecond * seconds;
  const startedAt = performance.now();
  const begin = (dueAt: number): void => {
    const work = operation()
      .then(
        () => latencies.add(performance.now() - dueAt),
        () => {
          failed += 1;
        },
      )
      .finally(() => open.delete(work));
    open.add(work);
  };
  await new Promise<void>((resolve) => {
    const timer = setInterval(
      () => {
        const elapsed = performance.now() - startedAt;
        for (; begun < total && begun <= (elapsed / 1000) * perSecond; begun += 1) {
          begin(startedAt + (begun / perSecond) * 1000);
        }
        if (begun < total) return;
        clearInterval(timer);
        resolve();
      },
      Math.min(10, 1000 / perSecond),
    );
  });
  await Promise.all(open);
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
