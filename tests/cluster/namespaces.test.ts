import { expect } from "@jest/globals";
import type { NamespaceInfo, Quorate } from "@quorate/client";
import { clusterOfFile } from "../support";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile({ nodes: 3, gateways: 1 });

function named(list: readonly NamespaceInfo[], name: string): NamespaceInfo | undefined {
  return list.find((namespace) => namespace.name === name);
}

cluster.test("A23: the same key in two namespaces is two records, on every node", async (cluster) => {
  const client = cluster.client();
  const { id } = await client.namespaces.create("orders");
  expect(id).toBeGreaterThan(1);
  const [here, there] = [client.kv, client.namespace("orders")];
  await Promise.all([here.put("k", "here"), there.put("k", "there"), there.put("other", "too")]);
  await here.delete("gone");
  for (const node of cluster.numbers) {
    const own = cluster.client(node);
    expect(await own.kv.getText("k")).toBe("here");
    expect(await own.namespace("orders").getText("k")).toBe("there");
    expect(named(await own.namespaces.list(), "orders")).toEqual({ name: "orders", id, keys: 2, bytes: 14 });
  }
  expect(await there.truncate()).toMatchObject({ deleted: 2 });
  expect(await here.getText("k")).toBe("here");
});

cluster.test("A23: namespaces and what they hold survive the restart of all nodes", async (cluster) => {
  const client = cluster.client();
  await client.namespaces.create("kept");
  await client.namespace("kept").put("k", "v");
  const before = await client.namespaces.list();
  await cluster.killAll();
  await cluster.restartAll();
  await cluster.agree();
  const after = cluster.client(cluster.numbers, { deadlineMs: 60_000 });
  expect(await after.namespaces.list()).toEqual(before);
  expect(await patientKv(cluster).getText("k", { namespace: "kept" })).toBe("v");
  expect((await after.namespaces.create("later")).id).toBe(Math.max(...before.map(({ id }) => id)) + 1);
});

cluster.test("A23: a namespace made through the gateway is there for a stale read too", async (cluster) => {
  const client: Quorate = cluster.client(cluster.gateway().address);
  await client.namespaces.create("by-gateway");
  expect(named(await client.namespaces.list(), "by-gateway")).toMatchObject({ keys: 0, bytes: 0 });
  for (const node of cluster.numbers) {
    await inTime(`n${node} has applied it`, async () =>
      named(await cluster.client(node).namespaces.list({ consistency: "stale" }), "by-gateway"),
    );
  }
});

cluster.test(
  "A23: a repeated request creates once, and another one hears that the name is taken",
  async (cluster) => {
    const { clientId } = await cluster.node(1).kv.call("openSession", {});
    const call = (sequence: number) =>
      cluster
        .node(1)
        .namespaces.attempt(
          "create",
          { name: "once" },
          { metadata: { "quorate-request-id": `${clientId}/${sequence}/1` } },
        );
    const first = await call(1);
    expect(first.ok).toBe(true);
    expect(await call(1)).toEqual(first);
    expect(await call(2)).toMatchObject({ ok: false, code: "ALREADY_EXISTS" });
    await expect(cluster.client().namespaces.create("once")).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
      reason: "NAMESPACE_EXISTS",
      outcome: "not_applied",
    });
  },
);
