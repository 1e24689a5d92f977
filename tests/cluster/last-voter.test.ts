import { expect } from "@jest/globals";
import { ErrorReason } from "@quorate/client/generated";
import { clusterOfFile } from "../support";
import { failed } from "./failed";
import { inTime, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile({ profile: "default" });

function idOf({ memberId }: { readonly memberId: string }): string {
  return memberId;
}

cluster.test("G7: a living voter is not removed while another is dead; the dead one is", async (cluster) => {
  const leader = await cluster.leader();
  const [living, dead] = (await cluster.followers()) as [number, number];
  await cluster.kill(dead);
  // One that leads only since a moment ago does not miss it yet: it is asked again, as an operator would.
  const refused = await inTime("the leader misses it", async () => {
    const { peers } = await cluster.status(await cluster.leader());
    if (peers.find(({ memberId }) => memberId === `n${dead}`)?.recentlyActive !== false) return null;
    const before = await cluster.node(leader).admin.call("listMembers", {});
    const reply = failed(
      await cluster.node(leader).admin.attempt("removeMember", { memberId: `n${living}` }),
    );
    expect((await cluster.node(leader).admin.call("listMembers", {})).members.map(idOf)).toEqual(
      before.members.map(idOf),
    );
    return reply.detail?.reason === ErrorReason.NO_LEADER ? null : reply;
  });
  expect(refused).toMatchObject({ code: "FAILED_PRECONDITION", detail: { retryable: true } });
  expect(refused.detail?.reason).toBe(ErrorReason.QUORUM_AT_RISK);
  expect(refused.message).toContain(`n${dead} is not heard of`);
  const client = cluster.client(cluster.live);
  await client.cluster.removeMember(`n${dead}`);
  cluster.leave(dead);
  expect([...(await cluster.status(await cluster.leader())).voters]).toEqual(
    [leader, living].sort().map((node) => `n${node}`),
  );
  await client.kv.put("k", "goes on");
  await cluster.agree();
});

cluster.test("G7: the last voter cannot be removed", async (cluster) => {
  const client = cluster.client(cluster.live);
  const [other] = (await cluster.followers()) as [number];
  await client.cluster.removeMember(`n${other}`);
  cluster.leave(other);
  const last = await cluster.leader();
  await expect(client.cluster.removeMember(`n${last}`)).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
  });
  expect((await cluster.status(last)).voters).toEqual([`n${last}`]);
});
