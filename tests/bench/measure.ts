import type { Contender, ContenderName, Probe } from "./contender";
import { type KeySpace, loadKeys } from "./key-space";
import type { LoopResult } from "./latencies";
import type { LoadGenerator } from "./load-generator";
import type { BenchOptions } from "./options";
import type { ProcessUsage } from "./process-usage";
import type { Workload } from "./workload";

/** The load generator among the processes: this one, or the driver in Go. */
export const LOAD = "load";

/** One round of one cell. What is "an operation" below is one that succeeded. */
export interface Measurement extends LoopResult {
  readonly store: ContenderName;
  readonly workload: Workload;
  readonly operationsPerSecond: number;
  /** By process: the members, the gateway where there is one, and "load" for the load generator itself. */
  readonly cpuMicrosPerOperation: Readonly<Record<string, number>>;
  /** By member. */
  readonly syncsPerOperation: Readonly<Record<string, number>>;
  /** By member: how many log entries one sync of its log held on average; null where it synced nothing or does not tell. */
  readonly entriesPerSync: Readonly<Record<string, number | null>>;
  /** By process: what was written to disk, and what was handed to files and connections in all. */
  readonly diskBytesPerOperation: Readonly<Record<string, number>>;
  readonly writtenBytesPerOperation: Readonly<Record<string, number>>;
  /** By process, at the end. */
  readonly rssBytes: Readonly<Record<string, number>>;
  readonly leader: string;
  /** Whether another node led at the end than at the start: then the figures are of no use. */
  readonly leaderChanged: boolean;
}

/** A cluster, and the keys that it holds. */
export interface Seat {
  readonly contender: Contender;
  readonly space: KeySpace;
}

/** Fills the cluster with the keys that all workloads need. */
export async function load({ contender, space }: Seat, seed: number): Promise<void> {
  const driver = await contender.driver("leader");
  try {
    await loadKeys(driver, space.shape, seed);
  } finally {
    await driver.close();
  }
  await contender.level();
}

/** Runs one cell for one round. */
export async function measure(
  { contender, space }: Seat,
  workload: Workload,
  options: Pick<BenchOptions, "seconds" | "warmUpSeconds" | "seed">,
  round: number,
): Promise<Measurement> {
  const generator = await contender.generator(workload, space, options.seed + round);
  try {
    if (options.warmUpSeconds > 0) await generator.run(options.warmUpSeconds);
    const before = await snapshot(contender, generator);
    const result = await generator.run(options.seconds);
    const after = await snapshot(contender, generator);
    return { ...result, store: contender.name, workload, ...figuresOf(before, after, result) };
  } finally {
    await generator.close();
    await contender.level();
  }
}

/** A probe with the process that makes the calls among the others. */
async function snapshot(contender: Contender, generator: LoadGenerator): Promise<Probe> {
  const probe = await contender.probe();
  return { ...probe, processes: { ...probe.processes, [LOAD]: generator.usage() } };
}

function figuresOf(before: Probe, after: Probe, { operations, seconds }: LoopResult) {
  const each = (figure: keyof ProcessUsage) =>
    perName(
      after.processes,
      (name, usage) => (usage[figure] - (before.processes[name]?.[figure] ?? 0)) / operations,
    );
  return {
    operationsPerSecond: operations / seconds,
    cpuMicrosPerOperation: each("cpuMicros"),
    syncsPerOperation: perName(
      after.members,
      (id, { syncs }) => (syncs - (before.members[id]?.syncs ?? 0)) / operations,
    ),
    entriesPerSync: perName(after.members, (id, { syncs, entriesSynced }) => {
      const earlier = before.members[id];
      const synced = syncs - (earlier?.syncs ?? 0);
      return entriesSynced === null || synced === 0
        ? null
        : (entriesSynced - (earlier?.entriesSynced ?? 0)) / synced;
    }),
    diskBytesPerOperation: each("diskBytes"),
    writtenBytesPerOperation: each("writtenBytes"),
    rssBytes: perName(after.processes, (_, { rssBytes }) => rssBytes),
    leader: after.leader,
    leaderChanged: before.leader !== after.leader,
  };
}

function perName<From, To>(
  record: Readonly<Record<string, From>>,
  map: (name: string, value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(name, value)]));
}
