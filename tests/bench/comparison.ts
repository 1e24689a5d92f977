import { type Cell, cpuMicrosOf } from "./cells";
import { OPPONENTS, type OpponentName } from "./contender";
import { CPU_GOALS, cpuMark, type Goal, type Mark, RATIO_GOALS, ratioMark } from "./goals";
import { spreadOf } from "./statistics";
import { loadName, workloadName } from "./workload";

/** How a workload's throughput compares with that of another store. */
export interface Ratio {
  /** Of the workload. */
  readonly name: string;
  readonly against: OpponentName;
  /** The median throughput of all rounds, divided by the other store's. */
  readonly median: number;
  /** Of the ratios of single rounds, in which the two ran one right after the other. */
  readonly lowerQuartile: number;
  readonly rounds: number;
  /** null for a workload without a goal. */
  readonly goal: Goal | null;
  readonly mark: Mark | null;
}

/** What an operation costs, where there is a goal for it. */
export interface CpuCost {
  readonly name: string;
  readonly cpuMicros: number;
  readonly goal: Goal;
  readonly mark: Mark;
}

/**
 * Each of our cells against each opponent's cell of the same operation and load: by opponents, and of each in the order of
 * the cells.
 */
export function ratiosOf(cells: readonly Cell[]): readonly Ratio[] {
  const own = cells.filter(({ store }) => store === "quorate");
  return OPPONENTS.flatMap((against) => {
    const theirs = cells.filter(({ store }) => store === against);
    const others = new Map(theirs.map((cell) => [taskOf(cell), cell]));
    return own.flatMap((cell) => {
      const other = others.get(taskOf(cell));
      return other === undefined ? [] : [ratioOf(cell, other, against)];
    });
  });
}

export function cpuCostsOf(cells: readonly Cell[]): readonly CpuCost[] {
  return cells.flatMap((cell) => {
    const name = workloadName(cell.workload);
    const goal = CPU_GOALS.get(name);
    if (cell.store !== "quorate" || goal === undefined) return [];
    const cpuMicros = cpuMicrosOf(cell);
    return [{ name, cpuMicros, goal, mark: cpuMark(cpuMicros, cell.rounds.length, goal) }];
  });
}

function ratioOf(own: Cell, other: Cell, against: OpponentName): Ratio {
  const name = workloadName(own.workload);
  const goal = RATIO_GOALS[against].get(name) ?? null;
  const throughputs = ({ rounds }: Cell) => rounds.map(({ operationsPerSecond }) => operationsPerSecond);
  const theirs = throughputs(other);
  const byRound = throughputs(own).map((ours, round) => ours / (theirs[round] ?? Number.NaN));
  const figures = {
    median: spreadOf(throughputs(own)).median / spreadOf(theirs).median,
    lowerQuartile: spreadOf(byRound).lowerQuartile,
    rounds: byRound.length,
  };
  return { name, against, ...figures, goal, mark: goal === null ? null : ratioMark(figures, goal) };
}

function taskOf({ workload }: Cell): string {
  return `${workload.operation}/${loadName(workload.load)}`;
}
