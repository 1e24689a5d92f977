import { expect } from "@jest/globals";
import type { TestCluster } from "../support";
import { clusterOfFile, isLongRun } from "../support";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

/** How often the leader dies. */
const ROUNDS = isLongRun ? 3 : 2;

// A log so short that who joins or comes back needs a snapshot.
const SHORT_LOG = ["--log-entries-max", "100", "--log-entries-kept", "20"];
/** In milliseconds: for a node from its next start on. */
const ELECTION_TIMEOUT = { usual: 1000, calm: 5000, hasty: 250 } as const;
let electionTimeoutMs: number = ELECTION_TIMEOUT.usual;
const cluster = clusterOfFile({
  profile: "default",
  spares: 3,
  nodeArgs: () => [...SHORT_LOG, "--election-timeout-ms", String(electionTimeoutMs)],
});

async function voters(cluster: TestCluster, node: number): Promise<readonly string[]> {
  return (await cluster.status(node)).voters;
}

async function removed(cluster: TestCluster, node: number): Promise<void> {
  const kv = cluster.client(cluster.live, { deadlineMs: 60_000 });
  await kv.cluster.removeMember(`n${node}`);
  expect(await cluster.ended(node)).toMatchObject({ code: 3 });
  cluster.leave(node);
}

cluster.test("G1: a learner receives data, and does not count", async (cluster) => {
  const kv = patientKv(cluster);
  await kv.put("g1", "before");
  await cluster.join(4, 1, ["--join-as", "learner"]);
  await kv.put("g1", "after");
  await cluster.agree();
  expect(await cluster.status(4)).toMatchObject({ role: 5, learners: ["n4"], voters: ["n1", "n2", "n3"] });
  expect((await cluster.client(4).kv.get("g1", { consistency: "stale" }))?.text()).toBe("after");
  // With two of three voters gone the learner is no help.
  const [first, second] = (await cluster.followers()).filter((node) => node !== 4) as [number, number];
  cluster.pause(first);
  cluster.pause(second);
  const attempt = await cluster.node(4).kv.attempt("put", { key: Buffer.from("g1") }, { deadlineMs: 1500 });
  expect(attempt.ok).toBe(false);
  cluster.resume(first);
  cluster.resume(second);
  await cluster.leader();
});

cluster.test("G2: promotion is refused until the learner has caught up", async (cluster) => {
  const client = cluster.client(await cluster.leader(), { deadlineMs: 60_000 });
  cluster.pause(4);
  try {
    // It may lack 256 entries and count as caught up.
    await Load.closedLoop(client.kv, "g2-", { callers: 8, writesMax: 300 }).done();
    await inTime("the learner is known to be behind", async () => {
      await expect(client.cluster.promoteMember("n4", { deadlineMs: 500 })).rejects.toMatchObject({
        reason: "LEARNER_NOT_READY",
      });
      return true;
    });
  } finally {
    cluster.resume(4);
  }
  await inTime("the learner is promoted", async () => {
    await client.cluster.promoteMember("n4");
    return true;
  });
  expect(await voters(cluster, await cluster.leader())).toEqual(["n1", "n2", "n3", "n4"]);
  await cluster.agree();
});

cluster.test("G4: a follower is removed, then the leader; writes go on", async (cluster) => {
  const leader = await cluster.leader();
  const [follower] = (await cluster.followers()) as [number];
  const staying = cluster.live.filter((node) => node !== follower && node !== leader);
  const kv = patientKv(cluster, staying);
  const load = Load.closedLoop(kv, "g4-", { callers: 4 });
  const goOn = async (): Promise<void> => {
    const before = load.acknowledged.size;
    await inTime("writes go on", () => load.acknowledged.size >= before + 20);
  };
  await goOn();
  await removed(cluster, follower);
  await goOn();
  await removed(cluster, leader);
  await goOn();
  await load.stop();
  expect([...load.refused, ...load.open]).toEqual([]);
  expect(await voters(cluster, await cluster.leader())).toEqual(staying.map((node) => `n${node}`));
  await cluster.agree();
  await expectNothingLost(kv, load);
});

cluster.test(
  "G6: a removed node cannot disturb, its data is refused, and with a clean store it joins again",
  async (cluster) => {
    const gone = [1, 2, 3].find((node) => !cluster.numbers.includes(node)) as number;
    // Those that stay wait for so long that not even a busy machine brings about an election.
    await cluster.killAll();
    electionTimeoutMs = ELECTION_TIMEOUT.calm;
    await cluster.restartAll();
    const leader = await cluster.leader();
    const { term } = await cluster.status(leader);
    electionTimeoutMs = ELECTION_TIMEOUT.hasty;
    cluster.launch(gone);
    expect(await cluster.ended(gone)).toMatchObject({ code: 3 });
    expect(cluster.logs(gone)).toMatch(/removed/);
    expect(await cluster.status(leader)).toMatchObject({ term, leaderId: `n${leader}` });
    electionTimeoutMs = ELECTION_TIMEOUT.calm;
    cluster.wipe(gone);
    await cluster.join(gone, leader);
    await inTime("it votes again", async () => (await voters(cluster, leader)).includes(`n${gone}`));
    await cluster.agree();
    expect((await cluster.status(leader)).term).toBe(term);
    electionTimeoutMs = ELECTION_TIMEOUT.usual;
  },
);

