import { randomBytes } from "node:crypto";
import { type Change, INITIAL_STATE, type StoredRecord } from "@quorate/services/kv";
import { sha256Digest } from "@quorate/services/node";
import type { FrozenState, RangeQuery } from "@quorate/services/replica";
import { BucketMap, type FrozenRound, Pace, RoundHasher } from "@quorate/services/verification";

/*
 * What comparing replicas costs, alone on this machine: marking what was written, in nanoseconds a put, and hashing, in
 * microseconds a key. Run it with
 *   node tests/dist/bench/verification.bench.js [keys]
 */

const count = Number(process.argv[2] ?? 100_000);
const keys = Array.from({ length: count }, (_, at) => Buffer.from(`key-${String(at).padStart(12, "0")}`));
const value = randomBytes(256);

function recordOf(key: Uint8Array): StoredRecord {
  return { key, value, valueBytes: 256, createRevision: 1, modRevision: 1, version: 1, leaseId: 0 };
}

/** Records as they are made, without a disk. */
function frozenOf(): FrozenState {
  const start = (query: Omit<RangeQuery, "revision">): number => {
    const at = keys.findIndex((key) => Buffer.compare(key, query.start) >= 0);
    return at === -1 ? keys.length : at;
  };
  return {
    header: { format: "bench", applied: { term: 1, index: 1 }, revision: 1 },
    async *chunks() {},
    async *scan(query) {
      const { end } = query;
      for (let from = start(query); from < keys.length; from += 256) {
        const some = keys
          .slice(from, from + 256)
          .filter((key) => end === null || Buffer.compare(key, end) < 0);
        yield some.map(recordOf);
        if (some.length < 256) return;
      }
    },
    close() {},
  };
}

function putOf(key: Uint8Array): Change {
  const origin = { cause: "put", wallTimeMs: 0, requestId: null } as const;
  return {
    kind: "put",
    namespaceId: 1,
    generation: 1,
    revision: 2,
    ordinal: 0,
    record: recordOf(key),
    origin,
  };
}

async function main(): Promise<void> {
  const map = new BucketMap();
  const clock = { monotonicMs: () => performance.now() };
  const scheduler = { afterThisTurn: (run: () => void) => void setImmediate(run) };
  const resident = INITIAL_STATE;
  for (const what of ["all keys", "nothing written, a share of 65,536 keys"]) {
    const input: FrozenRound = {
      round: 1,
      frozen: frozenOf(),
      resident,
      freeze: map.frozen(resident.namespaces),
    };
    const cpu = process.cpuUsage();
    const startedMs = performance.now();
    const hasher = new RoundHasher(input, {
      map,
      digest: sha256Digest,
      pace: new Pace(clock, scheduler, 256),
      scrubKeys: 65_536,
      isDropped: () => false,
    });
    const { keysHashed, buckets } = await hasher.hash();
    const ms = performance.now() - startedMs;
    const { user, system } = process.cpuUsage(cpu);
    console.log(
      `hashing, ${what}: ${keysHashed} keys in ${buckets} buckets, ${ms.toFixed(0)} ms, CPU ${((user + system) / keysHashed).toFixed(2)} us a key`,
    );
  }

  const changes = Array.from({ length: 100_000 }, (_, at) =>
    putOf(Buffer.from(keys[(at * 7919) % count] as Uint8Array)),
  );
  for (let run = 0; run < 5; run += 1) {
    const cpu = process.cpuUsage();
    for (const change of changes) map.written({ changes: [change] });
    const { user, system } = process.cpuUsage(cpu);
    const ns = (1000 * (user + system)) / changes.length;
    const of = (us: number): string => `${((100 * ns) / (1000 * us)).toFixed(2)} %`;
    console.log(
      `marking: ${ns.toFixed(0)} ns a put, ${of(55)} of what the store takes for it (55 us), ${of(480)} of all (480 us)`,
    );
  }
}

void main();
