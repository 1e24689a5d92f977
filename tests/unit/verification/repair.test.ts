import { describe, expect, test } from "@jest/globals";
import {
  type Command,
  deleteCommand,
  grantLeaseCommand,
  putCommand,
  type ResidentState,
  tickCommand,
  truncateCommand,
} from "@quorate/services/kv";
import { hash32, utf8Decode, utf8Encode } from "@quorate/services/std";
import { ANYONE, put, VirtualCluster, type VirtualMember } from "./cluster-rig";

const KEYS = Array.from({ length: 160 }, (_, at) => `key-${at}`);

describe("repair", () => {
  test.each([
    { what: "one byte", key: Uint8Array.of(0x61) },
    { what: "a short key", key: utf8Encode("ab") },
    { what: "a long key", key: new Uint8Array(2048).fill(0x6b) },
    { what: "a non-ASCII key", key: utf8Encode("schlüssel-ключ-鍵") },
    { what: "bytes that are no text", key: Uint8Array.of(0xff, 0x00, 0xc3, 0x28) },
  ])("H5: a corrupted follower is found and repaired: $what", async ({ key }) => {
    const cluster = new VirtualCluster();
    await cluster.commit(...KEYS.map((name) => put(name)), put(key, "right"));
    expect((await cluster.verify()).consistent).toBe(true);
    const wrong = cluster.member("n3");
    expect(wrong.disk.corruptRecord({ namespaceId: 1, generation: 1, key, value: utf8Encode("wrong") })).toBe(
      true,
    );

    const found = await cluster.verify();
    expect(found.consistent).toBe(false);
    expect(found.members.map(({ member, agrees }) => [member, agrees])).toEqual([
      ["n1", true],
      ["n2", true],
      ["n3", false],
    ]);
    expect(found.diverged).toEqual([
      { member: "n3", namespaceId: 1, generation: 1, key, difference: "different" },
    ]);
    await cluster.eventually("it is repaired", () => wrong.repaired.length > 0);
    expect(wrong.repaired).toEqual([{ kind: "records", from: "n1", records: 1 }]);
    expect((await cluster.verify()).consistent).toBe(true);
    expect(wrong.verifier.status().recordsRepaired).toBe(1);
    cluster.close();
  });

  test("H5: keys that are missing, added or different are told as such and put right", async () => {
    const cluster = await filled();
    corrupt(cluster, "n2", "key-1", "other");
    corrupt(cluster, "n2", "key-2", null);
    corrupt(cluster, "n2", "stranger", "x");
    const found = await cluster.verify();
    expect(found.diverged.map(({ key, difference }) => [utf8Decode(key), difference])).toEqual([
      ["key-1", "different"],
      ["key-2", "missing"],
      ["stranger", "added"],
    ]);
    expect(found.divergedCount).toBe(3);
    await cluster.eventually("it is repaired", () => cluster.member("n2").repaired.length > 0);
    await expectEqual(cluster);
    cluster.close();
  });

  test("H5: a key that starts a bucket, gone or added, is found like any other", async () => {
    const start = KEYS.find((key) => hash32(utf8Encode(key)) % 128 === 0) ?? "";
    const added = Array.from({ length: 1000 }, (_, at) => `new-${at}`).find(
      (key) => hash32(utf8Encode(key)) % 128 === 0,
    );
    const cluster = await filled();
    corrupt(cluster, "n2", start, null);
    corrupt(cluster, "n2", added ?? "", "x");
    const found = await cluster.verify();
    expect(found.diverged.map(({ key, difference }) => [utf8Decode(key), difference])).toEqual([
      [start, "missing"],
      [added, "added"],
    ]);
    await cluster.eventually("it is repaired", () => cluster.member("n2").repaired.length > 0);
    await expectEqual(cluster);
    cluster.close();
  });

  test("H5: a learner that differs is repaired, and its word does not count", async () => {
    const cluster = await filled(["n1", "n2", "n3", "n4"], { learners: ["n4"] });
    corrupt(cluster, "n4", "key-5", "other");
    const found = await cluster.verify();
    expect(found.members.map(({ member, isVoter, agrees }) => [member, isVoter, agrees])).toEqual([
      ["n1", true, true],
      ["n2", true, true],
      ["n3", true, true],
      ["n4", false, false],
    ]);
    await cluster.eventually("it is repaired", () => cluster.member("n4").repaired.length > 0);
    await expectEqual(cluster);
    cluster.close();
  });

  test("H5: a leader that differs hands over to one that does not, and is repaired", async () => {
    const cluster = await filled();
    corrupt(cluster, "n1", "key-5", "other");
    const found = await cluster.verify();
    expect(found.diverged.map(({ member }) => member)).toEqual(["n1"]);
    await cluster.eventually("it is repaired", () => cluster.member("n1").repaired.length > 0);
    expect(cluster.leaderId).toBe("n2");
    expect(cluster.member("n1").repaired).toEqual([{ kind: "records", from: "n2", records: 1 }]);
    expect(cluster.member("n1").verifier.status().lastDiverged).toHaveLength(1);
    await expectEqual(cluster);
    // Keys are no more kept than they are of use.
    expect(cluster.member("n1").verifier.status().lastDiverged).toEqual([]);
    cluster.close();
  });

  test("H5: RepairMember compares, waits for the repair, and tells what was done", async () => {
    const cluster = await filled();
    corrupt(cluster, "n3", "key-5", "other");
    const repaired = await cluster.until(cluster.leader.verifier.repair("n3"));
    expect(repaired).toMatchObject({ kind: "repaired", records: 1, stateReplaced: false });
    expect(await cluster.until(cluster.leader.verifier.repair("n3"))).toMatchObject({ records: 0 });
    expect(await cluster.until(cluster.leader.verifier.repair("n9"))).toEqual({ kind: "unknown_member" });
    expect(await cluster.until(cluster.member("n2").verifier.repair("n3"))).toEqual({
      kind: "not_leader",
      leaderId: "n1",
    });
    await expectEqual(cluster);
    cluster.close();
  });

  test("H6: one bad key in 10,000: under 1 % of the data moves, on the leader and on the member that is repaired", async () => {
    const cluster = new VirtualCluster();
    const value = "v".repeat(256);
    for (let from = 0; from < 10_000; from += 1000) {
      await cluster.commit(...Array.from({ length: 1000 }, (_, at) => put(`key-${from + at}`, value)));
    }
    await cluster.verify();
    const wrong = cluster.member("n3").verifier;
    const before = wrong.status().bytesMoved;
    corrupt(cluster, "n3", "key-7777", "other");
    const found = await cluster.verify();
    expect(found.divergedCount).toBe(1);
    await cluster.eventually("it is repaired", () => wrong.status().bytesMoved > before);
    const data = cluster.leader.machine.totals.bytes;
    expect(data).toBeGreaterThan(2_500_000);
    expect(found.bytesMoved).toBeLessThan(data / 100);
    expect(wrong.status().bytesMoved - before).toBeLessThan(data / 100);
    expect((await cluster.verify()).consistent).toBe(true);
    cluster.close();
  });

  test("H7: verifying changes nothing but the number of the round", async () => {
    const cluster = await filled();
    const before = await Promise.all(cluster.members.map(imageOf));
    await cluster.round();
    await cluster.verify();
    const after = await Promise.all(cluster.members.map(imageOf));
    expect(after.map(withoutRounds)).toEqual(before.map(withoutRounds));
    cluster.close();
  });

  test("H7: where no majority of the voters agrees nobody is repaired, and it is told", async () => {
    const cluster = await filled();
    corrupt(cluster, "n2", "key-5", "other");
    corrupt(cluster, "n3", "key-5", "another");
    const before = await Promise.all(cluster.members.map(imageOf));
    const found = await cluster.verify();
    expect(found).toMatchObject({ consistent: false, isSplit: true, diverged: [] });
    expect(cluster.leader.verifier.status()).toMatchObject({ isSplit: true, diverged: [] });
    await cluster.round();
    expect((await Promise.all(cluster.members.map(imageOf))).map(withoutRounds)).toEqual(
      before.map(withoutRounds),
    );
    cluster.close();
  });

  test("H7: two that differ from one that does not answer are no majority; when it comes back they are told apart", async () => {
    const cluster = await filled();
    corrupt(cluster, "n3", "key-5", "other");
    cluster.silent.add("n2");
    expect(await cluster.verify()).toMatchObject({ consistent: false, isSplit: true });
    cluster.silent.clear();
    expect((await cluster.verify()).diverged.map(({ member }) => member)).toEqual(["n3"]);
    await cluster.eventually("it is repaired", () => cluster.member("n3").repaired.length > 0);
    await expectEqual(cluster);
    cluster.close();
  });

  test("H7: a repair takes what is committed where it stands, not what was there in the round", async () => {
    const cluster = await filled();
    const wrong = cluster.member("n3");
    // As long as what is right, so that what is counted stays right.
    for (const key of ["key-1", "key-2", "key-3", "key-4"]) corrupt(cluster, "n3", key, "w");
    let isFirst = true;
    wrong.onExclusive = async () => {
      if (!isFirst) return;
      isFirst = false;
      // The donor is ahead of the member that stands still: its newest records are not the right ones there.
      await cluster.leader.applyTo(cluster.lastIndex);
    };
    cluster.behind.add("n3");
    await cluster.begin();
    const round = cluster.leader.machine.meta.verifyRound;
    await cluster.eventually("the leader has hashed", () => cluster.leader.hashed.length > 1);
    // After the round, before the repair: one is written, one deleted, and then one more is only on the donor.
    await cluster.commit(put("key-1", "newer"), deletion("key-2"));
    await wrong.applyTo(cluster.lastIndex);
    await cluster.commit(put("key-3", "only on the donor"), deletion("key-4"));
    await cluster.eventually("it is repaired", () => wrong.repaired.length > 0);
    expect(wrong.verifier.status().round).toBe(round);
    expect(wrong.repaired).toEqual([{ kind: "records", from: "n1", records: 2 }]);
    expect(await valueAt(cluster, "n3", "key-3")).toBe("v");
    expect(await valueAt(cluster, "n3", "key-4")).toBe("v");
    cluster.behind.clear();
    await wrong.applyTo(cluster.lastIndex);
    await expectEqual(cluster);
    cluster.close();
  });

  test("a namespace that was truncated since the round needs no repair", async () => {
    const cluster = await filled();
    const wrong = cluster.member("n3");
    corrupt(cluster, "n3", "key-1", "other");
    cluster.behind.add("n3");
    await cluster.begin();
    await cluster.eventually("the leader has hashed", () => cluster.leader.hashed.length > 1);
    await cluster.commit(truncateCommand(ANYONE), put("key-1"));
    await wrong.applyTo(cluster.lastIndex);
    await cluster.eventually("it was looked at", () => wrong.repaired.length > 0);
    expect(wrong.repaired).toEqual([{ kind: "records", from: "n1", records: 0 }]);
    cluster.behind.clear();
    await expectEqual(cluster);
    cluster.close();
  });

  test("a command that met a wrong record leaves wrong counters: the whole state is taken", async () => {
    const cluster = await filled();
    corrupt(cluster, "n3", "key-1", null);
    // There it is a new key, elsewhere a known one.
    await cluster.commit(put("key-1", "again"));
    const found = await cluster.verify();
    expect(found.wholeState).toEqual(["n3"]);
    await cluster.eventually("it is repaired", () => cluster.member("n3").repaired.length > 0);
    expect(cluster.member("n3").repaired).toEqual([{ kind: "state", from: "n1" }]);
    expect(cluster.member("n3").machine.totals).toEqual(cluster.leader.machine.totals);
    await expectEqual(cluster);
    cluster.close();
  });

  test("a lease's attachment is resident: a record that lost its lease gets it back", async () => {
    const cluster = await filled();
    await cluster.commit(grantLeaseCommand(ANYONE, 60_000), leased("held", 1n));
    corrupt(cluster, "n3", "held", null);
    await cluster.verify();
    await cluster.eventually("it is repaired", () => cluster.member("n3").repaired.length > 0);
    await expectEqual(cluster);
    // The lease ends: its key goes everywhere, and is counted out once.
    await cluster.commit(tickCommand(1, 1000), tickCommand(120_000, 1000));
    expect((await cluster.verify()).consistent).toBe(true);
    expect(cluster.member("n3").machine.totals.keys).toBe(KEYS.length);
    cluster.close();
  });

  test("more keys than are repaired one by one: the whole state is taken", async () => {
    const cluster = await filled(["n1", "n2", "n3"], { limits: { repairKeysMax: 5 } });
    for (let at = 0; at < 8; at += 1) corrupt(cluster, "n3", `key-${at}`, "other");
    const repaired = await cluster.until(cluster.leader.verifier.repair("n3"));
    expect(repaired).toMatchObject({ kind: "repaired", records: 0, stateReplaced: true });
    await expectEqual(cluster);
    cluster.close();
  });

  test("a member whose software hashes otherwise does not take the whole state again and again", async () => {
    const cluster = await filled();
    const other = cluster.member("n3");
    // As in a rolling upgrade to a version that keeps something more: no state that it takes makes it equal.
    other.sees = (resident) => ({
      ...resident,
      meta: { ...resident.meta, timeMs: resident.meta.timeMs + 1 },
    });
    for (let outcomes = 1; outcomes <= 6; outcomes += 1) {
      await cluster.round();
      await cluster.eventually("it was dealt with", () => other.repaired.length >= outcomes);
    }
    expect(other.verifier.status()).toMatchObject({ statesReplaced: 2, isWrong: true });
    expect(other.repaired.at(-1)).toMatchObject({ kind: "put_off" });
    // Now and then it is tried again, for bad luck looks the same.
    cluster.nowMs += 10 * 60_000;
    await cluster.round();
    await cluster.eventually("it was tried again", () => other.repaired.length >= 7);
    expect(other.verifier.status().statesReplaced).toBe(3);
    // Where the others have been upgraded too it agrees.
    other.sees = (resident) => resident;
    await expectEqual(cluster);
    cluster.close();
  });

  test("two of five that differ, each in its own way, are both repaired", async () => {
    const cluster = await filled(["n1", "n2", "n3", "n4", "n5"]);
    corrupt(cluster, "n4", "key-1", "other");
    corrupt(cluster, "n5", "key-1", null);
    corrupt(cluster, "n5", "key-7", "other");
    const found = await cluster.verify();
    expect(found.diverged.map(({ member, difference }) => [member, difference])).toEqual([
      ["n4", "different"],
      ["n5", "missing"],
      ["n5", "different"],
    ]);
    await cluster.eventually("both are repaired", () =>
      ["n4", "n5"].every((id) => cluster.member(id).repaired.length > 0),
    );
    await expectEqual(cluster);
    cluster.close();
  });

  test("who led before and leads again knows of no member that differs until it has compared them", async () => {
    const cluster = await filled();
    corrupt(cluster, "n3", "key-1", "other");
    await cluster.verify();
    expect(cluster.member("n1").verifier.status().diverged).toEqual(["n3"]);
    cluster.leaderId = "n2";
    await cluster.eventually("it is repaired", () => cluster.member("n3").repaired.length > 0);
    await expectEqual(cluster);
    cluster.leaderId = "n1";
    expect(cluster.member("n1").verifier.status()).toMatchObject({ diverged: [], lastDiverged: [] });
    cluster.close();
  });

  test("a donor that has another record than in the round is not believed", async () => {
    const cluster = await filled();
    corrupt(cluster, "n3", "key-1", "other");
    const wrong = cluster.member("n3");
    wrong.onExclusive = async () => {
      wrong.onExclusive = async () => undefined;
      corrupt(cluster, "n1", "key-1", "corrupted since");
    };
    await cluster.verify();
    await cluster.eventually("it was put off", () => wrong.repaired.length > 0);
    expect(wrong.repaired[0]).toMatchObject({ kind: "put_off" });
    expect(await valueAt(cluster, "n3", "key-1")).toBe("other");
    cluster.close();
  });
});

