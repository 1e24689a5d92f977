import { expect, test } from "@jest/globals";
import { ErrorReason } from "@quorate/client/generated";
import { eventually, withCluster } from "../support";
import { failed } from "./failed";
import { patientTests } from "./patient";

patientTests();

test("G7: the last voter cannot be removed", async () => {
  await withCluster({ nodes: 1 }, async (cluster) => {
    await cluster.leader();
    const attempt = await cluster.node(1).admin.attempt("removeMember", { memberId: "n1" });
    expect(attempt).toMatchObject({ ok: false, code: "FAILED_PRECONDITION" });
    expect((await cluster.status(1)).voters).toEqual(["n1"]);
  });
});

test("G7: a living voter is not removed while another is dead; the dead one is", async () => {
  await withCluster({ nodes: 3 }, async (cluster) => {
    const leader = await cluster.leader();
    const [living, dead] = (await cluster.followers()) as [number, number];
    await cluster.kill(dead);
    await eventually(`n${leader} misses n${dead}`, async () => {
      const { peers } = await cluster.status(leader);
      return peers.find(({ memberId }) => memberId === `n${dead}`)?.recentlyActive === false;
    });
    const { admin } = cluster.node(leader);
    const before = await admin.call("listMembers", {});
    const refused = failed(await admin.attempt("removeMember", { memberId: `n${living}` }));
    expect(refused).toMatchObject({ code: "FAILED_PRECONDITION", detail: { retryable: true } });
    expect(refused.detail?.reason).toBe(ErrorReason.QUORUM_AT_RISK);
    expect(refused.message).toContain(`n${dead} is not heard of`);
    expect(await admin.call("listMembers", {})).toEqual(before);
    await admin.call("removeMember", { memberId: `n${dead}` });
    cluster.leave(dead);
    expect([...(await cluster.status(leader)).voters]).toEqual(
      [leader, living].sort().map((node) => `n${node}`),
    );
    await cluster.client().kv.put("k", "goes on");
    await cluster.agree();
  });
});
