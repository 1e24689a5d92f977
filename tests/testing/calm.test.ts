import { expect, test } from "@jest/globals";
import { startCluster } from "@quorate/testing";

const PROPOSALS = 50;
const REST_MS = 2000;

test.each(["fast", "default", "wan"] as const)(
  `D6: no election in ${PROPOSALS} proposals under a healthy leader, nor in the time between them, with the timing "%s"`,
  async (timing) => {
    await using cluster = await startCluster({ clock: "virtual", timing, seed: 6 });
    const leader = await cluster.leader();
    const { term } = await leader.status();
    for (let at = 0; at < PROPOSALS; at += 1) {
      await cluster.kv.put(`k${at}`, `${at}`);
      await cluster.advance(REST_MS);
      const seen = await cluster.onAllNodes(async (node) => {
        const status = await node.status();
        return { term: status.term, leads: status.role === "leader" };
      });
      expect(seen).toEqual(cluster.nodes.map(({ id }) => ({ term, leads: id === leader.id })));
    }
  },
);
