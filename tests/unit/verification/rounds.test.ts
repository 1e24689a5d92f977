import { describe, expect, test } from "@jest/globals";
import { utf8Decode, utf8Encode } from "@quorate/services/std";
import { put, VirtualCluster, type VirtualMember } from "./cluster-rig";

const KEYS = Array.from({ length: 300 }, (_, at) => `key-${at}`);
/** Has twelve of them. */
const RANGE = { namespaceId: 1, generation: 1, start: utf8Encode("key-1"), end: utf8Encode("key-11") };

/** As a disk does it: nothing is written. */
function corrupt(member: VirtualMember, key: string): void {
  const value = utf8Encode("wrong");
  const place = { namespaceId: 1, generation: 1, key: utf8Encode(key) };
  expect(member.disk.corruptRecord({ ...place, value })).toBe(true);
}

describe("rounds", () => {
  test("H4: the leader begins rounds by itself: soon where something changed, else later, and all agree", async () => {
    const cluster = new VirtualCluster(["n1", "n2", "n3"], {
      limits: { intervalMs: 1000, idleIntervalMs: 5000 },
    });
    await cluster.commit(...KEYS.map((key) => put(key)));
    await cluster.eventually("a first round", () => cluster.leader.compared.length === 1);
    expect(cluster.nowMs).toBeGreaterThanOrEqual(1000);
    expect(cluster.nowMs).toBeLessThan(1500);
    await cluster.eventually(
      "a second one, though nothing changed",
      () => cluster.leader.compared.length === 2,
    );
    expect(cluster.nowMs).toBeGreaterThanOrEqual(6000);
    await cluster.commit(put("more"));
    await cluster.eventually("a third one", () => cluster.leader.compared.length === 3);
    expect(cluster.nowMs).toBeLessThan(8000);
    expect(cluster.leader.compared.map(({ consistent }) => consistent)).toEqual([true, true, true]);
    expect(cluster.leader.verifier.status()).toMatchObject({ round: 3, agreedRound: 3, keys: 301 });
    expect(cluster.member("n2").verifier.status()).toMatchObject({ round: 3, agreedRound: 0, keys: 301 });
    cluster.close();
  });

  test("rounds are so far apart that they take at most a fiftieth of the time, reading included", async () => {
    const cluster = new VirtualCluster(["n1"], { limits: { intervalMs: 1000, idleIntervalMs: 1000 } });
    await cluster.commit(...KEYS.map((key) => put(key)));
    cluster.readMs = 200;
    await cluster.eventually("a first round", () => cluster.leader.compared.length === 1);
    const firstMs = cluster.nowMs;
    expect(cluster.leader.hashed.map(({ busyMs }) => busyMs)).toEqual([200]);
    await cluster.eventually("a second one", () => cluster.leader.compared.length === 2);
    expect(cluster.nowMs - firstMs).toBeGreaterThanOrEqual(50 * 200 - 200);
    expect(cluster.nowMs - firstMs).toBeLessThan(50 * 200 + 1000);
    cluster.close();
  });

  test("rounds by itself can be turned off", async () => {
    const cluster = new VirtualCluster();
    await cluster.commit(put("a"));
    for (let steps = 0; steps < 200; steps += 1) {
      cluster.nowMs += 1000;
      await cluster.step();
    }
    expect(cluster.leader.machine.meta.verifyRound).toBe(0);
    cluster.close();
  });

  test("a member that does not answer holds nothing up for long, and counts for no agreement", async () => {
    const cluster = new VirtualCluster();
    await cluster.commit(...KEYS.map((key) => put(key)));
    cluster.silent.add("n3");
    const found = await cluster.verify();
    expect(found.consistent).toBe(true);
    expect(found.members.map(({ answered, agrees }) => [answered, agrees])).toEqual([
      [true, true],
      [true, true],
      [false, false],
    ]);
    cluster.silent.add("n2");
    expect(await cluster.verify()).toMatchObject({ consistent: false, isSplit: false, diverged: [] });
    cluster.close();
  });

  test("a member that is behind is waited for, as long as patience lasts", async () => {
    const cluster = new VirtualCluster();
    await cluster.commit(...KEYS.map((key) => put(key)));
    cluster.behind.add("n3");
    const verified = cluster.leader.verifier.verifyNow();
    for (let steps = 0; steps < 20; steps += 1) await cluster.step();
    await cluster.member("n3").applyTo(cluster.lastIndex);
    const found = await cluster.until(verified);
    expect(found).toMatchObject({ kind: "compared", consistent: true });
    expect(found.kind === "compared" && found.members.every(({ agrees }) => agrees)).toBe(true);
    cluster.close();
  });

  test("of rounds that come while one is hashed the newest is hashed next, and the others are unknown", async () => {
    const cluster = new VirtualCluster(["n1"], { limits: { keysPerTurn: 1 } });
    await cluster.commit(...KEYS.map((key) => put(key)));
    for (let rounds = 0; rounds < 4; rounds += 1) await cluster.begin();
    const { verifier } = cluster.leader;
    await cluster.eventually("the newest is hashed", () => verifier.status().round === 4);
    expect([1, 2, 3, 4, 5].map((round) => verifier.answerRoot(round).kind)).toEqual([
      "done",
      "unknown",
      "unknown",
      "done",
      "pending",
    ]);
    cluster.close();
  });

  test("four rounds are kept", async () => {
    const cluster = new VirtualCluster(["n1"]);
    await cluster.commit(...KEYS.map((key) => put(key)));
    for (let rounds = 0; rounds < 5; rounds += 1) await cluster.round();
    const { verifier } = cluster.leader;
    expect([1, 2, 3, 4, 5].map((round) => verifier.answerRoot(round).kind)).toEqual([
      "unknown",
      ...["done", "done", "done", "done"],
    ]);
    expect(verifier.answerBuckets(1)).toBeNull();
    cluster.close();
  });

  test("the state of a round in which all are equal is let go of at once, and what was found in it stays", async () => {
    const cluster = new VirtualCluster();
    await cluster.commit(...KEYS.map((key) => put(key)));
    const { round } = await cluster.verify();
    await cluster.eventually("all have let go of it", () =>
      cluster.members.every(({ frozenStates }) => frozenStates.size === 0),
    );
    expect(cluster.nowMs).toBeLessThan(1000);
    for (const { verifier } of cluster.members) {
      expect(verifier.answerRoot(round).kind).toBe("done");
      expect(verifier.answerBuckets(round)).not.toBeNull();
    }
    cluster.close();
  });

  test("a member that does not answer keeps no state from being let go of", async () => {
    const cluster = new VirtualCluster();
    await cluster.commit(...KEYS.map((key) => put(key)));
    cluster.silent.add("n3");
    await cluster.verify();
    await cluster.eventually("those that answer have let go of it", () =>
      ["n1", "n2"].every((id) => cluster.member(id).frozenStates.size === 0),
    );
    expect(cluster.nowMs).toBeLessThan(5000);
    cluster.close();
  });

  test("where a follower differs the leader keeps the state of the round for a while, to be asked for keys", async () => {
    const cluster = new VirtualCluster(["n1", "n2", "n3"], { limits: { frozenMs: 60_000 } });
    await cluster.commit(...KEYS.map((key) => put(key)));
    corrupt(cluster.member("n3"), "key-7");
    const { round } = await cluster.verify();
    await cluster.eventually("n2 has let go of it", () => cluster.member("n2").frozenStates.size === 0);
    const { verifier } = cluster.leader;
    expect((await verifier.answerKeys(round, RANGE))?.map(({ key }) => utf8Decode(key))).toEqual([
      "key-1",
      "key-10",
      "key-100",
      ...["key-101", "key-102", "key-103", "key-104", "key-105", "key-106", "key-107", "key-108", "key-109"],
    ]);
    cluster.nowMs += 60_001;
    await cluster.step();
    expect(await verifier.answerKeys(round, RANGE)).toBeNull();
    expect(verifier.answerBuckets(round)).not.toBeNull();
    cluster.close();
  });

  test("where the leader differs the followers keep it", async () => {
    const cluster = new VirtualCluster();
    await cluster.commit(...KEYS.map((key) => put(key)));
    corrupt(cluster.leader, "key-7");
    const followers = [cluster.member("n2"), cluster.member("n3")];
    await cluster.verify();
    await cluster.eventually("it has repaired itself", () => cluster.member("n1").repaired.length > 0);
    expect(cluster.member("n1").repaired).toMatchObject([{ kind: "records", records: 1 }]);
    expect(followers.map(({ frozenStates }) => frozenStates.size)).toEqual([1, 1]);
    cluster.close();
  });

  test("a member that was asked for keys in vain keeps the states of the next rounds", async () => {
    const cluster = new VirtualCluster(["n1"]);
    await cluster.commit(...KEYS.map((key) => put(key)));
    const { verifier, frozenStates } = cluster.leader;
    const { round } = await cluster.verify();
    await cluster.eventually("it has let go of the first", () => frozenStates.size === 0);
    expect(await verifier.answerKeys(round, RANGE)).toBeNull();
    for (let kept = 1; kept <= 4; kept += 1) {
      const next = await cluster.verify();
      for (let steps = 0; steps < 10; steps += 1) await cluster.step();
      expect(frozenStates.size).toBe(kept);
      expect(await verifier.answerKeys(next.round, RANGE)).not.toBeNull();
    }
    await cluster.verify();
    await cluster.eventually("it lets go of those again that nobody asks for", () => frozenStates.size === 3);
    cluster.close();
  });

  test("a snapshot that is installed while a round is hashed ends it, and all is hashed anew in the next", async () => {
    const cluster = new VirtualCluster(["n1", "n2", "n3"], { limits: { keysPerTurn: 1 } });
    await cluster.commit(...KEYS.map((key) => put(key)));
    await cluster.round();
    const one = cluster.member("n3");
    await cluster.commit(...KEYS.map((key) => put(key, "new")));
    await cluster.begin();
    await cluster.step();
    expect(await one.asReplica().reinstall("n1")).toBe(true);
    for (let steps = 0; steps < 1000; steps += 1) await cluster.step();
    expect(one.verifier.answerRoot(2)).toEqual({ kind: "unknown" });
    const round = await cluster.round();
    expect(one.hashed.at(-1)).toMatchObject({ round, keysHashed: 300 });
    expect((await cluster.verify()).consistent).toBe(true);
    cluster.close();
  });

  test("a leader that loses its place while it waits tells so, and the next one compares", async () => {
    const cluster = new VirtualCluster();
    await cluster.commit(...KEYS.map((key) => put(key)));
    cluster.behind.add("n3");
    const verified = cluster.leader.verifier.verifyNow();
    for (let steps = 0; steps < 20; steps += 1) await cluster.step();
    cluster.leaderId = "n2";
    cluster.behind.clear();
    expect((await cluster.until(verified)).kind).not.toBe("compared");
    expect((await cluster.verify()).consistent).toBe(true);
    cluster.close();
  });

  test("callers that come together share rounds", async () => {
    const cluster = new VirtualCluster();
    await cluster.commit(...KEYS.map((key) => put(key)));
    const { verifier } = cluster.leader;
    const all = await cluster.until(Promise.all(Array.from({ length: 10 }, () => verifier.verifyNow())));
    expect(new Set(all.map((found) => found.kind === "compared" && found.round))).toEqual(new Set([1, 2]));
    cluster.close();
  });

  test("a comparison reads all keys, in several rounds where there are many", async () => {
    const cluster = new VirtualCluster(["n1", "n2", "n3"], { limits: { scrubKeys: 100 } });
    await cluster.commit(...KEYS.map((key) => put(key)));
    await cluster.round();
    const key = utf8Encode("key-250");
    const { disk } = cluster.member("n2");
    disk.corruptRecord({ namespaceId: 1, generation: 1, key, value: utf8Encode("w") });
    const found = await cluster.verify();
    expect(found).toMatchObject({ round: 4, consistent: false, divergedCount: 1 });
    expect(found.diverged).toMatchObject([{ member: "n2", difference: "different" }]);
    cluster.close();
  });

  test("a verifier that was closed settles what waits, and begins nothing", async () => {
    const cluster = new VirtualCluster();
    await cluster.commit(...KEYS.map((key) => put(key)));
    const verified = cluster.leader.verifier.verifyNow();
    cluster.close();
    cluster.close();
    expect((await cluster.until(verified)).kind).toBe("failed");
    expect((await cluster.until(cluster.leader.verifier.verifyNow())).kind).toBe("failed");
  });
});
