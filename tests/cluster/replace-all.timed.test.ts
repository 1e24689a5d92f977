import { expect, test } from "@jest/globals";
import { profiles } from "@quorate/services/node";
import { type TestCluster, withCluster } from "../support";
import { expectNothingLost, Load } from "./load";
import { inTime } from "./patient";
import { sizeFrom } from "./sizes";

const WRITES_PER_SECOND = sizeFrom("QUORATE_REPLACE_RATE", 200);

/** Writes that go on before the first step, and after each: so long a gap still counts to it. */
const SETTLING_WRITES = sizeFrom("QUORATE_REPLACE_SETTLING_WRITES", 3 * WRITES_PER_SECOND);

/** So short that each node that comes needs an image of the state. */
const SHORT_LOG = ["--log-entries-max", "1000", "--log-entries-kept", "100"];

const { electionTimeoutMs } = profiles.default;

async function voting(cluster: TestCluster, nodes: readonly number[]): Promise<void> {
  const wanted = nodes.map((node) => `n${node}`).join();
  await inTime(`${wanted} vote`, async () => {
    const { voters, votersOutgoing, learners } = await cluster.status(await cluster.leader());
    return voters.join() === wanted && votersOutgoing.length + learners.length === 0;
  });
}

test(`G4: three nodes grow to five and each of the first three is replaced at ${WRITES_PER_SECOND} writes/s: nothing is lost, and no gap is above an election timeout`, async () => {
  const options = { spares: 5, profile: "default", nodeArgs: () => SHORT_LOG } as const;
  await withCluster(options, async (cluster) => {
    const client = cluster.client([1, 2, 3], { deadlineMs: 60_000 });
    const load = Load.steady(client.kv, "replace-", { perSecond: WRITES_PER_SECOND });
    const settle = () => {
      const wanted = load.acknowledged.size + SETTLING_WRITES;
      return inTime("writes go on", () => load.acknowledged.size >= wanted);
    };
    await settle();
    const gaps: { readonly step: string; readonly gapMs: number; readonly seconds: number }[] = [];
    const measured = async (step: string, change: () => Promise<void>): Promise<void> => {
      load.resetGap();
      const startedAtMs = performance.now();
      await change();
      const seconds = (performance.now() - startedAtMs) / 1000;
      await settle();
      gaps.push({ step, gapMs: Math.round(load.longestGapMs), seconds });
    };
    await measured("nothing changes", async () => undefined);
    for (const [node, nodes] of [
      [4, [1, 2, 3, 4]],
      [5, [1, 2, 3, 4, 5]],
    ] as const) {
      await measured(`n${node} joins`, async () => {
        await cluster.join(node, await cluster.leader());
        await voting(cluster, nodes);
      });
    }
    for (const [old, by, nodes] of [
      [1, 6, [2, 3, 4, 5, 6]],
      [2, 7, [3, 4, 5, 6, 7]],
      [3, 8, [4, 5, 6, 7, 8]],
    ] as const) {
      const role = old === (await cluster.leader()) ? ", the leader" : "";
      await measured(`n${by} replaces n${old}${role}`, async () => {
        const { topology } = cluster;
        await client.cluster.addMember({
          memberId: `n${by}`,
          clientAddress: topology.clientAddress(by),
          peerAddress: topology.peerAddress(by),
          replaces: `n${old}`,
        });
        const via = cluster.live.find((node) => node !== old) as number;
        await cluster.join(by, via);
        expect(await cluster.ended(old)).toMatchObject({ code: 3 });
        cluster.leave(old);
        await voting(cluster, nodes);
      });
    }
    await load.stop();
    console.log(
      [
        `longest time without an acknowledged write at ${WRITES_PER_SECOND}/s, election timeout ${electionTimeoutMs} ms:`,
        ...gaps.map(
          ({ step, gapMs, seconds }) =>
            `${String(gapMs).padStart(6)} ms  ${step} (in ${seconds.toFixed(1)} s)`,
        ),
        `${load.acknowledged.size} writes acknowledged, ${load.refused.size} refused, ${load.open.size} open`,
      ].join("\n"),
    );
    expect([...load.refused, ...load.open]).toEqual([]);
    await cluster.agree();
    await expectNothingLost(client.kv, load);
    expect(gaps.filter(({ gapMs }) => gapMs > electionTimeoutMs)).toEqual([]);
  });
}, 600_000);
