import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { utf8Encode } from "@quorate/services/std";
import { createDataDirectory, type OpenedStores, openStores } from "@quorate/services/storage";
import { put, VirtualCluster } from "./cluster-rig";
import { naiveBuckets } from "./naive-rounds";

const MEMBERS = ["n1", "n2", "n3"].map((id) => ({ id, clientAddress: `${id}:1`, peerAddress: `${id}:2` }));

let path = "";
let stores: OpenedStores | null = null;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "quorate-verification-"));
});

afterEach(async () => {
  await stores?.state.close();
  await stores?.log.close();
  stores = null;
  await rm(path, { recursive: true });
});

describe("a member on LevelDB among others", () => {
  test("H5: has the same roots, and is found and repaired where its store has another record", async () => {
    const identity = { clusterId: "c1", memberId: "n3", members: MEMBERS };
    const created = await createDataDirectory({ path: join(path, "n3"), ...identity });
    if (created.kind !== "opened") throw new Error(`no directory: ${JSON.stringify(created)}`);
    const opened = await openStores(created.directory);
    if (opened.kind !== "opened") throw new Error(`no stores: ${JSON.stringify(opened)}`);
    stores = opened.stores;
    const { state } = stores;
    const cluster = new VirtualCluster(["n1", "n2", "n3"], {
      stores: { n3: state },
      // Virtual time runs ahead of a real disk.
      limits: { patienceMs: 1e9, questionMs: 1e9, frozenMs: 1e9 },
    });
    const keys = Array.from({ length: 2000 }, (_, at) => `key-${at}`);
    await cluster.commit(...keys.map((key) => put(key)), ...keys.slice(0, 500).map((key) => put(key, "2")));
    const first = await cluster.verify();
    expect(first.consistent).toBe(true);
    const wrong = cluster.member("n3");
    expect(wrong.verifier.answerBuckets(first.round)).toEqual(await naiveBuckets(state, wrong.machine));

    // What a repair writes is no event and no revision: just what a corruption is.
    const record = { valueBytes: 1, createRevision: 1, modRevision: 1, version: 1, leaseId: 0 };
    const corrupted = [
      {
        key: utf8Encode("key-700"),
        record: { ...record, key: utf8Encode("key-700"), value: utf8Encode("w") },
      },
      { key: utf8Encode("key-800"), record: null },
      {
        key: utf8Encode("stranger"),
        record: { ...record, key: utf8Encode("stranger"), value: utf8Encode("x") },
      },
    ];
    await state.repair(corrupted.map((repair) => ({ namespaceId: 1, generation: 1, ...repair })));
    const found = await cluster.verify();
    expect(found.diverged.map(({ member, difference }) => [member, difference])).toEqual([
      ["n3", "different"],
      ["n3", "missing"],
      ["n3", "added"],
    ]);
    await cluster.eventually("it is repaired", () => wrong.repaired.length > 0);
    expect(wrong.repaired).toEqual([{ kind: "records", from: "n1", records: 3 }]);
    expect((await cluster.verify()).consistent).toBe(true);
    cluster.close();
  });
});
