import { afterEach, describe, expect, test } from "@jest/globals";
import { ErrorReason } from "@quorate/proto/kv";
import { CallFailure } from "@quorate/services/forward";
import { type AnsweringVerifier, PeerServer, PeerVerification } from "@quorate/services/rpc";
import type { BucketHash, KeySpaceRange, RepairQuery } from "@quorate/services/verification";
import { PATIENCE_MS, recordingLog } from "../forward/serving";
import { FakePeerReplica, identityOf, membershipOf } from "./peer-rig";

const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0).reverse()) close();
});

const hash = (seed: number): Uint8Array => new Uint8Array(16).fill(seed);
const root = new Uint8Array(32).fill(7);
const residentHash = new Uint8Array(32).fill(8);

const silent: AnsweringVerifier = {
  answerRoot: () => ({ kind: "pending" }),
  answerBuckets: () => null,
  answerKeys: () => null,
  answerRecords: () => ({ kind: "unreadable" }),
};

async function peers(changes: Partial<AnsweringVerifier> | null, answerMsMax = PATIENCE_MS) {
  const replica = new FakePeerReplica();
  const verification = changes === null ? null : { ...silent, ...changes };
  const server = new PeerServer({ own: identityOf("n2"), replica, verification, log: recordingLog() });
  const port = await server.listen("127.0.0.1:0");
  const asking = new PeerVerification({
    own: identityOf("n1"),
    addressOf: (member) => (member === "n2" ? `127.0.0.1:${port}` : null),
    epoch: () => 0,
    answerMsMax,
  });
  closing.push(
    () => server.close(),
    () => asking.close(),
  );
  return { asking, replica };
}

describe("asking a peer's verifier", () => {
  test("H4: the root of a round comes as it was found, or that there is none yet, or none any more", async () => {
    const done = { kind: "done" as const, root, residentHash, appliedIndex: 77, keys: 1000, buckets: 9 };
    const { asking } = await peers({
      answerRoot: (round) => (round === 5 ? done : { kind: round === 6 ? "pending" : "unknown" }),
    });
    expect(await asking.root("n2", 5)).toEqual(done);
    expect(await asking.root("n2", 6)).toEqual({ kind: "pending" });
    expect(await asking.root("n2", 4)).toEqual({ kind: "unknown" });
  });

  test("buckets come in order, however many, and an empty state differs from a round that is not known", async () => {
    const buckets: BucketHash[] = Array.from({ length: 2500 }, (_, at) => ({
      namespaceId: 1,
      generation: 2,
      start: Buffer.from(at === 0 ? "" : `key ${at}`),
      hash: hash(at % 256),
      keys: at,
    }));
    const { asking } = await peers({
      answerBuckets: (round) => (round === 1 ? buckets : round === 2 ? [] : null),
    });
    const found = await asking.buckets("n2", 1);
    expect(found).toHaveLength(2500);
    expect(found?.map(({ start }) => Buffer.from(start).toString())).toEqual(
      buckets.map(({ start }) => Buffer.from(start).toString()),
    );
    expect(found?.[2]).toEqual({ ...buckets[2], start: new Uint8Array(buckets[2]!.start) });
    expect(await asking.buckets("n2", 2)).toEqual([]);
    expect(await asking.buckets("n2", 3)).toBeNull();
  });

  test("buckets that start at the longest keys come in messages that are not too large", async () => {
    const buckets: BucketHash[] = Array.from({ length: 200 }, (_, at) => ({
      namespaceId: 1,
      generation: 2,
      start: new Uint8Array(65_536).fill(at % 256),
      hash: hash(at % 256),
      keys: at,
    }));
    const { asking } = await peers({ answerBuckets: () => buckets });
    expect((await asking.buckets("n2", 1))?.map(({ start }) => start.length)).toEqual(
      buckets.map(({ start }) => start.length),
    );
  });

  test("keys of a range, with and without an end", async () => {
    const asked: [number, KeySpaceRange][] = [];
    const keys = [{ key: Uint8Array.of(1, 2), hash: hash(3) }];
    const { asking } = await peers({
      answerKeys: (round, range) => {
        asked.push([round, range]);
        return round === 1 ? keys : null;
      },
    });
    const place = { namespaceId: 3, generation: 4, start: Uint8Array.of(1) };
    expect(await asking.keys("n2", 1, { ...place, end: Uint8Array.of(9) })).toEqual(keys);
    expect(await asking.keys("n2", 2, { ...place, end: null })).toBeNull();
    expect(asked.map(([round, { end }]) => [round, end === null ? null : [...end]])).toEqual([
      [1, [9]],
      [2, null],
    ]);
    expect(asked[0]![1]).toMatchObject({ namespaceId: 3, generation: 4 });
  });

  test("H5: records come as they are stored; that they cannot be read, or are too large together, is said", async () => {
    const record = {
      key: Uint8Array.of(1),
      value: Uint8Array.of(2, 3),
      valueBytes: 2,
      createRevision: 4,
      modRevision: 6,
      version: 2,
      leaseId: 9,
    };
    const asked: RepairQuery[] = [];
    const { asking } = await peers({
      answerRecords: (query) => {
        asked.push(query);
        if (query.revision === 1) return { kind: "unreadable" };
        return query.revision === 2 ? { kind: "too_large" } : { kind: "records", records: [record] };
      },
    });
    const query = { namespaceId: 1, generation: 1, keys: [Uint8Array.of(1)], revision: 50, appliedIndex: 70 };
    expect(await asking.records("n2", query)).toEqual({ kind: "records", records: [record] });
    expect(await asking.records("n2", { ...query, revision: 1 })).toEqual({ kind: "unreadable" });
    expect(await asking.records("n2", { ...query, revision: 2 })).toEqual({ kind: "too_large" });
    expect(asked[0]).toMatchObject({ revision: 50, appliedIndex: 70, namespaceId: 1, generation: 1 });
    expect([...asked[0]!.keys[0]!]).toEqual([1]);
  });

  test("G6: nobody but members is answered", async () => {
    const { asking, replica } = await peers({});
    replica.membership = membershipOf(["n2"]);
    await expect(asking.root("n2", 1)).rejects.toThrow('refused: "n1" is no member of the cluster');
    await expect(asking.buckets("n2", 1)).rejects.toThrow("no member");
    replica.membership = membershipOf(["n2"], { retiredStores: ["store-1"] });
    await expect(asking.root("n2", 1)).rejects.toThrow("removed: ");
  });

  test.each<[string, () => Promise<unknown>]>([
    ["a peer that compares nothing", async () => (await peers(null)).asking.root("n2", 1)],
    ["a peer whose address is not known", async () => (await peers({})).asking.root("n9", 1)],
    [
      "a peer that fails",
      async () =>
        (await peers({ answerRoot: () => Promise.reject(new Error("broken")) })).asking.root("n2", 1),
    ],
    [
      "a peer that never answers",
      async () => (await peers({ answerRoot: () => new Promise(() => {}) }, 200)).asking.root("n2", 1),
    ],
    [
      "being closed meanwhile",
      async () => {
        const { asking } = await peers({ answerRoot: () => new Promise(() => {}) });
        const answer = asking.root("n2", 1);
        setTimeout(() => asking.close(), 50);
        return answer;
      },
    ],
  ])("%s is an error and not an answer", async (_name, ask) => {
    const failure = await ask().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CallFailure);
    expect((failure as CallFailure).reason).not.toBe(ErrorReason.UNSPECIFIED);
  });
});
