import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Role } from "@quorate/client/generated";
import { PeerLinks, startTestCluster, type TestCluster } from "../support";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

let links: PeerLinks;
let cluster: TestCluster;

beforeAll(async () => {
  links = await PeerLinks.open(3);
  // With the default timing a busy machine causes no elections of its own, which would look like the faults looked for.
  cluster = await startTestCluster({ peerAddress: links.peerAddress, profile: "default" });
});

afterAll(async () => {
  await cluster?.stop();
  await links?.close();
});

/** The parts as they are now, which must be the same when the network is whole again. */
async function parts(): Promise<{ leader: number; cutOff: number; term: number }> {
  const leader = await cluster.leader();
  const [cutOff] = (await cluster.followers()) as [number];
  return { leader, cutOff, term: (await cluster.status(leader)).term };
}

async function expectUnmoved({
  leader,
  term,
}: {
  readonly leader: number;
  readonly term: number;
}): Promise<void> {
  await cluster.agree();
  expect(await cluster.leader()).toBe(leader);
  const terms = await Promise.all(cluster.numbers.map(async (node) => (await cluster.status(node)).term));
  expect(terms).toEqual([term, term, term]);
}

/** Waits until the node knows no leader and asks for pre-votes, and writes meanwhile. */
async function writeUntilAlone(node: number, prefix: string): Promise<Load> {
  const others = cluster.numbers.filter((other) => other !== node);
  const load = Load.closedLoop(patientKv(cluster, others), prefix, { callers: 8 });
  await inTime(`n${node} asks for pre-votes`, async () => {
    const { role, leaderId } = await cluster.status(node);
    return role === Role.PRE_CANDIDATE && leaderId === "";
  });
  await inTime("200 writes went on without it", () => load.acknowledged.size >= 200);
  return load;
}

test("D8: an isolated node returns without raising the term or deposing the leader", async () => {
  const before = await parts();
  await links.isolate(before.cutOff);
  const load = await writeUntilAlone(before.cutOff, "d8-");
  expect((await cluster.status(before.cutOff)).term).toBe(before.term);
  await links.heal();
  await load.stop();
  await expectUnmoved(before);
  await expectNothingLost(patientKv(cluster), load);
});

test("D9: a node that hears nobody but is heard returns the same way", async () => {
  const before = await parts();
  for (const from of cluster.numbers) {
    if (from !== before.cutOff) await links.cut({ from, to: before.cutOff });
  }
  const load = await writeUntilAlone(before.cutOff, "d9-deaf-");
  expect((await cluster.status(before.cutOff)).term).toBe(before.term);
  await links.heal();
  await load.stop();
  await expectUnmoved(before);
  await expectNothingLost(patientKv(cluster), load);
});

test("D9: a node that hears all but is not heard by the leader returns the same way", async () => {
  const before = await parts();
  await links.cut({ from: before.cutOff, to: before.leader });
  const load = Load.closedLoop(patientKv(cluster, before.leader), "d9-mute-", { callers: 8 });
  await inTime("the leader misses it", async () => {
    const { peers } = await cluster.status(before.leader);
    return peers.find(({ memberId }) => memberId === `n${before.cutOff}`)?.recentlyActive === false;
  });
  await inTime("200 writes went on", () => load.acknowledged.size >= 200);
  await links.heal();
  await load.stop();
  await expectUnmoved(before);
  await expectNothingLost(patientKv(cluster), load);
});

test("D9: a paused node that lags far behind returns the same way", async () => {
  const before = await parts();
  cluster.pause(before.cutOff);
  try {
    await inTime("the leader misses it", async () => {
      const { peers } = await cluster.status(before.leader);
      return peers.find(({ memberId }) => memberId === `n${before.cutOff}`)?.recentlyActive === false;
    });
    const load = Load.closedLoop(patientKv(cluster, before.leader), "d9-paused-", {
      callers: 16,
      writesMax: 500,
    });
    await load.done();
    expect(load.acknowledged.size).toBe(500);
  } finally {
    cluster.resume(before.cutOff);
  }
  await expectUnmoved(before);
});

test("D3: a leader that is cut off steps down, and commits nothing meanwhile", async () => {
  const { leader: old, term } = await parts();
  await links.isolate(old);
  const alone = cluster
    .node(old)
    .kv.attempt(
      "put",
      { key: Buffer.from("d3-cut-off"), value: Buffer.from("from the old leader") },
      { deadlineMs: 10_000, metadata: { "quorate-forward": "off" } },
    );
  const others = cluster.numbers.filter((node) => node !== old);
  const elected = await inTime("the others elect a leader", async () => {
    const statuses = await Promise.all(others.map((node) => cluster.status(node)));
    return statuses.find(({ role, term: later }) => role === Role.LEADER && later > term)?.memberId;
  });
  await inTime("the old leader steps down", async () => (await cluster.status(old)).role !== Role.LEADER);
  expect((await alone).ok).toBe(false);
  const kv = patientKv(cluster, others);
  await kv.put("d3-cut-off", "from the new leader");
  await links.heal();
  await cluster.agree();
  expect(elected).not.toBe(`n${old}`);
  expect(await patientKv(cluster).getText("d3-cut-off")).toBe("from the new leader");
});
