import { expect } from "@jest/globals";
import { AlarmKind, Consistency } from "@quorate/client/generated";
import {
  bytes,
  type Corruption,
  clusterOfFile,
  corruptStoredRecords,
  hex,
  type TestCluster,
  text,
} from "../support";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

// Replicas are compared when a test asks for it, and not before; with this timing not even a busy machine causes elections.
const cluster = clusterOfFile({ profile: "wan", nodeArgs: () => ["--verify-interval-ms", "0"] });

/** Keys of all kinds: of one byte, short, long, not ASCII, and no text at all. */
const KEYS: readonly Uint8Array[] = [
  bytes("a"),
  bytes("ab"),
  bytes("k".repeat(2048)),
  bytes("schlüssel-ключ-鍵"),
  Uint8Array.of(0xff, 0x00, 0xc3, 0x28),
];
const OTHERS = 40;
const RIGHT = "right";
/** As long as what is right, as a changed byte is. */
const WRONG = "wrong";

function changed(key: Uint8Array, value: string | null = WRONG): Corruption {
  return { namespaceId: 1, generation: 1, key, value: value === null ? null : bytes(value) };
}

/** Changes what a node holds behind its back. */
async function corrupt(
  cluster: TestCluster,
  node: number,
  corruptions: readonly Corruption[],
): Promise<void> {
  // What is not in the tables yet would be brought back from the log; it stops as it should.
  expect(await cluster.terminate(node)).toBe(0);
  await corruptStoredRecords(cluster.dataDir(node), corruptions);
  await cluster.restart(node);
  await cluster.leader();
}

/** What a node itself holds, right or wrong. */
async function held(cluster: TestCluster, node: number, key: Uint8Array): Promise<string | null> {
  const { record } = await cluster.node(node).kv.call("get", { key, consistency: Consistency.STALE });
  return record === undefined ? null : text(record.value);
}

async function writeKeys(cluster: TestCluster): Promise<void> {
  const kv = patientKv(cluster);
  for (const key of KEYS) await kv.put(key, RIGHT);
  await Promise.all(Array.from({ length: OTHERS }, (_, at) => kv.put(`other-${at}`, `value ${at}`)));
  await cluster.agree();
}

async function verify(cluster: TestCluster) {
  return cluster.node(await cluster.leader()).admin.call("verifyConsistency", {}, { deadlineMs: 60_000 });
}

/** A new leader also records its members' stores, with its first Tick: until nothing but a Tick comes from one to the next. */
async function onlyTicksCome(cluster: TestCluster): Promise<void> {
  const leader = await cluster.leader();
  let atTick = await cluster.status(leader);
  await inTime("a Tick and nothing besides", async () => {
    const now = await cluster.status(leader);
    if (now.replicatedTimeMs === atTick.replicatedTimeMs) return null;
    const entries = now.lastIndex - atTick.lastIndex;
    atTick = now;
    return entries === 1 ? true : null;
  });
}

cluster.test(
  "H7: comparing changes neither revision nor hash, and adds its own entry only",
  async (cluster) => {
    await writeKeys(cluster);
    await onlyTicksCome(cluster);
    const before = await cluster.agree();
    const leader = await cluster.leader();
    const { lastIndex, replicatedTimeMs } = await cluster.status(leader);
    const rounds = 3;
    for (let round = 0; round < rounds; round += 1) expect((await verify(cluster)).consistent).toBe(true);
    expect(await cluster.agree()).toEqual(before);
    const after = await cluster.status(leader);
    // A Tick comes once a second besides.
    const ticksMax = Math.ceil((after.replicatedTimeMs - replicatedTimeMs) / 500) + 2;
    expect(after.lastIndex - lastIndex).toBeGreaterThanOrEqual(rounds);
    expect(after.lastIndex - lastIndex).toBeLessThanOrEqual(rounds + ticksMax);
  },
);

