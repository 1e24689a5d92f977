import { describe, expect, test } from "@jest/globals";
import { integer, json, type KvEvent, op, text, type Watch } from "@quorate/client";
import { startCluster, type TestCluster } from "@quorate/testing";

const PATIENT = { deadlineMs: 60_000 };

function told(event: KvEvent): string {
  switch (event.kind) {
    case "put":
      return `${event.revision} ${event.key}=${event.record.text()}`;
    case "delete":
      return `${event.revision} ${event.key} deleted`;
    case "current":
      return `current ${event.record.key}=${event.record.text()}`;
    case "truncated":
    case "synced":
      return `${event.revision} ${event.kind}`;
  }
}

/** All that a watch tells, up to the put of a key. */
async function toldUntil(watch: Watch, key: string): Promise<string[]> {
  const all: string[] = [];
  for await (const event of watch) {
    all.push(told(event));
    if (event.kind === "put" && event.key === key) break;
  }
  return all;
}

/** Kills the nodes one after the other, each while the others work, as often as `turn` is called. */
function roundOfDeaths(cluster: TestCluster): () => Promise<void> {
  let at = 0;
  return async () => {
    const node = cluster.nodes[at % cluster.nodes.length];
    at += 1;
    await node?.kill();
    await node?.restart();
  };
}

describe.each([
  { where: "in memory", options: {} },
  { where: "on disk over gRPC", options: { storage: "disk" } },
] as const)("watches, $where", ({ options }) => {
  test("I5: while nodes die under writes, nothing is lost and nothing is told twice", async () => {
    await using cluster = await startCluster({ ...options, seed: 61 });
    const watch = cluster.client(PATIENT).kv.watch({ prefix: "k/" });
    await watch.opened();
    const watched = toldUntil(watch, "k/end");
    const { kv } = cluster.client(PATIENT);
    const die = roundOfDeaths(cluster);
    const written: string[] = [];
    for (let turn = 0; turn < 48; turn += 1) {
      const put = await kv.put(`k/${turn % 7}`, `${turn}`);
      written.push(`${put.revision} k/${turn % 7}=${turn}`);
      if (turn % 3 === 0) {
        const gone = await kv.delete(`k/${turn % 7}`);
        written.push(`${gone.revision} k/${turn % 7} deleted`);
      }
      if (turn % 15 === 10) await die();
    }
    const end = await kv.put("k/end", "");
    expect(await watched).toEqual([...written, `${end.revision} k/end=`]);
  });

  test("near caches equal the store after nodes died under updates, of which none was lost", async () => {
    await using cluster = await startCluster({ ...options, seed: 62 });
    const caches = await Promise.all(
      cluster.nodes.map(() => cluster.client(PATIENT).kv.collection("n/", json<number>()).cache(PATIENT)),
    );
    const die = roundOfDeaths(cluster);
    const updating = Array.from({ length: 4 }, async (_, at) => {
      const numbers = cluster.client(PATIENT).kv.collection("n/", json<number>());
      for (let turn = 0; turn < 12; turn += 1) {
        await numbers.update(`${turn % 3}`, (present) => (present ?? 0) + 1);
        await numbers.put(`own/${at}`, turn);
        if (at === 0 && turn % 4 === 2) await die();
      }
    });
    await Promise.all(updating);
    const { kv } = cluster.client(PATIENT);
    const stored: Record<string, number> = {};
    for await (const { id, value } of kv.collection("n/", json<number>()).scan()) stored[id] = value;
    expect([stored["0"], stored["1"], stored["2"]]).toEqual([16, 16, 16]);
    const { revision } = await kv.put("elsewhere", "x");
    for (const cache of caches) {
      await cache.waitFor(revision, PATIENT);
      expect(Object.fromEntries(cache.entries())).toEqual(stored);
    }
  });
});

