import { describe, expect, test } from "@jest/globals";
import { type Leader, type Lock, type Permit, type Quorate, QuorateError } from "@quorate/client";
import { delay, startCluster, type TestCluster } from "@quorate/testing";
import { isLongRun } from "#support";

const TTL_MS = 2000;

function reasonOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "succeeded",
    (error: unknown) => QuorateError.from(error).reason,
  );
}

/** What is left in the cluster of locks and the like, and of leases. */
async function remains(cluster: TestCluster): Promise<readonly unknown[]> {
  const client = cluster.client();
  const keys: unknown[] = [];
  for await (const { key } of client.kv.scan({ prefix: "_quorate/" })) keys.push(key);
  return [...keys, ...(await client.leases.list())];
}

async function eventually(cluster: TestCluster, what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (await isSo()) return;
    await cluster.advance(50);
  }
  throw new Error(`it never came about that ${what}`);
}

describe("locks", () => {
  test("A22: of two clients that contend one waits; when the holder fails, its lock comes free with its lease", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 41 });
    const [first, second] = [cluster.client(), cluster.client()] as [Quorate, Quorate];
    const held = await first.lock("job", { ttlMs: TTL_MS });
    let next: Lock | undefined;
    const waited = second.lock("job", { ttlMs: TTL_MS }).then((lock) => {
      next = lock;
    });
    await cluster.advance(5 * TTL_MS);
    expect([next, held.signal.aborted]).toEqual([undefined, false]);
    // A client that is closed leaves its leases to themselves, as one that fails does.
    await first.close();
    expect(held.signal.aborted).toBe(true);
    await cluster.advance(TTL_MS / 4);
    expect(next).toBeUndefined();
    await cluster.advanceUntil(waited);
    expect(next?.token).toBeGreaterThan(held.token);
    await next?.release();
    expect(await remains(cluster)).toEqual([]);
  });

  test("they come in the order of asking, each with a higher token, through a change of the leader", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 42 });
    const gatekeeper = await cluster.client().lock("queue");
    const order: number[] = [];
    const tokens: number[] = [];
    const works: Promise<void>[] = [];
    for (let at = 0; at < 5; at += 1) {
      const client = cluster.client();
      works.push(
        (async () => {
          await using lock = await client.lock("queue");
          order.push(at);
          tokens.push(lock.token);
          await lock.put("last", `${at}`);
        })(),
      );
      await eventually(cluster, "it stands in line", async () => {
        return (await cluster.kv.count({ prefix: "_quorate/lock/queue/" })) === at + 2;
      });
      if (at === 2) {
        await (await cluster.leader()).kill();
        await cluster.leader();
      }
    }
    expect([order, gatekeeper.signal.aborted]).toEqual([[], false]);
    await cluster.advanceUntil(gatekeeper.release());
    await cluster.advanceUntil(Promise.all(works));
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(tokens).toEqual(tokens.toSorted((left, right) => left - right));
    expect(await cluster.kv.getText("last")).toBe("4");
    expect(await remains(cluster)).toEqual([]);
  });

  test("guarded writes are refused after the loss, though the holder does not know of it", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 43 });
    const client = cluster.client();
    const lock = await client.lock("job", { ttlMs: 60_000 });
    await lock.put("guarded", "1");
    const [other] = await client.leases.list();
    await cluster.client().leases.revoke((other as { id: bigint }).id);
    expect(lock.signal.aborted).toBe(false);
    expect(await reasonOf(lock.put("guarded", "2"))).toBe("CONDITION_FAILED");
    expect(lock.signal.aborted).toBe(true);
    expect(await reasonOf(lock.delete("guarded"))).toBe("CONDITION_FAILED");
    expect(await reasonOf(lock.txn().commit())).toBe("CONDITION_FAILED");
    expect(await client.kv.getText("guarded")).toBe("1");
    await lock.release();
  });

  test("giving up while waiting leaves nothing behind, and those behind move up", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 44 });
    const client = cluster.client();
    const held = await client.lock("job");
    const abort = new AbortController();
    const given = reasonOf(client.lock("job", { signal: abort.signal }));
    const late = reasonOf(client.lock("job", { deadlineMs: 500 }));
    await eventually(cluster, "all stand in line", async () => (await remains(cluster)).length === 6);
    const behind = cluster.client().lock("job");
    await eventually(cluster, "the last stands in line", async () => (await remains(cluster)).length >= 6);
    abort.abort();
    expect(await cluster.advanceUntil(given)).toBe("CANCELLED");
    expect(await cluster.advanceUntil(late)).toBe("DEADLINE_EXCEEDED");
    expect(await client.tryLock("job")).toBeUndefined();
    await held.release();
    const next = await cluster.advanceUntil(behind);
    await next.release();
    const free = await client.tryLock("job");
    expect(free).toBeDefined();
    await free?.release();
    expect(await remains(cluster)).toEqual([]);
  });

  test("a lock is per name and per namespace", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 45 });
    const client = cluster.client();
    await client.namespaces.create("other");
    const locks = [
      await client.tryLock("a"),
      await client.tryLock("a/b"),
      await client.tryLock("a", { namespace: "other" }),
      await client.tryLock("a"),
    ];
    expect(locks.map((lock) => lock !== undefined)).toEqual([true, true, true, false]);
    expect(await reasonOf(Promise.resolve().then(() => client.lock("")))).toBe("INVALID_ARGUMENT");
  });

  test.each(isLongRun ? [81, 82, 83] : [81, 82])(
    "a counter that is read and put under a lock counts right while leaders die (seed %i)",
    async (seed) => {
      await using cluster = await startCluster({ clock: "virtual", seed });
      // So that elections fall into the midst of it.
      cluster.addFilter(delay(5));
      let counted = 0;
      let lost = 0;
      const works = Array.from({ length: 4 }, async () => {
        const client = cluster.client({ deadlineMs: 30_000 });
        for (let round = 0; round < 5; round += 1) {
          const lock = await client.lock("counter", { ttlMs: 5000 });
          const value = Number((await client.kv.getText("count")) ?? "0");
          try {
            await lock.put("count", `${value + 1}`);
            counted += 1;
          } catch (error) {
            // It was lost amid an election that took longer than its lease: then nothing was written.
            expect(QuorateError.from(error)).toMatchObject({
              reason: "CONDITION_FAILED",
              outcome: "not_applied",
            });
            lost += 1;
          }
          await lock.release();
        }
      });
      let isOver = false;
      const all = Promise.all(works).finally(() => {
        isOver = true;
      });
      for (let kills = 0; kills < 4; kills += 1) {
        await cluster.advance(100);
        expect(isOver).toBe(false);
        const leader = await cluster.leader();
        await leader.kill();
        await cluster.advance(300);
        await leader.restart();
      }
      await cluster.advanceUntil(all);
      cluster.clearFilters();
      await cluster.leader();
      expect([await cluster.kv.getText("count"), counted + lost]).toEqual([`${counted}`, 20]);
      await cluster.verifyConsistency();
    },
  );
});

