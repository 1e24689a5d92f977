import type { Tolerance } from "./flatness";

const MIB = 1024 * 1024;

/** What is measured of each node at each sample. */
export const FIGURES = {
  rssBytes: {
    title: "resident memory",
    unit: "MiB",
    per: MIB,
    tolerance: { share: 0.05, absolute: 16 * MIB },
  },
  heapBytes: {
    title: "JavaScript heap",
    unit: "MiB",
    per: MIB,
    tolerance: { share: 0.1, absolute: 16 * MIB },
  },
  diskBytes: { title: "data on disk", unit: "MiB", per: MIB, tolerance: { share: 0.1, absolute: 32 * MIB } },
  handles: { title: "open handles", unit: "", per: 1, tolerance: { share: 0, absolute: 5 } },
  p50Ms: { title: "latency P50", unit: "ms", per: 1, tolerance: { share: 0.25, absolute: 1 } },
  p99Ms: { title: "latency P99", unit: "ms", per: 1, tolerance: { share: 0.5, absolute: 5 } },
} as const satisfies Record<string, FigureSpec>;

export type FigureName = keyof typeof FIGURES;

export const FIGURE_NAMES = Object.keys(FIGURES) as readonly FigureName[];

interface FigureSpec {
  readonly title: string;
  /** What it is shown in; one of them is `per` of what is measured. */
  readonly unit: string;
  readonly per: number;
  readonly tolerance: Tolerance;
}

/** One node at one time. */
export type NodeSample = Readonly<Record<FigureName, number>> & {
  readonly operations: number;
  readonly failed: number;
};

/** All nodes at one time. */
export interface SoakSample {
  /** Since the load began. */
  readonly atSeconds: number;
  /** By member id. */
  readonly nodes: Readonly<Record<string, NodeSample>>;
}

export function shown(name: FigureName, value: number): string {
  const { unit, per } = FIGURES[name];
  const digits = unit === "ms" ? 2 : unit === "" ? 0 : 1;
  return `${(value / per).toFixed(digits)}${unit === "" ? "" : ` ${unit}`}`;
}