describe("watches", () => {
  test("I3: leader and followers tell identical sequences", async () => {
    await using cluster = await startCluster({ seed: 63 });
    const { kv } = cluster.client(PATIENT);
    for (let at = 0; at < 30; at += 1) await kv.put(`k/${at % 5}`, `${at}`);
    await kv.deleteRange({ prefix: "k/1" });
    await kv.transact((tx) => {
      tx.put("k/b", "1");
      tx.put("k/a", "1");
      tx.delete("k/2");
    });
    await kv.put("end", "");
    const sequences = await cluster.onAllNodes((node) =>
      toldUntil(node.client(PATIENT).kv.watch({}, { fromRevision: 1, previous: true }), "end"),
    );
    expect(sequences[0]).toHaveLength(35);
    for (const sequence of sequences) expect(sequence).toEqual(sequences[0]);
  });

  test("I4: the current state of 20 records, then live, no gap and no overlap", async () => {
    await using cluster = await startCluster({ seed: 64 });
    const { kv } = cluster.client(PATIENT);
    for (let at = 0; at < 20; at += 1) await kv.put(`k/${at}`, "before");
    const writing = (async () => {
      for (let turn = 0; turn < 100; turn += 1) await kv.increment(`k/count/${turn % 4}`);
      await kv.put("k/end", "");
    })();
    const state = new Map<string, string>();
    let synced = 0;
    let last = 0;
    for await (const event of cluster.client(PATIENT).kv.watch({ prefix: "k/" }, { currentState: true })) {
      if (event.kind === "current") {
        expect(synced).toBe(0);
        expect(state.has(event.record.key)).toBe(false);
        state.set(event.record.key, event.record.text());
      } else if (event.kind === "synced") {
        synced = event.revision;
        last = synced;
      } else if (event.kind === "put") {
        expect(event.revision).toBe(last + 1);
        last = event.revision;
        state.set(event.key, event.record.text());
        if (event.key === "k/end") break;
      }
    }
    await writing;
    const stored = new Map<string, string>();
    for await (const record of kv.scan({ prefix: "k/" })) stored.set(record.key, record.text());
    expect(state).toEqual(stored);
    expect([...state].filter(([key]) => key.startsWith("k/count/")).map(([, value]) => value)).toEqual([
      "25",
      "25",
      "25",
      "25",
    ]);
  });

  test("I5: a start that was compacted is an explicit error with the oldest revision, which works", async () => {
    await using cluster = await startCluster({ seed: 65 });
    const { kv } = cluster;
    for (let at = 0; at < 10; at += 1) await kv.put("k", `${at}`);
    await kv.compact(6);
    const failure = await kv
      .watch("k", { fromRevision: 6 })
      .next()
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ reason: "COMPACTED", oldestRevision: 7 });
    const watch = kv.watch("k", { fromRevision: 7 });
    expect(await watch.next()).toMatchObject({ value: { revision: 7 } });
    watch.close();
  });

  test("a Txn on collections is typed and seen together; its counter counts", async () => {
    await using cluster = await startCluster({ seed: 66 });
    const { kv } = cluster;
    const names = kv.collection("name/", text);
    const visits = kv.collection("visits/", integer);
    const cache = await names.cache();
    const { results, revision } = await kv
      .txn()
      .do(
        names.ops.put("ada", "Ada"),
        visits.ops.increment("ada", 41),
        visits.ops.increment("ada"),
        names.ops.get("ada"),
      )
      .commit();
    expect(results.slice(2)).toEqual([42n, "Ada"]);
    await cache.waitFor(revision);
    expect(cache.get("ada")).toBe("Ada");
    expect(await kv.counter("visits/ada").get()).toBe(42n);
  });

  test("I5: a node that is paused is left after 5 s, and nothing is missed", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 67 });
    const { kv } = cluster.client({ deadlineMs: 8000 });
    const watch = cluster.client(PATIENT).kv.watch({ prefix: "k/" });
    await cluster.advanceUntil(watch.opened());
    const one = await cluster.advanceUntil(kv.put("k/1", "1"));
    expect(await cluster.advanceUntil(watch.next())).toMatchObject({ value: { revision: one.revision } });
    // The endpoint that a client begins with.
    cluster.pause(1);
    const pausedAtMs = cluster.nowMs;
    await cluster.advanceUntil(kv.put("k/2", "2"));
    await cluster.advanceUntil(kv.put("k/end", "3"));
    const told = await cluster.advanceUntil(toldUntil(watch, "k/end"));
    expect(told.map((line) => line.split(" ")[1])).toEqual(["k/2=2", "k/end=3"]);
    expect(cluster.nowMs - pausedAtMs).toBeLessThan(7000);
    cluster.resume(1);
  });

  test("I4, I6: who takes nothing for long gets a large state and all that followed, once and in order", async () => {
    await using cluster = await startCluster({ seed: 68 });
    const { kv } = cluster.client(PATIENT);
    const keys = Array.from({ length: 9000 }, (_, at) => `k/${String(at).padStart(5, "0")}`);
    for (let at = 0; at < keys.length; at += 100) {
      await kv
        .txn()
        .do(...keys.slice(at, at + 100).map((key) => op.put(key, "before")))
        .commit();
    }
    const watch = cluster.client(PATIENT).kv.watch({ prefix: "k/" }, { currentState: true });
    await watch.opened();
    const written: string[] = [];
    for (let turn = 0; turn < 60; turn += 1) {
      const changed = keys.slice(turn * 100, turn * 100 + 100);
      const { revision } = await kv
        .txn()
        .do(...changed.map((key) => op.put(key, `${turn}`)))
        .commit();
      written.push(...changed.map((key) => `${revision} ${key}=${turn}`));
    }
    await kv.put("k/end", "");
    const all = await toldUntil(watch, "k/end");
    expect(all.slice(0, 9000)).toEqual(keys.map((key) => `current ${key}=before`));
    expect(all.slice(9001, -1)).toEqual(written);
  });

  test("I6: a truncation and the deletion of the namespace are told, the latter at last", async () => {
    await using cluster = await startCluster({ seed: 69 });
    const client = cluster.client(PATIENT);
    await client.namespaces.create("passing");
    const kv = client.namespace("passing");
    const watch = kv.watch("k");
    await watch.opened();
    await kv.put("other", "1");
    await kv.truncate();
    await kv.put("k", "2");
    await client.namespaces.delete("passing");
    const seen: string[] = [];
    const failure = await (async () => {
      for await (const event of watch) seen.push(event.kind);
    })().catch((error: unknown) => error);
    expect(seen).toEqual(["truncated", "put", "truncated"]);
    expect(failure).toMatchObject({ reason: "UNKNOWN_NAMESPACE" });
  });
});