describe("an election", () => {
  test("leadership goes on in the order of campaigns, and observers see each change", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 46 });
    const [first, second, observer] = [cluster.client(), cluster.client(), cluster.client()];
    const seen: (string | undefined)[] = [];
    const abort = new AbortController();
    const observing = (async () => {
      for await (const leader of observer.election("chief").observe({ signal: abort.signal })) {
        seen.push(leader?.value);
      }
    })();
    await eventually(cluster, "the observer has begun", async () => seen.length === 1);
    expect(await first.election("chief").leader()).toBeUndefined();
    const one = await first.election("chief").campaign("one", { ttlMs: TTL_MS });
    const campaign = second.election("chief").campaign("two", { ttlMs: TTL_MS });
    await one.proclaim("one at work");
    const leader = (await observer.election("chief").leader()) as Leader<string>;
    expect(leader).toEqual({ value: "one at work", token: one.token });
    await eventually(cluster, "the second campaigns", async () => (await remains(cluster)).length === 4);
    await one.resign();
    const two = await cluster.advanceUntil(campaign);
    expect(two.token).toBeGreaterThan(one.token);
    expect(await reasonOf(one.proclaim("still me"))).toBe("CONDITION_FAILED");
    await second.close();
    await eventually(cluster, "nobody leads", async () => seen.length > 4);
    expect(seen).toEqual([undefined, "one", "one at work", "two", undefined]);
    abort.abort();
    await cluster.advanceUntil(observing);
  });
});

