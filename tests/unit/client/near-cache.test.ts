import { describe, expect, test } from "@jest/globals";
import { type CacheOptions, integer, type NearCache, text } from "@quorate/client";
import { ErrorReason } from "@quorate/client/generated";
import { seededRandom } from "@quorate/services/std";
import { FakeWatchCluster, type FrameFate } from "./fake-watch-cluster";
import { failureOf } from "./watch-rig";

const ENDPOINTS = "127.0.0.1:1,127.0.0.1:2";

interface Rig {
  readonly cluster: FakeWatchCluster;
  readonly cache: NearCache<string>;
}

function cacheOf(cluster: FakeWatchCluster, options: CacheOptions = {}): Promise<NearCache<string>> {
  return cluster.timing.drive(cluster.client.kv.collection("k/", text).cache(options));
}

async function rig(...keys: readonly string[]): Promise<Rig> {
  const cluster = new FakeWatchCluster(ENDPOINTS);
  cluster.write(["elsewhere", "x"], ...keys.map((key) => [`k/${key}`, "old"] as const));
  return { cluster, cache: await cacheOf(cluster) };
}

function held(cache: NearCache<string>): Record<string, string> {
  return Object.fromEntries([...cache.entries()].sort(([left], [right]) => (left < right ? -1 : 1)));
}

/** What the cluster has under the prefix. */
function stored(cluster: FakeWatchCluster): Record<string, string> {
  return Object.fromEntries(
    [...cluster.stateAt(cluster.revision)]
      .filter(([key]) => key.startsWith("k/"))
      .map(([key, { value }]) => [key.slice(2), Buffer.from(value).toString()]),
  );
}

describe("a near cache", () => {
  test("holds what is there, and follows what is written", async () => {
    const { cluster, cache } = await rig("a", "b");
    expect([cache.size, cache.revision]).toEqual([2, 1]);
    expect([cache.get("a"), cache.get("c"), cache.has("b"), cache.has("c")]).toEqual([
      "old",
      undefined,
      true,
      false,
    ]);
    cluster.write(["k/a", "new"], ["k/b", null], ["k/c", "new"]);
    await cluster.timing.drive(cache.waitFor(2));
    expect(held(cache)).toEqual({ a: "new", c: "new" });
    expect(cache.getItem("a")).toMatchObject({ id: "a", value: "new", record: { modRevision: 2 } });
    cluster.truncate();
    await cluster.timing.drive(cache.waitFor(3));
    expect(cache.size).toBe(0);
    cache.close();
  });

  test("waits for a revision that changed nothing of it", async () => {
    const { cluster, cache } = await rig("a");
    for (let at = 0; at < 10; at += 1) cluster.write(["elsewhere", `${at}`]);
    const atMs = cluster.timing.nowMs();
    await cluster.timing.drive(cache.waitFor(cluster.revision));
    expect(cache.revision).toBe(cluster.revision);
    expect(cluster.timing.nowMs() - atMs).toBeLessThan(50);
  });

  test("a wait in vain ends at its deadline, and when it is given up", async () => {
    const { cluster, cache } = await rig("a");
    const late = await failureOf(cluster, cache.waitFor(99, { deadlineMs: 700 }));
    expect(late).toMatchObject({ reason: "DEADLINE_EXCEEDED" });
    expect(late.message).toBe("the cache is at revision 1 and did not reach 99 within 700 ms");
    const signal = AbortSignal.abort();
    expect(await failureOf(cluster, cache.waitFor(99, { signal }))).toMatchObject({ reason: "CANCELLED" });
  });

  test("shows the changes of one write together, however they were cut", async () => {
    const keys = ["a", "b", "c", "d", "e", "f", "g"];
    const { cluster, cache } = await rig(...keys);
    const seen = new Set<string>();
    cluster.fate = () => {
      seen.add([...new Set(Object.values(held(cache)))].join());
      return "send";
    };
    for (const value of ["1", "2", "3"]) {
      cluster.write(...keys.map((key) => [`k/${key}`, value] as const));
    }
    await cluster.timing.drive(cache.waitFor(4));
    expect([...seen]).toEqual(["old", "1", "2"]);
    expect(held(cache)).toEqual(Object.fromEntries(keys.map((key) => [key, "3"])));
  });

  test("answers from what it has while it loads anew after a compaction, and never goes back", async () => {
    const { cluster, cache } = await rig("a", "b");
    cluster.fate = () => "break";
    cluster.write(["k/a", "2"]);
    await cluster.timing.drive(cluster.passMs(3000));
    cluster.write(["k/b", null], ["k/c", "3"]);
    cluster.compact(cluster.revision);
    cluster.write(["k/c", "4"]);
    expect(held(cache)).toEqual({ a: "old", b: "old" });
    cluster.fate = () => "send";
    await cluster.timing.drive(cache.waitFor(4));
    expect(held(cache)).toEqual({ a: "2", c: "4" });
    cache.close();
  });

  test.each(Array.from({ length: 20 }, (_, seed) => seed))(
    "equals the store at the end, whatever broke, and no read is older than one before, seed %i",
    async (seed) => {
      const random = seededRandom(seed);
      const fates: readonly FrameFate[] = [
        "break",
        "finish",
        "silence",
        { ended: ErrorReason.SLOW_WATCHER },
        { ended: ErrorReason.NO_LEADER },
      ];
      const { cluster, cache } = await rig("k0", "k1", "k2");
      const newest = new Map<string, number>();
      let left = 40;
      cluster.fate = () => {
        expect(cache.revision).toBeGreaterThanOrEqual(newest.get("revision") ?? 0);
        newest.set("revision", cache.revision);
        for (const [id] of cache.entries()) {
          const { modRevision = 0 } = cache.getItem(id)?.record ?? {};
          expect(modRevision).toBeGreaterThanOrEqual(newest.get(id) ?? 0);
          newest.set(id, modRevision);
        }
        if (left > 0) {
          left -= 1;
          const changes = Array.from({ length: 1 + random.below(6) }, (_, at) => `k/k${at}`);
          cluster.write(...changes.map((key) => [key, random.below(3) === 0 ? null : `${left}`] as const));
          if (random.below(8) === 0) cluster.compact(cluster.revision - random.below(2));
          if (random.below(20) === 0) cluster.truncate();
        }
        return random.below(4) === 0 ? (fates[random.below(fates.length)] as FrameFate) : "send";
      };
      while (left > 0) await cluster.timing.drive(cluster.passMs(1000));
      await cluster.timing.drive(cache.waitFor(cluster.revision, { deadlineMs: 60_000 }));
      expect(held(cache)).toEqual(stored(cluster));
      cache.close();
    },
  );
});

