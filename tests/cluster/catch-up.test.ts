import { expect } from "@jest/globals";
import { bytes, clusterOfFile, type NodeStatus, noise, type TestCluster } from "../support";
import { doing, operation } from "./bare-txn";
import { inTime, patientTests } from "./patient";

patientTests();

// A log so short that who was away needs a snapshot, with the default timing: a busy machine causes no elections.
const cluster = clusterOfFile({
  profile: "default",
  nodeArgs: () => ["--log-entries-max", "20", "--log-entries-kept", "2", "--log-bytes-max", "1048576"],
});

const TXNS = 8;
const PUTS = 16;
const VALUE_BYTES = 64 * 1024;
/** A snapshot may have come before anybody looked, and another leader elected meanwhile: then it is tried again, with more. */
const ATTEMPTS_MAX = 5;

interface CatchUp {
  readonly leader: number;
  readonly snapshotIndex: number;
  /** What the node said while it received. */
  readonly received: readonly NonNullable<NodeStatus["receiving"]>[];
  /** What the leader said while it sent. */
  readonly sending: readonly NodeStatus[];
}

/** Starts a node that was down for so long that it needs a snapshot, and looks on until it has it; null: another leader. */
async function lookOn(cluster: TestCluster, away: number, attempt: number): Promise<CatchUp | null> {
  const leader = await cluster.leader();
  const { term } = await cluster.status(leader);
  for (let txn = 0; txn < TXNS; txn += 1) {
    const puts = Array.from({ length: PUTS }, (_, at) =>
      operation("put", {
        key: bytes(`l4-${attempt}-${txn}-${at}`),
        value: noise(VALUE_BYTES, (attempt * TXNS + txn) * PUTS + at),
      }),
    );
    await cluster.node(leader).kv.call("txn", doing(...puts));
  }
  const cut = await cluster.node(leader).admin.call("takeSnapshot", {});
  expect(Number(cut.logFirstIndex)).toBeGreaterThan(TXNS / 2);

  cluster.launch(away);
  const received: NonNullable<NodeStatus["receiving"]>[] = [];
  const sending: NodeStatus[] = [];
  await inTime(
    "it has the state",
    async () => {
      const [of, by] = await Promise.all([cluster.status(away), cluster.status(leader)]);
      if (of.receiving !== undefined && of.receiving.bytes > 0n) received.push(of.receiving);
      if (by.snapshotsSending > 0) sending.push(by);
      return of.appliedIndex >= Number(cut.snapshotIndex);
    },
    { intervalMs: 1 },
  );
  await cluster.agree();
  const { term: termAfter } = await cluster.status(leader);
  return term === termAfter ? { leader, snapshotIndex: Number(cut.snapshotIndex), received, sending } : null;
}

cluster.test(
  "L4: while a node takes a snapshot it tells from whom and how much, the leader that it sends and to whom, then all is level",
  async (cluster) => {
    const [away] = (await cluster.followers()) as [number];
    let seen: CatchUp | null = null;
    for (let attempt = 1; attempt <= ATTEMPTS_MAX && seen === null; attempt += 1) {
      await cluster.kill(away);
      const looked = await lookOn(cluster, away, attempt);
      if (looked !== null && looked.received.length > 0 && looked.sending.length > 0) seen = looked;
    }
    if (seen === null) throw new Error(`nothing was seen of ${ATTEMPTS_MAX} snapshots on their way`);
    const { leader, snapshotIndex, received, sending } = seen;
    for (const one of received) {
      expect(one.fromMemberId).toBe(`n${leader}`);
      expect(Number(one.index)).toBeGreaterThanOrEqual(snapshotIndex);
    }
    const amounts = received.map((one) => Number(one.bytes));
    expect(amounts).toEqual(amounts.toSorted((left, right) => left - right));
    const progress = sending.flatMap(({ peers }) => peers).filter(({ memberId }) => memberId === `n${away}`);
    expect(progress.some(({ state }) => state === "snapshot")).toBe(true);
    for (const { catchUpPercent } of progress) expect(catchUpPercent).toBeLessThanOrEqual(100);

    await inTime(
      "nothing is received any more",
      async () => (await cluster.status(away)).receiving === undefined,
    );
    await inTime("the leader finds it level", async () => {
      const { peers } = await cluster.status(await cluster.leader());
      const peer = peers.find(({ memberId }) => memberId === `n${away}`);
      return peer?.state === "replicate" && peer.catchUpPercent === 100;
    });
  },
);
