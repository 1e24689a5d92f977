import { expect } from "@jest/globals";
import { HealthDefinition } from "@quorate/proto/health";
import { bareClients, clusterOfFile, type TestCluster } from "../support";
import { refuseLongFiles } from "./full-disk";
import { expectNothingLost, Load } from "./load";
import { patientKv, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile();

const SERVING = 1;
const NOT_SERVING = 2;

/** What the health of a node becomes, until the node ends the watch. */
async function healthUntilItEnds(cluster: TestCluster, node: number): Promise<number[]> {
  const health = bareClients.create(HealthDefinition, cluster.rawChannel(node));
  const seen: number[] = [];
  try {
    for await (const { status } of health.watch({ service: "" }, { signal: AbortSignal.timeout(60_000) })) {
      seen.push(status);
    }
  } catch {
    // The node is gone, or has ended all watches.
  }
  return seen;
}

for (const which of ["a follower", "the leader"] as const) {
  cluster.test(
    `E9 L5: ${which} whose disk refuses a write is unhealthy and ends; the others lose nothing, and it comes back`,
    async (cluster) => {
      const leader = await cluster.leader();
      const node = which === "the leader" ? leader : ((await cluster.followers())[0] as number);
      const health = healthUntilItEnds(cluster, node);
      const kv = patientKv(cluster);
      await kv.put("before", which);
      refuseLongFiles(cluster.pid(node));
      const load = Load.closedLoop(kv, `${which}-`, { callers: 8, valueBytes: 20_000, restMs: 0 });
      expect(await cluster.ended(node)).toEqual({ code: 70, signal: null });
      expect(await health).toEqual([SERVING, NOT_SERVING]);
      expect(cluster.logs(node).trimEnd().split("\n").at(-1)).toMatch(
        /^quorate-node: data-dir: a store failed: /,
      );
      await cluster.leader();
      await cluster.restart(node);
      await load.stop();
      await cluster.leader();
      await cluster.agree();
      expect([...load.refused, ...load.open]).toEqual([]);
      await expectNothingLost(kv, load);
    },
  );
}