describe("a semaphore", () => {
  test("never has more holders than permits, and serves all, in order", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 47 });
    const clients = Array.from({ length: 4 }, () => cluster.client());
    let inside = 0;
    let most = 0;
    const served: number[] = [];
    const works = Array.from({ length: 12 }, async (_, at) => {
      const client = clients[at % clients.length] as Quorate;
      await using permit: Permit = await client.semaphore("doors", { permits: 3 }).acquire({ ttlMs: 30_000 });
      inside += 1;
      most = Math.max(most, inside);
      await permit.put(`served/${at}`, `${permit.token}`);
      served.push(permit.token);
      inside -= 1;
    });
    await cluster.advanceUntil(Promise.all(works));
    expect([most <= 3, most > 1, served.length]).toEqual([true, true, 12]);
    expect(await remains(cluster)).toEqual([]);
  });

  test("a permit whose holder fails is free with its lease; another number of permits is refused", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 48 });
    const [first, second] = [cluster.client(), cluster.client()];
    const semaphore = second.semaphore("doors", { permits: 2 });
    await first.semaphore("doors", { permits: 2 }).acquire({ ttlMs: TTL_MS });
    const stays = await semaphore.tryAcquire();
    expect(stays).toBeDefined();
    expect(await semaphore.tryAcquire()).toBeUndefined();
    expect(await reasonOf(second.semaphore("doors", { permits: 3 }).acquire())).toBe("INVALID_ARGUMENT");
    expect(await reasonOf(second.semaphore("doors", { permits: 3 }).tryAcquire())).toBe("INVALID_ARGUMENT");
    const waits = semaphore.acquire();
    await first.close();
    const permit = await cluster.advanceUntil(waits);
    await permit.release();
    await stays?.release();
    expect(await remains(cluster)).toEqual([]);
  });
});

describe("a barrier", () => {
  test("lets go of all at once when enough have come, group after group", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 49 });
    const clients = Array.from({ length: 7 }, () => cluster.client());
    let passed = 0;
    const come = (client: Quorate) =>
      client
        .barrier("phase", { parties: 3 })
        .wait({ ttlMs: TTL_MS })
        .then(() => {
          passed += 1;
        });
    const present = (count: number) =>
      eventually(cluster, `${count} wait`, async () => {
        return (await clients[6]?.leases.list())?.length === count;
      });
    const [a, b, c, d, e, f] = clients as [Quorate, Quorate, Quorate, Quorate, Quorate, Quorate];
    const first = [come(a), come(b)];
    await present(2);
    await cluster.advance(3 * TTL_MS);
    expect(passed).toBe(0);
    await cluster.advanceUntil(Promise.all([...first, come(c)]));
    expect(passed).toBe(3);
    await cluster.advanceUntil(Promise.all([come(d), come(e), come(f)]));
    expect(passed).toBe(6);
  });

  test("who gives up or fails does not count", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 50 });
    const [failing, one, two] = [cluster.client(), cluster.client(), cluster.client()];
    void reasonOf(failing.barrier("phase", { parties: 2 }).wait({ ttlMs: TTL_MS }));
    await eventually(cluster, "one waits", async () => (await one.leases.list()).length === 1);
    await failing.close();
    await eventually(cluster, "it has gone", async () => (await one.leases.list()).length === 0);
    expect(
      await cluster.advanceUntil(reasonOf(one.barrier("phase", { parties: 2 }).wait({ deadlineMs: 1000 }))),
    ).toBe("DEADLINE_EXCEEDED");
    const both = [one, two].map((client) => client.barrier("phase", { parties: 2 }).wait());
    await cluster.advanceUntil(Promise.all(both));
  });
});
