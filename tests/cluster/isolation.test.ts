import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Role } from "@quorate/client/generated";
import { profiles } from "@quorate/services/node";
import { NeverWill, PeerLinks, startTestCluster, type TestCluster } from "../support";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

let links: PeerLinks;
let cluster: TestCluster;

/** The node that is cut off again and again. It is impatient; the two others are so patient that they never campaign. */
const CUT_OFF = 3;
const CALLERS = 4;
const WRITES = 60;
/** Twice the election timeout of a node that is impatient: the longest that it goes without a leader. */
const CUT_MS_MIN = 2 * profiles.default.electionTimeoutMs;

beforeAll(async () => {
  links = await PeerLinks.open(3);
  cluster = await startTestCluster({
    peerAddress: links.peerAddress,
    // An election that a busy machine brings about would look like the fault that is looked for.
    profile: (node) => (node === CUT_OFF ? "default" : "wan"),
  });
  await inTime("a patient one leads", async () => {
    const { admin } = cluster.node(await cluster.leader());
    await admin.attempt("transferLeadership", { memberId: "n1" });
    return (await cluster.leader()) === 1;
  });
});

afterAll(async () => {
  await cluster?.stop();
  await links?.close();
});

/** The parts as they are now, which must be the same when the network is whole again. */
async function parts(): Promise<{ leader: number; cutOff: number; term: number }> {
  const leader = await cluster.leader();
  return { leader, cutOff: CUT_OFF, term: (await cluster.status(leader)).term };
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

/** Waits until writes went on of which the leader has not heard that the node has them, for longer than it has patience. */
async function missed({
  leader,
  cutOff,
}: {
  readonly leader: number;
  readonly cutOff: number;
}): Promise<void> {
  const since = await cluster.status(leader);
  await inTime(`n${leader} misses n${cutOff}`, async () => {
    const { peers, uptimeMs } = await cluster.status(leader);
    if (uptimeMs < since.uptimeMs + CUT_MS_MIN) return false;
    const peer = peers.find(({ memberId }) => memberId === `n${cutOff}`);
    if (peer === undefined) throw new NeverWill(`n${leader} does not lead`);
    return peer.lag >= BigInt(WRITES);
  });
}

/** Waits until the node knows no leader and asks for pre-votes, and writes meanwhile. */
async function writeUntilAlone(node: number, prefix: string): Promise<Load> {
  const others = cluster.numbers.filter((other) => other !== node);
  const load = Load.closedLoop(patientKv(cluster, others), prefix, { callers: CALLERS });
  await inTime(`n${node} asks for pre-votes`, async () => {
    const { role, leaderId } = await cluster.status(node);
    return role === Role.PRE_CANDIDATE && leaderId === "";
  });
  await inTime("writes went on without it", () => load.acknowledged.size >= WRITES);
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
  const load = Load.closedLoop(patientKv(cluster, before.leader), "d9-mute-", { callers: CALLERS });
  await missed(before);
  await links.heal();
  await load.stop();
  await expectUnmoved(before);
  await expectNothingLost(patientKv(cluster), load);
});

test("D9: a paused node that lags far behind returns the same way", async () => {
  const before = await parts();
  cluster.pause(before.cutOff);
  try {
    const load = Load.closedLoop(patientKv(cluster, before.leader), "d9-paused-", {
      callers: CALLERS,
      writesMax: 2 * WRITES,
    });
    await load.done();
    expect(load.acknowledged.size).toBe(2 * WRITES);
    await missed(before);
  } finally {
    cluster.resume(before.cutOff);
  }
  await expectUnmoved(before);
});
