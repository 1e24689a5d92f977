import { expect } from "@jest/globals";
import type { NamespaceInfo, Quorate } from "@quorate/client";
import type { FileCluster } from "../support";
import { inTime } from "./patient";

function named(list: readonly NamespaceInfo[], name: string): NamespaceInfo | undefined {
  return list.find((namespace) => namespace.name === name);
}

/** Namespaces, their quotas, and their end. */
export function namespaces({ test }: FileCluster): void {
  test("A23: the same key in two namespaces is two records, on every node", async (cluster) => {
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
      expect(named(await own.namespaces.list(), "orders")).toMatchObject({ id, keys: 2, bytes: 14 });
    }
    expect(await there.truncate()).toMatchObject({ deleted: 2 });
    expect(await here.getText("k")).toBe("here");
  });

  test("A23: a namespace made through the gateway is there for a stale read too", async (cluster) => {
    const client: Quorate = cluster.client(cluster.gateway().address);
    await client.namespaces.create("by-gateway");
    expect(named(await client.namespaces.list(), "by-gateway")).toMatchObject({ keys: 0, bytes: 0 });
    for (const node of cluster.numbers) {
      await inTime(`n${node} has applied it`, async () =>
        named(await cluster.client(node).namespaces.list({ consistency: "stale" }), "by-gateway"),
      );
    }
  });

  test("A23: a repeated request creates once, and another one hears that the name is taken", async (cluster) => {
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
  });

  test("A23: a namespace is dropped with its contents at once, on every node, and its name is free again", async (cluster) => {
    const client = cluster.client();
    const { id } = await client.namespaces.create("dropped");
    const dropped = client.namespace("dropped");
    for (let at = 0; at < 300; at += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, more) => dropped.put(`k${at + more}`, "v")));
    }
    // Its loss is told when it is kept alive the next time: after a third of its time to live.
    const lease = await client.leases.grant({ ttlMs: 6000, namespace: "dropped" });
    await client.kv.put("beside", "it");
    expect(await client.namespaces.delete("dropped")).toEqual({ deleted: 300 });
    for (const node of cluster.numbers) {
      const own = cluster.client(node);
      await expect(own.namespace("dropped").get("k1")).rejects.toMatchObject({ reason: "UNKNOWN_NAMESPACE" });
      await expect(own.namespace("dropped").put("k1", "v")).rejects.toMatchObject({
        reason: "UNKNOWN_NAMESPACE",
        outcome: "not_applied",
      });
      expect(named(await own.namespaces.list(), "dropped")).toBeUndefined();
      expect(await own.kv.getText("beside")).toBe("it");
    }
    await inTime("the lease is told to be lost", async () => lease.signal.aborted);
    const again = await client.namespaces.create("dropped");
    expect(again.id).toBeGreaterThan(id);
    expect(await client.namespace("dropped").count()).toBe(0);
    await expect(client.namespaces.delete("default")).rejects.toMatchObject({
      reason: "PERMANENT_NAMESPACE",
    });
    await expect(client.namespaces.delete("never-was")).rejects.toMatchObject({
      reason: "UNKNOWN_NAMESPACE",
    });
    await cluster.agree();
  });

  test("A23: a quota bounds what is added, and nothing else", async (cluster) => {
    const client = cluster.client();
    await client.namespaces.create("bounded", { keysMax: 2, bytesMax: 20 });
    const bounded = client.namespace("bounded");
    await bounded.put("a", "1");
    await bounded.put("b", "1");
    const full = { code: "RESOURCE_EXHAUSTED", reason: "QUOTA_EXCEEDED", outcome: "not_applied" };
    await expect(bounded.put("c", "1")).rejects.toMatchObject(full);
    await expect(bounded.append("a", "x".repeat(20))).rejects.toMatchObject(full);
    await bounded.put("a", "123456");
    await bounded.delete("b");
    await bounded.put("c", "1");
    await client.namespaces.setQuota("bounded", {});
    await bounded.put("d", "x".repeat(100));
    await client.namespaces.setQuota("bounded", { bytesMax: 10 });
    await bounded.put("d", "x".repeat(50));
    await expect(bounded.put("e", "x")).rejects.toMatchObject(full);
    expect(named(await client.namespaces.list(), "bounded")).toMatchObject({
      keys: 3,
      keysMax: 0,
      bytesMax: 10,
    });
    await cluster.agree();
  });
}
