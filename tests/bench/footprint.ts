import type { BenchCluster } from "./bench-cluster";
import { keyAt, loadKeys } from "./key-space";
import type { BenchOptions } from "./options";
import { usageOf } from "./process-usage";

/** What a given number of keys costs at rest, and how long a restart with them takes. */
export interface Footprint {
  readonly keys: number;
  readonly valueBytes: number;
  readonly loadSeconds: number;
  /** By member, right after loading. */
  readonly rssBytesLoaded: Readonly<Record<string, number>>;
  /** By member, after the last restart and a count of all keys. */
  readonly rssBytesRestarted: Readonly<Record<string, number>>;
  /** By member, right after loading. */
  readonly diskBytes: Readonly<Record<string, number>>;
  /** By member, when it has settled: after the last restart and a count of all keys. */
  readonly diskBytesRestarted: Readonly<Record<string, number>>;
  /** From the start of the killed nodes to the first linearizable read, one for each round. */
  readonly restartsMs: readonly number[];
  /** Counted after the last restart. */
  readonly keysAfterwards: number;
}

/** Needs an empty cluster. */
export async function measureFootprint(cluster: BenchCluster, options: BenchOptions): Promise<Footprint> {
  const shape = { keys: options.footprintKeys, valueBytes: options.valueBytes };
  const client = await cluster.client("leader");
  const startedAtMs = performance.now();
  try {
    await loadKeys(client.kv, shape, options.seed);
  } finally {
    await client.close();
  }
  await cluster.level();
  const loadSeconds = (performance.now() - startedAtMs) / 1000;
  const rssBytesLoaded = rssOf(cluster);
  const diskBytes = await diskOf(cluster);
  const restartsMs: number[] = [];
  for (let round = 0; round < options.rounds; round += 1) {
    restartsMs.push(await cluster.timeRestart(keyAt(shape.keys - 1)));
    await cluster.level();
  }
  const again = await cluster.client("leader");
  try {
    const keysAfterwards = await again.kv.count({}, { deadlineMs: 60_000 });
    return {
      ...shape,
      loadSeconds,
      rssBytesLoaded,
      rssBytesRestarted: rssOf(cluster),
      diskBytes,
      diskBytesRestarted: await diskOf(cluster),
      restartsMs,
      keysAfterwards,
    };
  } finally {
    await again.close();
  }
}

async function diskOf(cluster: BenchCluster): Promise<Record<string, number>> {
  return Object.fromEntries(
    (await cluster.statuses()).map(({ memberId, diskBytes }) => [memberId, diskBytes]),
  );
}

function rssOf(cluster: BenchCluster): Record<string, number> {
  const pids = cluster.pids();
  return Object.fromEntries(cluster.memberIds.map((id) => [id, usageOf(pids.get(id) as number).rssBytes]));
}
