import type { Measurement, Seat } from "./measure";
import { spreadOf } from "./statistics";
import { loadName, type Workload, workloadName } from "./workload";

/** All rounds of one workload on one store. */
export interface Cell {
  readonly store: Measurement["store"];
  readonly workload: Workload;
  readonly rounds: readonly Measurement[];
}

/** A workload and where it runs. */
export interface Task {
  readonly seat: Seat;
  readonly workload: Workload;
}

/**
 * What is measured in one round, in groups whose members run one right after the other, since they are compared: a
 * workload on all stores and on all routes. What runs beside runs a workload once, at its leader, if it can.
 */
export function groupsOf(
  seats: readonly Seat[],
  workloads: readonly Workload[],
): readonly (readonly Task[])[] {
  const groups = new Map<string, Task[]>();
  for (const workload of workloads) {
    const name = `${workload.operation}/${loadName(workload.load)}`;
    const group = groups.get(name) ?? [];
    groups.set(name, group);
    for (const seat of seats) {
      const own: Workload = seat.contender.name === "quorate" ? workload : { ...workload, route: "leader" };
      const isThere = group.some((task) => task.seat === seat && task.workload.route === own.route);
      if (!isThere && seat.contender.canRun(own)) group.push({ seat, workload: own });
    }
  }
  return [...groups.values()];
}

/**
 * Runs all groups once a round. Rounds are interleaved, so that a slow spell of the machine touches all cells alike, and
 * who goes first in a group changes from round to round.
 */
export async function runRounds(
  groups: readonly (readonly Task[])[],
  rounds: number,
  measure: (task: Task, round: number) => Promise<Measurement>,
): Promise<readonly Cell[]> {
  const measured = new Map<Task, Measurement[]>(groups.flat().map((task) => [task, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const group of groups) {
      const first = round % group.length;
      for (const task of [...group.slice(first), ...group.slice(0, first)]) {
        measured.get(task)?.push(await measure(task, round));
      }
    }
  }
  return [...measured].map(([{ seat, workload }, of]) => ({
    store: seat.contender.name,
    workload,
    rounds: of,
  }));
}

/** A workload's name, with the store where it is not this repository's. */
export function cellName({ store, workload }: Pick<Cell, "store" | "workload">): string {
  return store === "quorate" ? workloadName(workload) : `${store} ${workloadName(workload)}`;
}

/** CPU of all processes together, in microseconds an operation: the median of the rounds. */
export function cpuMicrosOf({ rounds }: Pick<Cell, "rounds">): number {
  return spreadOf(
    rounds.map(({ cpuMicrosPerOperation }) =>
      Object.values(cpuMicrosPerOperation).reduce((sum, micros) => sum + micros, 0),
    ),
  ).median;
}
