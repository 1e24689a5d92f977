import { expect, test } from "@jest/globals";
import { ErrorReason, Outcome } from "@quorate/client/generated";
import { withCluster } from "#support";
import { inTime, patientTests } from "./patient";

patientTests();

/** How many a cluster may have, with the default one. */
const NAMESPACES_MAX = 10_000;
const AT_ONCE = 500;

test("B7: one namespace too many is TOO_MANY_NAMESPACES and names the limit, and there is room again once one is deleted", async () => {
  await withCluster({ nodes: 3 }, async (c) => {
    const { namespaces } = c.node(await c.leader());
    for (let from = 1; from < NAMESPACES_MAX; from += AT_ONCE) {
      const to = Math.min(from + AT_ONCE, NAMESPACES_MAX);
      const names = Array.from({ length: to - from }, (_, at) => `limit-${from + at}`);
      await Promise.all(
        names.map((name) =>
          inTime(`${name} is there`, async () => {
            const reply = await namespaces.attempt("create", { name }, { deadlineMs: 60_000 });
            return reply.ok || reply.code === "ALREADY_EXISTS";
          }),
        ),
      );
    }
    for (const node of c.numbers) {
      const refused = await c.node(node).namespaces.attempt("create", { name: "one-too-many" });
      expect(refused).toMatchObject({
        ok: false,
        code: "RESOURCE_EXHAUSTED",
        message: expect.stringContaining(String(NAMESPACES_MAX)),
        detail: { reason: ErrorReason.TOO_MANY_NAMESPACES, outcome: Outcome.NOT_APPLIED },
      });
    }
    await namespaces.call("delete", { name: "limit-1" });
    await namespaces.call("create", { name: "one-too-many" });
    await c.agree();
    const { namespaces: all } = await c.node(2).namespaces.call("list", {});
    expect(all).toHaveLength(NAMESPACES_MAX);
  });
});