async function filled(
  ids: readonly string[] = ["n1", "n2", "n3"],
  options: ConstructorParameters<typeof VirtualCluster>[1] = {},
): Promise<VirtualCluster> {
  const cluster = new VirtualCluster(ids, options);
  await cluster.commit(...KEYS.map((key) => put(key)));
  expect((await cluster.verify()).consistent).toBe(true);
  return cluster;
}

function corrupt(cluster: VirtualCluster, member: string, key: string, value: string | null): void {
  const { disk } = cluster.member(member);
  const bytes = value === null ? null : utf8Encode(value);
  expect(disk.corruptRecord({ namespaceId: 1, generation: 1, key: utf8Encode(key), value: bytes })).toBe(
    true,
  );
}

function deletion(key: string): Command {
  return deleteCommand(ANYONE, { key: utf8Encode(key), returnPrevious: false, expectedModRevision: null });
}

function leased(key: string, leaseId: bigint): Command {
  const value = utf8Encode("v");
  return putCommand(ANYONE, {
    key: utf8Encode(key),
    value,
    leaseId,
    returnPrevious: false,
    expectedModRevision: null,
  });
}

async function valueAt(cluster: VirtualCluster, member: string, key: string): Promise<string | null> {
  const { store, machine } = cluster.member(member);
  const query = { namespaceId: 1, generation: 1, keys: [utf8Encode(key)], revision: machine.meta.revision };
  const [record] = await store.records({ ...query, keysOnly: false });
  return record ? utf8Decode(record.value) : null;
}

/** All of the newest state of a member. */
async function imageOf({
  store,
  machine,
}: VirtualMember): Promise<{ resident: ResidentState; records: unknown[] }> {
  const frozen = store.freeze();
  const records: unknown[] = [];
  for (const { id: namespaceId, generation } of machine.resident().namespaces) {
    const range = { namespaceId, generation, start: new Uint8Array(0), end: null };
    for await (const chunk of frozen.scan({ ...range, reverse: false, keysOnly: false }))
      records.push(...chunk);
  }
  frozen.close();
  return { resident: machine.resident(), records };
}

function withoutRounds({ resident, records }: Awaited<ReturnType<typeof imageOf>>): unknown {
  const { verifyRound: _, ...meta } = resident.meta;
  return { resident: { ...resident, meta }, records };
}

async function expectEqual(cluster: VirtualCluster): Promise<void> {
  expect((await cluster.verify()).consistent).toBe(true);
  const [first, ...others] = await Promise.all(cluster.members.map(imageOf));
  for (const other of others) expect(other).toEqual(first);
  await cluster.eventually("all know that they are right", () =>
    cluster.members.every(({ verifier }) => !verifier.status().isWrong),
  );
  expect(cluster.leader.verifier.status().diverged).toEqual([]);
}
