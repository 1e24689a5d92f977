import { describe, expect, test } from "@jest/globals";
import { QuorateError } from "@quorate/client";
import { addressOf, ReplaceableCluster } from "./replaceable-cluster";

describe("a client whose nodes are all replaced one by one", () => {
  test("goes on while it makes calls", async () => {
    const cluster = new ReplaceableCluster([1, 2, 3]);
    for (const [old, by] of [
      [1, 4],
      [2, 5],
      [3, 6],
    ] as const) {
      for (let second = 0; second < 10; second += 1) {
        await cluster.call();
        await cluster.wait(1000);
      }
      cluster.replace(old, by);
    }
    expect([4, 5, 6]).toContain(await cluster.call());
  });

  test("goes on after it made no call all the time", async () => {
    const cluster = new ReplaceableCluster([1, 2, 3]);
    await cluster.call();
    for (const [old, by] of [
      [3, 4],
      [2, 5],
      [1, 6],
    ] as const) {
      await cluster.wait(20_000);
      cluster.replace(old, by);
    }
    await cluster.wait(20_000);
    expect([4, 5, 6]).toContain(await cluster.call());
  });

  test("never asks those that left again, for their list of members is out of date", async () => {
    const cluster = new ReplaceableCluster([1, 2, 3]);
    await cluster.call();
    await cluster.wait(10_000);
    cluster.replace(1, 4);
    await cluster.call();
    await cluster.wait(10_000);
    const before = cluster.ends.attempts.length;
    cluster.replace(2, 5);
    cluster.alive.delete(3);
    await cluster.call();
    await cluster.wait(10_000);
    expect(cluster.ends.attempts.slice(before).map(({ address }) => address)).not.toContain(addressOf(1));
  });

  test("lets go of the connections to those that left", async () => {
    const cluster = new ReplaceableCluster([1, 2, 3]);
    await cluster.call();
    await cluster.wait(10_000);
    expect(cluster.ends.closed).toEqual([]);
    cluster.replace(1, 4);
    await cluster.call();
    await cluster.wait(10_000);
    expect(cluster.ends.closed).toEqual([addressOf(1)]);
    expect([2, 3, 4]).toContain(await cluster.call());
  });

  test("goes back to the endpoints it was given, should no other answer", async () => {
    const cluster = new ReplaceableCluster([1, 2]);
    await cluster.call();
    cluster.replace(1, 3);
    await cluster.call();
    await cluster.wait(10_000);
    cluster.replace(2, 4);
    await cluster.call();
    await cluster.wait(10_000);
    cluster.members = [1, 2];
    for (const node of [3, 4]) cluster.alive.delete(node);
    for (const node of [1, 2]) cluster.alive.add(node);
    expect([1, 2]).toContain(await cluster.call());
  });
});

describe("the members that a node tells", () => {
  test("replace no endpoint where it knows no leader: it may have missed what became of them", async () => {
    const cluster = new ReplaceableCluster([1, 2, 3]);
    await cluster.call();
    await cluster.wait(10_000);
    cluster.replace(1, 4);
    await cluster.call();
    await cluster.wait(10_000);
    cluster.beliefs.set(2, { members: [1, 2, 3], hasLeader: false });
    await cluster.wait(10_000);
    for (const node of [2, 3]) cluster.alive.delete(node);
    expect(await cluster.call()).toBe(4);
  });

  test("are the same where an endpoint names this machine otherwise", async () => {
    const cluster = new ReplaceableCluster([1, 2], { endpoints: "localhost:1" });
    await cluster.call();
    await cluster.wait(10_000);
    cluster.alive.delete(1);
    expect(await cluster.call()).toBe(2);
    cluster.alive.delete(2);
    await cluster.ends.failure(cluster.ends.client.kv.get("k"));
    expect(cluster.ends.attempts.map(({ address }) => address)).not.toContain(addressOf(1));
  });

  test("are asked for once, and left alone, behind a gateway", async () => {
    const cluster = new ReplaceableCluster([1, 2, 3], { endpoints: addressOf(9) });
    cluster.gateways.add(9);
    await cluster.call();
    await cluster.wait(60_000);
    expect(cluster.ends.of("ListMembers")).toHaveLength(1);
    cluster.gateways.delete(9);
    const error = await cluster.ends.failure(cluster.ends.client.kv.get("k"));
    expect(error.code).toBe("UNAVAILABLE");
    expect(new Set(cluster.ends.attempts.map(({ address }) => address))).toEqual(new Set([addressOf(9)]));
  });

  test("are gone to behind a gateway where the client is told to", async () => {
    const cluster = new ReplaceableCluster([1, 2, 3], { endpoints: addressOf(9), followMembers: true });
    cluster.gateways.add(9);
    expect(await cluster.call()).toBe(9);
    await cluster.wait(10_000);
    cluster.gateways.delete(9);
    expect([1, 2, 3]).toContain(await cluster.call());
  });

  test("are not asked for where the client is told not to, nor before a second has passed", async () => {
    const deaf = new ReplaceableCluster([1, 2, 3], { followMembers: false });
    await deaf.call();
    await deaf.wait(60_000);
    expect(deaf.ends.of("ListMembers")).toHaveLength(0);
    const brief = new ReplaceableCluster([1, 2, 3]);
    await brief.call();
    await brief.wait(900);
    expect(brief.ends.of("ListMembers")).toHaveLength(0);
  });

  test("are asked for no more once the client is closed", async () => {
    const cluster = new ReplaceableCluster([1, 2, 3]);
    await cluster.call();
    await cluster.wait(10_000);
    const asked = cluster.ends.of("ListMembers").length;
    expect(asked).toBeGreaterThan(0);
    await cluster.ends.timing.drive(cluster.ends.client.close());
    await cluster.wait(60_000);
    expect(cluster.ends.of("ListMembers")).toHaveLength(asked);
  });

  test("are not asked for again of a server that cannot tell them", async () => {
    const cluster = new ReplaceableCluster([1]);
    const { answer } = cluster.ends;
    cluster.ends.answer = (attempt) =>
      attempt.method === "ListMembers"
        ? new QuorateError("no such method", { code: "UNIMPLEMENTED" })
        : answer(attempt);
    await cluster.call();
    await cluster.wait(60_000);
    expect(cluster.ends.of("ListMembers")).toHaveLength(1);
  });
});
