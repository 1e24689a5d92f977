import { type Cell, cpuMicrosOf } from "./cells";
import { CPU_GOALS, cpuMark, type Goal, type Mark, RATIO_GOALS, ratioMark } from "./goals";
import { spreadOf } from "./statistics";
import { loadName, workloadName } from "./workload";

/** How a workload's throughput compares with that of another store. */
export interface Ratio {
  /** Of the workload. */
  readonly name: string;
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

/** Each of our cells against the other store's cell of the same operation and load, in the order of the cells. */
export function ratiosOf(cells: readonly Cell[]): readonly Ratio[] {
  const others = new Map(
    cells.filter(({ store }) => store !== "quorate").map((cell) => [opponent(cell), cell]),
  );
  return cells.flatMap((cell) => {
    const other = others.get(opponent(cell));
    return cell.store !== "quorate" || other === undefined ? [] : [ratioOf(cell, other)];
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

function ratioOf(own: Cell, other: Cell): Ratio {
  const name = workloadName(own.workload);
  const goal = other.store === "quorate" ? null : (RATIO_GOALS[other.store].get(name) ?? null);
  const throughputs = ({ rounds }: Cell) => rounds.map(({ operationsPerSecond }) => operationsPerSecond);
  const theirs = throughputs(other);
  const byRound = throughputs(own).map((ours, round) => ours / (theirs[round] ?? Number.NaN));
  const figures = {
    median: spreadOf(throughputs(own)).median / spreadOf(theirs).median,
    lowerQuartile: spreadOf(byRound).lowerQuartile,
    rounds: byRound.length,
  };
  return { name, ...figures, goal, mark: goal === null ? null : ratioMark(figures, goal) };
}

function opponent({ workload }: Cell): string {
  return `${workload.operation}/${loadName(workload.load)}`;
}
