import { expect } from "@jest/globals";
import { bytes, type FileCluster, type TestCluster } from "../support";
import { inTime } from "./patient";

type Counted = Readonly<Record<string, readonly [ok: number, failed: number]>>;

/** The counters of a node's key-value calls, by short name. */
async function counted(cluster: TestCluster, node: number, reset = false): Promise<Counted> {
  const { methods } = await cluster.node(node).admin.call("stats", { reset });
  const prefix = "quorate.kv.v1.KvService/";
  return Object.fromEntries(
    methods
      .filter(({ method }) => method.startsWith(prefix))
      .map(({ method, ok, failed }) => [method.slice(prefix.length), [Number(ok), Number(failed)] as const]),
  );
}

/** What nodes count. No client may be open before: what it does beside is counted too. */
export function stats({ test }: FileCluster): void {
  test("L6: Stats move by exactly the calls made, and begin anew when asked to", async (cluster) => {
    const leader = await cluster.leader();
    const { kv } = cluster.node(leader);
    await counted(cluster, leader, true);
    const key = bytes("l6");
    for (let at = 0; at < 7; at += 1) expect(await kv.attempt("put", { key })).toMatchObject({ ok: true });
    for (let at = 0; at < 3; at += 1)
      expect(await kv.attempt("put", { key: bytes("") })).toMatchObject({ ok: false });
    for (let at = 0; at < 5; at += 1) expect(await kv.attempt("get", { key })).toMatchObject({ ok: true });
    await kv.stream("scan", {});
    expect(await kv.attempt("increment", { key: bytes("l6-counter"), delta: 1n })).toMatchObject({
      ok: true,
    });
    expect(await kv.attempt("compact", { revision: 1_000_000n })).toMatchObject({ ok: false });
    const expected = { Put: [7, 3], Get: [5, 0], Scan: [1, 0], Increment: [1, 0], Compact: [0, 1] };
    expect(await counted(cluster, leader)).toEqual(expected);
    // The answer that resets still has them, the next one none.
    expect(await counted(cluster, leader, true)).toEqual(expected);
    expect(await counted(cluster, leader)).toEqual({});
  });

  test("L6: what a follower forwards is counted there and at the leader, once each", async (cluster) => {
    const leader = await cluster.leader();
    const [follower] = (await cluster.followers()) as [number];
    await counted(cluster, leader, true);
    await counted(cluster, follower, true);
    const { forwarded } = await cluster.node(follower).admin.call("stats", {});
    for (let at = 0; at < 4; at += 1)
      expect(await cluster.node(follower).kv.attempt("put", { key: bytes("l6") })).toMatchObject({
        ok: true,
      });
    expect(await cluster.node(follower).kv.attempt("get", { key: bytes("l6") })).toMatchObject({ ok: true });
    const after = await cluster.node(follower).admin.call("stats", {});
    expect(Number(after.forwarded - forwarded)).toBe(4);
    expect((await counted(cluster, leader)).Put).toEqual([4, 0]);
  });

  test("L6: Stats tell how many keys and bytes there are, the same on each node", async (cluster) => {
    const { kv, namespaces } = cluster.node(await cluster.leader());
    const before = await cluster.node(await cluster.leader()).admin.call("stats", {});
    await namespaces.call("create", { name: "l6" });
    await kv.call("put", { namespace: "l6", key: bytes("four"), value: bytes("sixsix") });
    await kv.call("put", { key: bytes("l6-b"), value: bytes("sixsix") });
    await cluster.agree();
    for (const node of cluster.numbers) {
      const { keys, bytes: size, memberId } = await cluster.node(node).admin.call("stats", {});
      expect({ memberId, keys, size }).toEqual({
        memberId: `n${node}`,
        keys: before.keys + 2n,
        size: before.bytes + 20n,
      });
    }
  });

  test("L6: connected clients are listed, oldest first, and one is dropped", async (cluster) => {
    const node = await cluster.leader();
    const { admin } = cluster.node(node);
    const listed = async () => (await admin.call("listClients", {})).clients;
    const before = (await listed()).map(({ address }) => address);
    const fresh = cluster.freshEndpoint(node);
    expect(await fresh.kv.attempt("put", { key: bytes("l6"), value: new Uint8Array(5000) })).toMatchObject({
      ok: true,
    });
    const [client, ...others] = (await listed()).filter(({ address }) => !before.includes(address));
    expect(others).toEqual([]);
    expect(Number(client?.bytesReceived)).toBeGreaterThan(5000);
    expect(Number(client?.bytesSent)).toBeGreaterThan(0);
    const ages = (await listed()).map(({ connectedMs }) => Number(connectedMs));
    expect(ages).toEqual(ages.toSorted((left, right) => right - left));

    const address = client?.address as string;
    expect(await admin.attempt("dropClient", { address })).toMatchObject({ ok: true });
    await inTime("it is gone", async () => (await listed()).every((one) => one.address !== address));
    expect(await admin.attempt("dropClient", { address })).toMatchObject({ ok: false, code: "NOT_FOUND" });
    // Who was dropped may come again, over another connection.
    await inTime("it comes again", async () => (await fresh.kv.attempt("get", { key: bytes("l6") })).ok);
    expect((await listed()).map((one) => one.address)).not.toContain(address);
  });
}
