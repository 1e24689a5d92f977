import type { Kv, NodeStatus } from "@quorate/client";
import { seededRandom } from "@quorate/services/std";
import type { BenchCluster } from "./bench-cluster";
import { closedLoop, type LoopResult } from "./closed-loop";
import type { BenchOptions } from "./options";
import { usageOf } from "./process-usage";
import { type DataShape, keyAt, operationsOf, valuesOf, type Workload } from "./workload";

/** One round of one cell. */
export interface Measurement extends LoopResult {
  readonly workload: Workload;
  readonly operationsPerSecond: number;
  /** By process: the members, the gateway, and "load" for the load generator itself. */
  readonly cpuMicrosPerOperation: Readonly<Record<string, number>>;
  /** By member: how many log entries one sync of its log held on average; null where it synced nothing. */
  readonly entriesPerSync: Readonly<Record<string, number | null>>;
  /** By member, at the end. */
  readonly rssBytes: Readonly<Record<string, number>>;
  readonly leader: string;
  /** Whether another node led at the end than at the start: then the figures are of no use. */
  readonly leaderChanged: boolean;
}

/** Runs one cell for one round. */
export async function measure(
  cluster: BenchCluster,
  workload: Workload,
  options: BenchOptions,
  round: number,
): Promise<Measurement> {
  const client = await cluster.client(options.via);
  try {
    const operation = operationsOf(workload.operation, client.kv, options, options.seed + round);
    const { inFlight } = workload;
    if (options.warmUpSeconds > 0) await closedLoop(operation, { inFlight, seconds: options.warmUpSeconds });
    const before = await snapshot(cluster);
    const result = await closedLoop(operation, { inFlight, seconds: options.seconds });
    const after = await snapshot(cluster);
    return {
      ...result,
      workload,
      operationsPerSecond: result.operations / result.seconds,
      cpuMicrosPerOperation: perName(after.cpuMicros, (name, micros) => {
        return (micros - (before.cpuMicros[name] ?? 0)) / result.operations;
      }),
      entriesPerSync: perName(after.statuses, (id, status) => {
        const earlier = before.statuses[id] as NodeStatus;
        const syncs = status.logSyncs - earlier.logSyncs;
        return syncs === 0 ? null : (status.logEntriesSynced - earlier.logEntriesSynced) / syncs;
      }),
      rssBytes: perName(after.statuses, (id) => after.rssBytes[id] ?? Number.NaN),
      leader: after.leader,
      leaderChanged: before.leader !== after.leader,
    };
  } finally {
    await client.close();
  }
}

/** Writes all keys once, in order. */
export async function loadKeys(kv: Kv, { keys, valueBytes }: DataShape, seed: number): Promise<void> {
  const values = valuesOf(valueBytes, seededRandom(seed));
  let next = 0;
  const writer = async () => {
    for (let at = next++; at < keys; at = next++)
      await kv.put(keyAt(at), values[at % values.length] as Uint8Array);
  };
  await Promise.all(Array.from({ length: 256 }, writer));
}

interface Snapshot {
  readonly statuses: Readonly<Record<string, NodeStatus>>;
  readonly cpuMicros: Readonly<Record<string, number>>;
  readonly rssBytes: Readonly<Record<string, number>>;
  readonly leader: string;
}

async function snapshot(cluster: BenchCluster): Promise<Snapshot> {
  const statuses = await cluster.statuses();
  const processes = [...cluster.pids(), ["load", process.pid] as const];
  const usages = processes.map(([name, pid]) => [name, usageOf(pid)] as const);
  return {
    statuses: Object.fromEntries(statuses.map((status) => [status.memberId, status])),
    cpuMicros: Object.fromEntries(usages.map(([name, { cpuMicros }]) => [name, cpuMicros])),
    rssBytes: Object.fromEntries(usages.map(([name, { rssBytes }]) => [name, rssBytes])),
    leader: statuses.find(({ role }) => role === "leader")?.memberId ?? "none",
  };
}

function perName<From, To>(
  record: Readonly<Record<string, From>>,
  map: (name: string, value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(name, value)]));
}