describe("the bounds of a near cache", () => {
  test("a collection with more entries than it may hold fails its start", async () => {
    const cluster = new FakeWatchCluster(ENDPOINTS);
    cluster.write(["k/a", "1"], ["k/b", "1"], ["k/c", "1"]);
    const error = await failureOf(cluster, cluster.client.kv.collection("k/", text).cache({ maxEntries: 2 }));
    expect(error).toMatchObject({
      reason: "TOO_LARGE",
      message: 'the collection "k/" holds more than the 2 entries (maxEntries) that its cache may',
    });
    await cluster.timing.drive(cluster.passMs(10));
    expect(cluster.openStreams).toBe(0);
  });

  test("one that outgrows it later fails it, and every read says so", async () => {
    const cluster = new FakeWatchCluster(ENDPOINTS);
    cluster.write(["k/a", "1"], ["k/b", "1"]);
    const cache = await cacheOf(cluster, { maxEntries: 2 });
    cluster.write(["k/c", "1"]);
    expect(await failureOf(cluster, cache.waitFor(2))).toMatchObject({ reason: "TOO_LARGE" });
    expect(() => cache.get("a")).toThrow(/holds more than the 2 entries/);
    expect(() => cache.size).toThrow(/holds more than the 2 entries/);
  });

  test.each([0, -1, Number.NaN])("%p entries are refused", async (maxEntries) => {
    const { cluster } = await rig();
    const error = await failureOf(cluster, cluster.client.kv.collection("k/", text).cache({ maxEntries }));
    expect(error.reason).toBe("INVALID_ARGUMENT");
  });
});

describe("the end of a near cache", () => {
  test("by close, signal or client: reads throw, and the watch is gone", async () => {
    const { cluster, cache } = await rig("a");
    const controller = new AbortController();
    const second = await cacheOf(cluster, { signal: controller.signal });
    const third = await cacheOf(cluster);
    cache.close();
    controller.abort();
    for (const closed of [cache, second]) expect(() => closed.get("a")).toThrow("the cache is closed");
    expect(third.get("a")).toBe("old");
    await cluster.timing.drive(cluster.client.close());
    await cluster.timing.drive(cluster.passMs(10));
    expect(() => third.get("a")).toThrow("closed");
    expect(cluster.openStreams).toBe(0);
  });

  test("a namespace that is gone fails it", async () => {
    const { cluster, cache } = await rig("a");
    cluster.fate = () => ({ ended: ErrorReason.UNKNOWN_NAMESPACE });
    expect(await failureOf(cluster, cache.waitFor(99))).toMatchObject({ reason: "UNKNOWN_NAMESPACE" });
    expect(() => cache.get("a")).toThrow("UNKNOWN_NAMESPACE");
  });

  test("a cache that cannot load fails at its deadline", async () => {
    const cluster = new FakeWatchCluster(ENDPOINTS);
    cluster.fate = () => "break";
    const work = cluster.client.kv.collection("k/", text).cache({ deadlineMs: 1500 });
    expect(await failureOf(cluster, work)).toMatchObject({ code: "UNAVAILABLE" });
    expect(cluster.timing.nowMs()).toBeLessThan(1600);
  });
});

test("a value that the codec refuses is an error of its own read alone, and keys that are no text are left out", async () => {
  const cluster = new FakeWatchCluster(ENDPOINTS);
  cluster.write(["k/one", "1"], ["k/bad", "x"], ["k/", "0"]);
  const cache = await cluster.timing.drive(cluster.client.kv.collection("k/", integer).cache());
  expect([cache.get("one"), cache.get("")]).toEqual([1n, 0n]);
  expect(() => cache.get("bad")).toThrow('the value of "k/bad" cannot be read: "x" is not an integer');
  cluster.write(["k/bad", null], ["k/one", "2"]);
  await cluster.timing.drive(cache.waitFor(2));
  expect([...cache.entries()].sort()).toEqual([
    ["", 0n],
    ["one", 2n],
  ]);
  cache.close();
});
