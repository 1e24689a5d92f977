/** A load of a performance check. */
export interface PerfLoad {
  readonly writesPerSecond: number;
  /** How many writes are open at most. */
  readonly inFlightMax: number;
}

/** The loads of `etcdctl check perf`, for clusters of the same names. */
export const PERF_LOADS = {
  s: { writesPerSecond: 150, inFlightMax: 50 },
  m: { writesPerSecond: 1000, inFlightMax: 200 },
  l: { writesPerSecond: 8000, inFlightMax: 500 },
  xl: { writesPerSecond: 15_000, inFlightMax: 1000 },
} as const satisfies Record<string, PerfLoad>;
export type PerfLoadName = keyof typeof PERF_LOADS;

/** What a check wrote, and how long single writes took. */
export interface PerfFigures {
  readonly written: number;
  readonly failed: number;
  /** What the first failed write was refused with; null for none. */
  readonly failure: string | null;
  readonly writesPerSecond: number;
  readonly slowestSeconds: number;
  readonly standardDeviationSeconds: number;
}

/** One condition, and whether it holds. */
export interface PerfGate {
  readonly name: "throughput" | "slowest" | "deviation" | "failures";
  readonly passed: boolean;
  readonly text: string;
}

/** The bounds of `etcdctl check perf`. */
const THROUGHPUT_SHARE_MIN = 0.9;
const SLOWEST_SECONDS_MAX = 0.5;
const DEVIATION_SECONDS_MAX = 0.1;

/** The conditions of `etcdctl check perf`, and that no write failed. */
export function gatesOf(figures: PerfFigures, load: PerfLoad): readonly PerfGate[] {
  const { written, failed, failure, slowestSeconds, standardDeviationSeconds } = figures;
  const throughput = figures.writesPerSecond.toFixed(0);
  const [slowest, deviation] = [slowestSeconds.toFixed(3), standardDeviationSeconds.toFixed(3)];
  const wanted = load.writesPerSecond * THROUGHPUT_SHARE_MIN;
  return [
    gate(
      "throughput",
      figures.writesPerSecond > wanted,
      `throughput is ${throughput} writes/s`,
      `throughput is too low: ${throughput} writes/s, not above ${wanted}`,
    ),
    gate(
      "slowest",
      written > 0 && slowestSeconds < SLOWEST_SECONDS_MAX,
      `the slowest write took ${slowest} s`,
      `the slowest write took too long: ${slowest} s, not below ${SLOWEST_SECONDS_MAX}`,
    ),
    gate(
      "deviation",
      written > 0 && standardDeviationSeconds < DEVIATION_SECONDS_MAX,
      `the standard deviation is ${deviation} s`,
      `the standard deviation is too high: ${deviation} s, not below ${DEVIATION_SECONDS_MAX}`,
    ),
    gate("failures", failed === 0, "no write failed", `${failed} writes failed, the first with: ${failure}`),
  ];
}

function gate(name: PerfGate["name"], passed: boolean, good: string, bad: string): PerfGate {
  return { name, passed, text: passed ? good : bad };
}
