import { expect, test } from "@jest/globals";
import { withCluster } from "../support";
import { expectNothingLost, Load } from "./load";
import { inTime, patientTests } from "./patient";

patientTests();

test("G4: three nodes grow to five, and each of the first three is replaced, under a steady load: nothing is lost", async () => {
  const options = {
    spares: 5,
    profile: "default",
    nodeArgs: () => ["--log-entries-max", "500", "--log-entries-kept", "50"],
  } as const;
  await withCluster(options, async (cluster) => {
    // Made with the first three alone: it has to find the others by itself.
    const client = cluster.client([1, 2, 3], { deadlineMs: 60_000 });
    const load = Load.steady(client.kv, "replace-", { perSecond: 50 });
    await inTime("writes are under way", () => load.acknowledged.size >= 100);
    await cluster.join(4, 1);
    await cluster.join(5, 2);
    await inTime("five vote", async () => (await cluster.status(await cluster.leader())).voters.length === 5);
    for (const [leaving, joining] of [
      [1, 6],
      [2, 7],
      [3, 8],
    ] as const) {
      const via = cluster.live.find((node) => node !== leaving) as number;
      await cluster.join(joining, via, ["--join-as", "learner"]);
      await inTime(`n${joining} takes the place of n${leaving}`, async () => {
        await client.cluster.changeMembers([
          { kind: "voter", memberId: `n${joining}` },
          { kind: "remove", memberId: `n${leaving}` },
        ]);
        return true;
      });
      expect(await cluster.ended(leaving)).toMatchObject({ code: 3 });
      cluster.leave(leaving);
    }
    const before = load.acknowledged.size;
    await inTime("writes go on", () => load.acknowledged.size >= before + 100);
    await load.stop();
    expect((await cluster.status(await cluster.leader())).voters).toEqual(["n4", "n5", "n6", "n7", "n8"]);
    expect([...load.refused, ...load.open]).toEqual([]);
    await cluster.agree();
    await expectNothingLost(client.kv, load);
  });
});
