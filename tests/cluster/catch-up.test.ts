import { expect } from "@jest/globals";
import { bytes, clusterOfFile, type NodeStatus, noise } from "../support";
import { doing, operation } from "./bare-txn";
import { inTime, patientTests } from "./patient";

patientTests();

// A log so short that who was away needs a snapshot, with the default timing: a busy machine causes no elections.
const cluster = clusterOfFile({
  profile: "default",
  nodeArgs: () => ["--log-entries-max", "20", "--log-entries-kept", "2", "--log-bytes-max", "1048576"],
});

const TXNS = 24;
const PUTS = 16;
const VALUE_BYTES = 64 * 1024;

cluster.test(
  "L4: while a node takes a snapshot it tells from whom and how much, the leader that it sends and to whom, then all is level",
  async (cluster) => {
    const leader = await cluster.leader();
    const [away] = (await cluster.followers()) as [number];
    await cluster.kill(away);
    for (let txn = 0; txn < TXNS; txn += 1) {
      const puts = Array.from({ length: PUTS }, (_, at) =>
        operation("put", {
          key: bytes(`l4-${txn}-${at}`),
          value: noise(VALUE_BYTES, txn * PUTS + at),
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
      "it was seen to receive, and has the state",
      async () => {
        const [of, by] = await Promise.all([cluster.status(away), cluster.status(leader)]);
        if (of.receiving !== undefined && of.receiving.bytes > 0n) received.push(of.receiving);
        if (by.snapshotsSending > 0) sending.push(by);
        return of.logFirstIndex > 1 && of.lag === 0;
      },
      { intervalMs: 1 },
    );
    expect(received.length).toBeGreaterThan(0);
    for (const one of received) {
      expect(one.fromMemberId).toBe(`n${leader}`);
      expect(Number(one.index)).toBeGreaterThanOrEqual(Number(cut.snapshotIndex));
    }
    const amounts = received.map((one) => Number(one.bytes));
    expect(amounts).toEqual(amounts.toSorted((left, right) => left - right));
    expect(sending.length).toBeGreaterThan(0);
    const progress = sending.flatMap(({ peers }) => peers).filter(({ memberId }) => memberId === `n${away}`);
    expect(progress.some(({ state }) => state === "snapshot")).toBe(true);
    for (const { catchUpPercent } of progress) expect(catchUpPercent).toBeLessThanOrEqual(100);

    await cluster.agree();
    await inTime(
      "nothing is received any more",
      async () => (await cluster.status(away)).receiving === undefined,
    );
    await inTime("the leader finds it level", async () => {
      const { peers } = await cluster.status(leader);
      const peer = peers.find(({ memberId }) => memberId === `n${away}`);
      return peer?.state === "replicate" && peer.catchUpPercent === 100;
    });
  },
);
