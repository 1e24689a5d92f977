import { describe, expect } from "@jest/globals";
import { clusterOfFile, isLongRun, type TestCluster } from "../support";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile();

/** Ends a node's start at a moment that differs from cycle to cycle: before it has opened its stores, and after. */
async function crashOnce(cluster: TestCluster, node: number, cycle: number): Promise<void> {
  if (cycle % 2 === 0) {
    await cluster.restart(node);
  } else {
    const written = cluster.logs(node).length;
    cluster.launch(node);
    await inTime("it says something", () => cluster.logs(node).length > written, { intervalMs: 5 });
  }
  await cluster.kill(node);
}

describe.each([3, 5, 8, 10])("%i crashes", (cycles) => {
  cluster.test("E5: rapid crashes of a node in a row, with writes beside, converge", async (cluster) => {
    const [node] = (await cluster.followers()) as [number];
    const kv = patientKv(
      cluster,
      cluster.numbers.filter((other) => other !== node),
    );
    const load = Load.closedLoop(kv, `e5-${cycles}-`, { callers: 2, restMs: 50 });
    await cluster.kill(node);
    for (let cycle = 0; cycle < cycles; cycle += 1) await crashOnce(cluster, node, cycle);
    await cluster.restart(node);
    await load.stop();
    await cluster.leader();
    await cluster.agree();
    await expectNothingLost(kv, load);
    expect([...load.refused, ...load.open]).toEqual([]);
  });
});

async function victim(cluster: TestCluster, which: "the leader" | "a follower"): Promise<number> {
  return which === "the leader" ? cluster.leader() : ((await cluster.followers())[0] as number);
}

const ORDERS = [
  ["the leader", "the leader"],
  ...(isLongRun ? [["a follower", "the leader"] as const, ["the leader", "a follower"] as const] : []),
] as const;

for (const order of ORDERS) {
  describe(`${order[0]}, then ${order[1]} of those left`, () =>
    cluster.test(
      "E11: two of three nodes fail one after another, then both recover: all acknowledged keys are there",
      async (cluster) => {
        const kv = patientKv(cluster);
        const load = Load.closedLoop(kv, `e11-${order.join("-")}-`, { callers: 4, restMs: 40 });
        const goOn = async (what: string): Promise<void> => {
          const before = load.acknowledged.size;
          await inTime(what, () => load.acknowledged.size >= before + 20);
        };
        await goOn("writes are under way");
        const first = await victim(cluster, order[0]);
        await cluster.kill(first);
        await goOn("two of three go on");
        const second = await victim(cluster, order[1]);
        await cluster.kill(second);

        const [last] = cluster.live as [number];
        await inTime(
          "the last one knows no leader",
          async () => (await cluster.status(last)).leaderId === "",
        );
        const acknowledged = load.acknowledged.size;
        const attempt = await cluster.node(last).kv.attempt("put", { key: Buffer.from("e11") });
        expect(attempt).toMatchObject({ ok: false, code: "UNAVAILABLE" });
        expect(load.acknowledged.size).toBe(acknowledged);

        await cluster.restart(second);
        await goOn("two of three go on again");
        await cluster.restart(first);
        await cluster.leader();
        await load.stop();
        await cluster.agree();
        expect([...load.refused, ...load.open]).toEqual([]);
        await expectNothingLost(kv, load);
      },
    ));
}
