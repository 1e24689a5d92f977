import { setTimeout as delay } from "node:timers/promises";
import { expect } from "@jest/globals";
import { AlarmKind, ErrorReason, Outcome } from "@quorate/client/generated";
import { bytes, clusterOfFile, onSmallDisk, type TestCluster, takeSpace, text } from "../support";
import { Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const MIB = 1024 * 1024;
/** Between two writes. */
const REST_MS = 5;
const DISK_BYTES = 64 * MIB;
const FREE_BYTES_MIN = 24 * MIB;
const PATIENT = { deadlineMs: 60_000 };
/** Leaves less than that. */
const TAKEN_BYTES = 48 * MIB;

// With this timing not even a busy machine causes elections, which make a leader forget who has space.
const cluster = clusterOfFile({
  profile: "wan",
  surroundings: (_, dataDir) => onSmallDisk(dataDir, DISK_BYTES),
  nodeArgs: () => ["--free-bytes-min", String(FREE_BYTES_MIN)],
});

function fill(cluster: TestCluster, node: number): void {
  takeSpace(cluster.pid(node), cluster.dataDir(node), TAKEN_BYTES);
}

function free(cluster: TestCluster, node: number): void {
  takeSpace(cluster.pid(node), cluster.dataDir(node), 0);
}

/** Who has little space, as a node tells. */
async function alarmed(cluster: TestCluster, node: number): Promise<readonly string[]> {
  const { alarms } = await cluster.status(node);
  return alarms.filter(({ kind }) => kind === AlarmKind.NO_SPACE).map(({ memberId }) => memberId);
}

/** @param node the leader, whoever that is, where none is given */
function told(cluster: TestCluster, nodes: readonly number[], node?: number): Promise<boolean> {
  const wanted = nodes.map((low) => `n${low}`).toSorted();
  return inTime(`${wanted.join(" and ") || "nobody"} is told to have little space`, async () => {
    const asked = node ?? (await cluster.leader());
    expect((await alarmed(cluster, asked)).toSorted()).toEqual(wanted);
    return true;
  });
}

/** Writes one after another, without retries, until it is stopped. */
class Writes {
  readonly acknowledged: string[] = [];
  readonly refused: string[] = [];
  readonly unexpected: unknown[] = [];
  private isStopped = false;
  private readonly done: Promise<void>;

  constructor(
    private readonly cluster: TestCluster,
    private readonly prefix: string,
  ) {
    this.done = this.write();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.done;
  }

  /** All that was acknowledged is there, and nothing that was refused. */
  async expectKept(): Promise<void> {
    const found: string[] = [];
    for await (const { key } of patientKv(this.cluster).scan({ prefix: this.prefix })) found.push(key);
    expect(this.unexpected).toEqual([]);
    expect(found).toEqual(this.acknowledged);
  }

  private async write(): Promise<void> {
    for (let number = 0; !this.isStopped; number += 1) {
      const key = `${this.prefix}${String(number).padStart(8, "0")}`;
      const node = this.cluster.node((number % 3) + 1);
      const reply = await node.kv.attempt("put", { key: bytes(key), value: bytes(key) }, PATIENT);
      if (reply.ok) this.acknowledged.push(key);
      else if (reply.detail?.outcome === Outcome.NOT_APPLIED) this.refused.push(key);
      else this.unexpected.push(reply);
      await delay(REST_MS);
    }
  }
}

/** Every node refuses writes, whoever is asked, and serves reads that are no older than the last write. */
async function expectReadsOnly(cluster: TestCluster, last: string): Promise<void> {
  for (const node of cluster.numbers) {
    const refused = await cluster
      .node(node)
      .kv.attempt("put", { key: bytes("last"), value: bytes("no") }, PATIENT);
    expect(refused).toMatchObject({
      ok: false,
      code: "RESOURCE_EXHAUSTED",
      detail: { reason: ErrorReason.NO_SPACE, outcome: Outcome.NOT_APPLIED },
    });
    const { record } = await cluster.node(node).kv.call("get", { key: bytes("last") });
    expect(text(record?.value ?? bytes(""))).toBe(last);
  }
}

cluster.test("E9: where one node has little space it is told, and writes go on", async (cluster) => {
  for (const node of cluster.numbers) {
    fill(cluster, node);
    await told(cluster, [node]);
    await told(cluster, [node], node);
    const load = Load.closedLoop(patientKv(cluster), `e9-one-${node}-`, { callers: 4, writesMax: 20 });
    await load.done();
    expect(load.acknowledged.size).toBe(20);
    free(cluster, node);
    await told(cluster, []);
  }
});

for (const which of ["the leader and a follower", "both followers"] as const) {
  cluster.test(
    `E9: where ${which} have little space writes are refused, reads go on, and all is well by itself afterwards`,
    async (cluster) => {
      const leader = await cluster.leader();
      const { term } = await cluster.status(leader);
      const followers = await cluster.followers();
      const low = which === "both followers" ? followers : [leader, followers[0] as number];
      const kv = patientKv(cluster);
      await kv.put("last", which);
      const writes = new Writes(cluster, `e9-${which}-`);
      for (const node of low) fill(cluster, node);
      await told(cluster, low);
      const refused = writes.refused.length;
      await inTime("writes are refused", () => writes.refused.length > refused + 5);
      const { revision } = await cluster.agree();
      await expectReadsOnly(cluster, which);
      expect(await cluster.agree()).toMatchObject({ revision });

      const acknowledged = writes.acknowledged.length;
      free(cluster, low[0] as number);
      await inTime("writes are taken again", () => writes.acknowledged.length > acknowledged + 10);
      free(cluster, low[1] as number);
      await told(cluster, []);
      await writes.stop();
      await writes.expectKept();
      await cluster.agree();
      // A leader with little space hands over, some time later, to one that has some. A busy machine may elect another.
      const mayLead = [leader, ...cluster.numbers.filter((node) => !low.includes(node))];
      const now = await cluster.leader();
      const isOtherElection = (await cluster.status(now)).term > term + 1;
      expect(isOtherElection || mayLead.includes(now)).toBe(true);
    },
  );
}