cluster.test("E3: all nodes are killed and restarted: data and membership are there", async (cluster) => {
  const kv = patientKv(cluster);
  await kv.put("e3-membership", "there");
  const before = await cluster.status(await cluster.leader());
  await cluster.killAll();
  await cluster.restartAll();
  const after = await cluster.status(await cluster.leader());
  expect({ voters: after.voters, learners: after.learners }).toEqual({
    voters: before.voters,
    learners: before.learners,
  });
  expect(await kv.getText("e3-membership")).toBe("there");
});

cluster.test("G3: two learners are added under load, and both become voters", async (cluster) => {
  const kv = patientKv(cluster);
  const load = Load.closedLoop(kv, "g3-", { callers: 4 });
  const via = await cluster.leader();
  await Promise.all([cluster.join(5, via), cluster.join(6, via)]);
  await inTime("both vote", async () => {
    const now = await voters(cluster, await cluster.leader());
    return now.includes("n5") && now.includes("n6");
  });
  await load.stop();
  expect([...load.refused, ...load.open]).toEqual([]);
  await cluster.agree();
  await expectNothingLost(kv, load);
});

cluster.test(
  "G5: the leader dies amid changes, again and again: one valid configuration is left",
  async (cluster) => {
    const client = cluster.client(cluster.numbers, { deadlineMs: 60_000 });
    const load = Load.closedLoop(client.kv, "g5-", { callers: 2 });
    for (let round = 0; round < ROUNDS; round += 1) {
      const leader = await cluster.leader();
      const target = cluster.numbers.filter((node) => node !== leader).at(round) as number;
      const now = await voters(cluster, leader);
      const kind = now.includes(`n${target}`) ? "learner" : "voter";
      const change = client.cluster
        // One that would leave no majority is refused until the leader is back.
        .changeMembers([{ kind, memberId: `n${target}` }], { deadlineMs: 5000 })
        .catch(() => null);
      await cluster.kill(leader);
      await change;
      await cluster.restart(leader);
      await inTime("nobody is amid a change", async () => {
        const status = await cluster.status(await cluster.leader());
        return status.votersOutgoing.length === 0;
      });
    }
    await load.stop();
    // Who was restarted last may still have to be told.
    await inTime("all know of one configuration", async () => {
      const seen = await Promise.all(
        cluster.numbers.map(async (node) => {
          const { voters: voting, learners, votersOutgoing } = await cluster.status(node);
          return JSON.stringify({ voting, learners, votersOutgoing });
        }),
      );
      return new Set(seen).size === 1;
    });
    await cluster.agree();
    await expectNothingLost(client.kv, load);
  },
);

cluster.test("G7: malformed ids and addresses are refused by name; nothing changes", async (cluster) => {
  const admin = cluster.node(await cluster.leader()).admin;
  const good = { memberId: "n9", clientAddress: "127.0.0.1:1", peerAddress: "127.0.0.1:2" };
  const before = await admin.call("listMembers", {});
  for (const [field, value] of [
    ["memberId", ""],
    ["memberId", "no spaces please"],
    ["clientAddress", ""],
    ["clientAddress", "nowhere"],
    ["clientAddress", "0.0.0.0:1"],
    ["peerAddress", "host:99999"],
    ["peerAddress", "127.0.0.1:1"],
  ] as const) {
    const attempt = await admin.attempt("addMember", { ...good, [field]: value });
    expect({ field, value, ...attempt }).toMatchObject({ ok: false, code: "INVALID_ARGUMENT" });
    const name = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    expect(attempt.ok ? "" : attempt.message).toContain(name);
  }
  expect(await admin.attempt("removeMember", { memberId: "n9" })).toMatchObject({ code: "NOT_FOUND" });
  expect(await admin.call("listMembers", {})).toEqual(before);
});

cluster.test("leadership goes to the voter of the highest priority", async (cluster) => {
  const client = cluster.client(cluster.numbers, { deadlineMs: 60_000 });
  const leader = await cluster.leader();
  const now = await voters(cluster, leader);
  const preferred = now.find((id) => id !== `n${leader}`) as string;
  await client.cluster.updateMember(preferred, { priority: 500 });
  await inTime("it leads", async () => `n${await cluster.leader()}` === preferred);
});
