import { describe, expect } from "@jest/globals";
import { clusterOfFile, type TestCluster } from "../support";
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
    await inTime("it says something", () => cluster.logs(node).length > written, { intervalMs: 1 });
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
    const load = Load.closedLoop(kv, `e5-${cycles}-`, { callers: 2, writesMax: 2000, restMs: 10 });
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