for (const which of ["a follower", "the leader"] as const) {
  cluster.test(
    `H5: what ${which} holds wrongly is found, key by key, and put right from the others`,
    async (cluster) => {
      await writeKeys(cluster);
      const [node] = (await cluster.followers()) as [number];
      const [missing, added] = [bytes("other-7"), bytes("stranger")];
      await corrupt(cluster, node, [
        ...KEYS.map((key) => changed(key)),
        changed(missing, null),
        changed(added, "never written"),
      ]);
      if (which === "the leader") {
        await inTime(`n${node} leads`, async () => {
          await cluster.node(node).admin.attempt("transferLeadership", { memberId: `n${node}` });
          return (await cluster.leader()) === node;
        });
      }
      for (const key of KEYS) expect(await held(cluster, node, key)).toBe(WRONG);

      const found = await verify(cluster);
      expect(found.consistent).toBe(false);
      expect(found.members.filter(({ agrees }) => !agrees).map(({ memberId }) => memberId)).toEqual([
        `n${node}`,
      ]);
      expect(new Map(found.diverged.map(({ key, difference }) => [hex(key), difference]))).toEqual(
        new Map([
          ...KEYS.map((key) => [hex(key), "different"] as const),
          [hex(missing), "missing"],
          [hex(added), "added"],
        ]),
      );
      expect(Number(found.divergedCount)).toBe(KEYS.length + 2);
      for (const diverged of found.diverged)
        expect(diverged).toMatchObject({ memberId: `n${node}`, namespace: "default" });

      await inTime("it is repaired", async () => {
        const { verification } = await cluster.status(node);
        return Number(verification?.recordsRepaired) >= KEYS.length + 2;
      });
      for (const at of cluster.numbers) {
        for (const key of KEYS) expect(await held(cluster, at, key)).toBe(RIGHT);
        expect(await held(cluster, at, missing)).toBe("value 7");
        expect(await held(cluster, at, added)).toBeNull();
      }
      expect((await verify(cluster)).consistent).toBe(true);
      if (which === "the leader") expect(await cluster.leader()).not.toBe(node);
      await cluster.agree();
    },
  );
}

cluster.test("H5: RepairMember finds, repairs and tells how much", async (cluster) => {
  await writeKeys(cluster);
  const [node] = (await cluster.followers()) as [number];
  await corrupt(cluster, node, [changed(KEYS[0] as Uint8Array)]);
  const { admin } = cluster.node(await cluster.leader());
  const repaired = await admin.call("repairMember", { memberId: `n${node}` }, { deadlineMs: 60_000 });
  expect(repaired).toMatchObject({ recordsRepaired: 1n, stateReplaced: false });
  expect(await held(cluster, node, KEYS[0] as Uint8Array)).toBe(RIGHT);
  const again = await admin.call("repairMember", { memberId: `n${node}` }, { deadlineMs: 60_000 });
  expect(again).toMatchObject({ recordsRepaired: 0n, stateReplaced: false });
});

cluster.test("H7: where no majority is right nobody is repaired, and it is told", async (cluster) => {
  await writeKeys(cluster);
  const key = KEYS[1] as Uint8Array;
  const [one, other] = (await cluster.followers()) as [number, number];
  await corrupt(cluster, one, [changed(key, "wrong")]);
  await corrupt(cluster, other, [changed(key, "other")]);
  const [third] = cluster.numbers.filter((node) => node !== one && node !== other) as [number];
  const leader = await cluster.leader();
  expect(await verify(cluster)).toMatchObject({ consistent: false, divergedCount: 0n });
  const { alarms } = await cluster.status(leader);
  expect(alarms.filter(({ kind }) => kind === AlarmKind.DIVERGED)).toMatchObject([
    { memberId: "", message: expect.stringContaining("no majority agrees") },
  ]);
  await verify(cluster);
  expect([
    await held(cluster, one, key),
    await held(cluster, other, key),
    await held(cluster, third, key),
  ]).toEqual(["wrong", "other", RIGHT]);
  // A write is what all agree on.
  await patientKv(cluster).put(key, "written");
  await inTime("all agree", async () => (await verify(cluster)).consistent);
});
