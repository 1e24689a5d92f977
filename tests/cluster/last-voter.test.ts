import { expect, test } from "@jest/globals";
import { withCluster } from "../support";
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
