import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bytes, PeerLinks, startTestCluster, type TestCluster, text } from "../support";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

let links: PeerLinks;
let cluster: TestCluster;

const READS = 20;
const WRITES = 20;
const READ_MS_MAX = 2_000;

beforeAll(async () => {
  links = await PeerLinks.open(3);
  cluster = await startTestCluster({
    peerAddress: links.peerAddress,
    profile: "default",
    nodeArgs: () => ["--lease-reads", "on"],
  });
});

afterAll(async () => {
  await cluster?.stop();
  await links?.close();
});

/** What a node says of itself. */
async function reading(node: number, name: string): Promise<number> {
  const response = await fetch(`http://${cluster.topology.httpAddress(node)}/metrics`);
  const line = (await response.text()).split("\n").find((one) => one.startsWith(`${name}{`));
  if (line === undefined) throw new Error(`n${node} does not count ${name}`);
  return Number(line.slice(line.lastIndexOf(" ") + 1));
}

async function read(node: number, key: string): Promise<string | null> {
  const reply = await cluster.node(node).kv.attempt("get", { key: bytes(key) }, { deadlineMs: READ_MS_MAX });
  return reply.ok ? text(reply.response.record?.value ?? bytes("0")) : null;
}

test("reads one after another are each answered by the leader's lease, without a round", async () => {
  await patientKv(cluster).put("alone", "7");
  // A leader whose machine is busy may have to ask for once.
  await inTime(`${READS} reads in a row take no round`, async () => {
    const leader = await cluster.leader();
    const before = await reading(leader, "quorate_raft_lease_reads_total");
    for (let count = 0; count < READS; count += 1) {
      const seen = await read(leader, "alone");
      if (seen !== null) expect(seen).toBe("7");
    }
    return (await reading(leader, "quorate_raft_lease_reads_total")) >= before + READS;
  });
});

test.each([
  ["cut off from the others", (leader: number) => links.isolate(leader), () => links.heal()],
  [
    "halted (SIGSTOP)",
    async (leader: number) => cluster.pause(leader),
    async (leader: number) => cluster.resume(leader),
  ],
])("a leader that is %s never answers with less than was acknowledged elsewhere", async (_, strike, mend) => {
  const old = await cluster.leader();
  const others = cluster.numbers.filter((node) => node !== old);
  const kv = patientKv(cluster, others);
  await inTime("it reads by its lease", async () => (await reading(old, "quorate_raft_has_lease")) === 1);
  let acknowledged = 0;
  let isOver = false;
  let answers = 0;
  const reader = (async () => {
    while (!isOver) {
      const least = acknowledged;
      const seen = await read(old, "counted");
      if (seen === null) continue;
      expect(Number(seen)).toBeGreaterThanOrEqual(least);
      answers += 1;
    }
  })();
  const write = async (): Promise<void> => {
    const to = acknowledged + 1;
    await kv.put("counted", `${to}`);
    acknowledged = to;
  };
  try {
    await write();
    await inTime("it answers", () => answers >= READS);
    await strike(old);
    for (let count = 0; count < WRITES; count += 1) await write();
    await mend(old);
    for (let count = 0; count < WRITES; count += 1) await write();
    const before = answers;
    await inTime("it answers again", () => answers >= before + READS);
  } finally {
    await mend(old);
    isOver = true;
    await reader;
    // For the next one.
    await patientKv(cluster).delete("counted");
  }
  await cluster.agree();
});

test("a leader that was killed comes back and reads what was written meanwhile", async () => {
  const kv = patientKv(cluster);
  await kv.put("restarts", "before");
  const leader = await cluster.leader();
  await cluster.kill(leader);
  await kv.put("restarts", "meanwhile");
  await cluster.restart(leader);
  await inTime(`n${leader} reads`, async () => (await read(leader, "restarts")) === "meanwhile");
  await cluster.agree();
});
