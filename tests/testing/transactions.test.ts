import { describe, expect, test } from "@jest/globals";
import type { Quorate } from "@quorate/client";
import { startCluster } from "@quorate/testing";

describe("transactions", () => {
  test("A21: 10 clients x 20 increments in transactions are exactly 200", async () => {
    await using cluster = await startCluster({ seed: 51 });
    const clients = Array.from({ length: 10 }, () => cluster.client({ deadlineMs: 60_000 }));
    await Promise.all(
      clients.map(async ({ kv }) => {
        for (let at = 0; at < 20; at += 1) await kv.transact((tx) => tx.increment("count"));
      }),
    );
    expect(await cluster.kv.getText("count")).toBe("200");
  });

  test("A21: transfers between accounts keep the sum, through a change of the leader", async () => {
    await using cluster = await startCluster({ seed: 52 });
    const accounts = Array.from({ length: 5 }, (_, at) => `account/${at}`);
    for (const account of accounts) await cluster.kv.put(account, "100");
    const sumOf = (client: Quorate) =>
      client.kv.transact(async (tx) => {
        const records = await tx.scan({ prefix: "account/" });
        return records.reduce((sum, record) => sum + Number(record.text()), 0);
      });
    const watcher = cluster.client({ deadlineMs: 60_000 });
    let isOver = false;
    const checking = (async () => {
      while (!isOver) expect(await sumOf(watcher)).toBe(500);
    })();
    const transfers = Array.from({ length: 4 }, async (_, at) => {
      const { kv } = cluster.client({ deadlineMs: 60_000 });
      for (let turn = 0; turn < 15; turn += 1) {
        const from = accounts[(at + turn) % 5] as string;
        const to = accounts[(at + 2 * turn + 1) % 5] as string;
        await kv.transact(async (tx) => {
          const balance = Number(await tx.getText(from));
          if (balance < 7 || from === to) return;
          await tx.increment(from, -7);
          await tx.increment(to, 7);
        });
        if (at === 0 && turn === 5) {
          const leader = await cluster.leader();
          await leader.kill();
          await leader.restart();
        }
      }
    });
    await Promise.all(transfers);
    isOver = true;
    await checking;
    expect(await sumOf(watcher)).toBe(500);
    await cluster.verifyConsistency();
  });
});
