import { quantileOf, type Samples } from "./statistics";

/** What a loop did. Latencies are those of what succeeded, in milliseconds. */
export interface LoopResult {
  readonly operations: number;
  readonly failed: number;
  /** What the first failed operation threw; null for none. */
  readonly failure: string | null;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export function loopResult(
  latencies: Samples,
  { failed, failure, seconds }: Pick<LoopResult, "failed" | "seconds"> & { readonly failure: unknown },
): LoopResult {
  const sorted = latencies.sorted();
  return {
    operations: sorted.length,
    failed,
    failure: failed === 0 ? null : failure instanceof Error ? failure.message : String(failure),
    seconds,
    p50Ms: quantileOf(sorted, 0.5),
    p95Ms: quantileOf(sorted, 0.95),
    p99Ms: quantileOf(sorted, 0.99),
    p999Ms: quantileOf(sorted, 0.999),
    maxMs: sorted.at(-1) ?? Number.NaN,
  };
}
