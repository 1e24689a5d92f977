import type { Machine } from "../machine";
import { FIGURE_NAMES, FIGURES, type FigureName, type SoakSample, shown } from "./figures";
import { type Flatness, flatnessOf } from "./flatness";
import type { SoakOptions } from "./options";

/** One figure of one node over the judged part of a run. */
export interface SoakJudgement extends Flatness {
  readonly figure: FigureName;
  readonly node: string;
}

/** What soak.json holds. */
export interface SoakReport {
  readonly machine: Machine;
  readonly options: SoakOptions;
  readonly samples: readonly SoakSample[];
  readonly operations: number;
  readonly failed: number;
  /** What the first failed operation threw; null for none. */
  readonly failure: string | null;
  readonly judgements: readonly SoakJudgement[];
}

/** What is judged: all samples but those of the warm-up. */
export function judgedSamples(samples: readonly SoakSample[], { warmUpShare }: SoakOptions) {
  return samples.slice(Math.floor(samples.length * warmUpShare));
}

export function judgementsOf(samples: readonly SoakSample[], options: SoakOptions): readonly SoakJudgement[] {
  const judged = judgedSamples(samples, options);
  const nodes = Object.keys(samples[0]?.nodes ?? {});
  return FIGURE_NAMES.flatMap((figure) =>
    nodes.map((node) => {
      const values = judged.map((sample) => sample.nodes[node]?.[figure] ?? Number.NaN);
      return { figure, node, ...flatnessOf(values, FIGURES[figure].tolerance) };
    }),
  );
}

export function isWell({ judgements, failed }: SoakReport): boolean {
  return failed === 0 && judgements.every(({ verdict }) => verdict !== "grows");
}

/** The end of it all in a few words. */
export function outcomeOf(report: SoakReport): string {
  if (report.failed > 0) return "NOT well: operations failed";
  if (!isWell(report)) return "NOT flat";
  const isDecided = report.judgements.every(({ verdict }) => verdict === "flat");
  return isDecided ? "all is flat" : "too short a run to tell whether anything grows";
}

/** One line for a figure of a node. */
export function judgementText({ figure, node, verdict, median, growth, z }: SoakJudgement): string {
  const rise = `${growth < 0 ? "" : "+"}${shown(figure, growth)}`;
  return `${FIGURES[figure].title.padEnd(16)} ${node}  median ${shown(figure, median).padStart(10)}, ${rise.padStart(11)} over the run (z ${z.toFixed(1)})  ${VERDICTS[verdict]}`;
}

export const VERDICTS = {
  flat: "flat",
  grows: "GROWS",
  too_short: "too few samples to judge",
} as const satisfies Record<Flatness["verdict"], string>;

export function soakText(report: SoakReport): string {
  const { operations, failed, failure, judgements } = report;
  return [
    ...judgements.map(judgementText),
    `${operations} operations, ${failed} failed${failure === null ? "" : `, the first with: ${failure}`}`,
    outcomeOf(report),
  ].join("\n");
}
