import type { OpponentName } from "./contender";

/** What a figure should come to, and what would be better still; null where nobody said. */
export interface Goal {
  readonly reach: number;
  readonly stretch: number | null;
}

/** How a figure stands to its goal; undecided where too little was measured. */
export type Mark = "stretch" | "reached" | "missed" | "undecided";

/** Fewer rounds decide nothing. */
export const ROUNDS_MIN = 5;

/** How far below the goal the lower quartile of the rounds may lie. */
const QUARTILE_SLACK = 0.1;

/** Throughput as a multiple of that of what runs beside, by the name of the workload. */
export const RATIO_GOALS: Readonly<Record<OpponentName, ReadonlyMap<string, Goal>>> = {
  etcd: new Map([
    ["put/1", { reach: 1.2, stretch: 1.5 }],
    ["put/64", { reach: 5, stretch: 6.5 }],
    ["put/256", { reach: 6, stretch: 8 }],
    ["get/64", { reach: 10, stretch: 15 }],
    ["get/256", { reach: 15, stretch: 18 }],
    ["mixed/64", { reach: 4.5, stretch: 6 }],
    ["cas/64", { reach: 7, stretch: 11 }],
    ["scan/1", { reach: 1.8, stretch: 2 }],
    ["put@unary/64", { reach: 1, stretch: 1.2 }],
    ["put@gateway/64", { reach: 4, stretch: 5 }],
  ]),
  "etcd-go": new Map([
    ["put/1", { reach: 1, stretch: 1.2 }],
    ["put/64", { reach: 2.4, stretch: 3 }],
    ["put/256", { reach: 2.4, stretch: 3 }],
    ["get/64", { reach: 4, stretch: 7 }],
    ["get/256", { reach: 6, stretch: 7 }],
    ["mixed/64", { reach: 2.2, stretch: 3 }],
    ["cas/64", { reach: 4.5, stretch: 7 }],
    ["scan/1", { reach: 1, stretch: 1.1 }],
    ["put@gateway/64", { reach: 1.7, stretch: null }],
  ]),
  // Of a run with a million keys.
  "few-keys": new Map([
    ["put/64", { reach: 0.7, stretch: null }],
    ["get/64", { reach: 0.7, stretch: null }],
  ]),
};

/** CPU of servers and client together, in microseconds an operation, at most. */
export const CPU_GOALS: ReadonlyMap<string, Goal> = new Map([
  ["put/64", { reach: 120, stretch: 80 }],
  ["get/64", { reach: 40, stretch: null }],
]);

/** The values that footprints have goals for. */
export const FOOTPRINT_VALUE_BYTES = 256;

/** What a number of keys with such values may cost a node at most; null where nobody said. */
export interface FootprintGoal {
  /** Loaded or restarted. */
  readonly rssBytes: number | null;
  readonly diskBytes: number | null;
  /** From the start of all to the first linearizable read, the median. */
  readonly restartMs: number;
}

/** By the number of keys. */
export const FOOTPRINT_GOALS: ReadonlyMap<number, FootprintGoal> = new Map([
  [100_000, { rssBytes: 170e6, diskBytes: 100e6, restartMs: 1500 }],
  [1_000_000, { rssBytes: null, diskBytes: null, restartMs: 10_000 }],
]);

/** A cell is at a multiple when the median of enough rounds is, and their lower quartile is not far below it. */
export function ratioMark(
  {
    median,
    lowerQuartile,
    rounds,
  }: { readonly median: number; readonly lowerQuartile: number; readonly rounds: number },
  goal: Goal,
): Mark {
  return markOf(rounds, goal, (limit) => median >= limit && lowerQuartile >= limit * (1 - QUARTILE_SLACK));
}

export function cpuMark(cpuMicros: number, rounds: number, goal: Goal): Mark {
  return markOf(rounds, goal, (limit) => cpuMicros <= limit);
}

function markOf(rounds: number, { reach, stretch }: Goal, isAt: (limit: number) => boolean): Mark {
  if (rounds < ROUNDS_MIN) return "undecided";
  if (stretch !== null && isAt(stretch)) return "stretch";
  return isAt(reach) ? "reached" : "missed";
}
