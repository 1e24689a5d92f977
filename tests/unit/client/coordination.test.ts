import { describe, expect, test } from "@jest/globals";
import { compare, type Lock, op, type Permit, type Quorate, QuorateError } from "@quorate/client";
import { ModelCluster } from "./model-cluster";

const TTL_MS = 3000;

function reasonOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "succeeded",
    (error: unknown) => QuorateError.from(error).reason,
  );
}

/** A cluster, how to let time pass until something has settled, and clients. */
function rig<Count extends number>(count: Count) {
  const cluster = new ModelCluster();
  const clients = Array.from({ length: count }, () => cluster.client());
  return {
    cluster,
    store: cluster.store,
    clients: clients.map(({ quorate }) => quorate),
    fail: (at: number) => clients[at]?.fail(),
    drive: <T>(promise: Promise<T>) => cluster.timing.drive(promise),
    /** Begins something and lets it come as far as it does without time. */
    async begin<T>(
      promise: Promise<T>,
    ): Promise<{ readonly settled: T | undefined; readonly all: Promise<T> }> {
      const state: { settled: T | undefined; all: Promise<T> } = { settled: undefined, all: promise };
      promise.then(
        (value) => {
          state.settled = value;
        },
        () => undefined,
      );
      await cluster.passMs(1);
      return state;
    },
  };
}

type Rig = ReturnType<typeof rig>;

describe("a lock", () => {
  test("A22: comes free with its lease when the holder fails, not before, and not while it is held", async () => {
    const { clients, cluster, begin, drive, fail } = rig(2);
    const [one, two] = clients as [Quorate, Quorate];
    const held = await drive(one.lock("job", { ttlMs: TTL_MS }));
    const next = await begin(two.lock("job", { ttlMs: TTL_MS }));
    await cluster.passMs(10 * TTL_MS);
    expect([next.settled, held.signal.aborted]).toEqual([undefined, false]);
    fail(0);
    const failedAtMs = cluster.timing.nowMs();
    const lock = await drive(next.all);
    const waitedMs = cluster.timing.nowMs() - failedAtMs;
    expect([waitedMs > TTL_MS / 2, waitedMs <= TTL_MS]).toEqual([true, true]);
    // The failed holder knew it no later than the cluster.
    expect(held.signal.aborted).toBe(true);
    expect(lock.token).toBeGreaterThan(held.token);
  });

  test("wakes only the one who is next, in the order of asking", async () => {
    const { clients, cluster, begin, drive } = rig(5);
    const first = await drive((clients[0] as Quorate).lock("job"));
    const waits = [];
    for (const client of clients.slice(1)) waits.push(await begin(client.lock("job")));
    let holder: Lock = first;
    for (const [at, wait] of waits.entries()) {
      cluster.told.length = 0;
      await drive(holder.release());
      holder = await drive(wait.all);
      expect(cluster.told.map(({ client }) => client)).toEqual([at + 1]);
    }
    await drive(holder.release());
    expect([cluster.store.values, cluster.leaseCount]).toEqual([{}, 0]);
  });

  test("one who gives up in the middle lets the one behind take its place", async () => {
    const { clients, cluster, begin, drive } = rig(3);
    const [one, two, three] = clients as [Quorate, Quorate, Quorate];
    const held = await drive(one.lock("job"));
    const abort = new AbortController();
    const given = await begin(reasonOf(two.lock("job", { signal: abort.signal })));
    const last = await begin(three.lock("job"));
    abort.abort(new Error("closing time"));
    expect(await drive(given.all)).toBe("CANCELLED");
    await cluster.passMs(100);
    expect([last.settled, cluster.leaseCount]).toEqual([undefined, 2]);
    await drive(held.release());
    await drive((await drive(last.all)).release());
    expect([cluster.store.values, cluster.leaseCount]).toEqual([{}, 0]);
  });

  test.each([
    ["the deadline", { deadlineMs: 700 }, "DEADLINE_EXCEEDED"],
    ["a signal that is aborted already", { signal: AbortSignal.abort() }, "CANCELLED"],
  ])("nothing is left behind after %s", async (_, options, reason) => {
    const { clients, cluster, drive } = rig(2);
    const [one, two] = clients as [Quorate, Quorate];
    await drive(one.lock("job"));
    expect(await drive(reasonOf(two.lock("job", options)))).toBe(reason);
    await cluster.passMs(10);
    expect([Object.keys(cluster.store.values).length, cluster.leaseCount]).toEqual([1, 1]);
  });

  test("a place that was lost with its lease is an error, not a lock", async () => {
    const { clients, cluster, begin, drive } = rig(2);
    const [one, two] = clients as [Quorate, Quorate];
    await drive(one.lock("job"));
    const waits = await begin(reasonOf(two.lock("job", { ttlMs: TTL_MS })));
    cluster.endLeases();
    expect(await drive(waits.all)).toBe("UNKNOWN_LEASE");
  });

  test("a lease that was over when its place became known is an error, not a lock", async () => {
    const { clients, cluster, drive } = rig(1);
    const [one] = clients as [Quorate];
    const options = { ttlMs: TTL_MS };
    for (const take of [
      () => one.lock("job", options),
      () => one.tryLock("job", options),
      () => one.semaphore("doors", { permits: 1 }).acquire(options),
      () => one.semaphore("doors", { permits: 1 }).tryAcquire(options),
    ]) {
      const tell = cluster.store.onRevision;
      cluster.store.onRevision = () => {
        cluster.store.onRevision = tell;
        cluster.timing.skip(TTL_MS);
        tell();
      };
      expect(await drive(reasonOf(take()))).toBe("UNKNOWN_LEASE");
      await cluster.passMs(10);
      expect([cluster.store.values, cluster.leaseCount]).toEqual([{}, 0]);
    }
  });

  test("tryLock takes what is free and leaves nothing otherwise", async () => {
    const { clients, cluster, drive } = rig(2);
    const [one, two] = clients as [Quorate, Quorate];
    const lock = await drive(one.tryLock("job"));
    expect(await drive(two.tryLock("job"))).toBeUndefined();
    expect(cluster.leaseCount).toBe(1);
    await drive(lock?.release() ?? Promise.reject(new Error("it was free")));
    expect(await drive(two.tryLock("job"))).toBeDefined();
  });

  test("a cluster that cannot be reached is an error after the client's deadline, also where waiting has none", async () => {
    const { clients, cluster, drive, fail } = rig(1);
    const [one] = clients as [Quorate];
    fail(0);
    for (const call of [() => one.lock("job"), () => one.tryLock("job")]) {
      const beganAtMs = cluster.timing.nowMs();
      expect(await drive(reasonOf(call()))).toBe("DEADLINE_EXCEEDED");
      expect(cluster.timing.nowMs() - beganAtMs).toBeLessThanOrEqual(5000);
    }
  });

  test.each([
    ["", /must not be empty/],
    ["x".repeat(513), /513 bytes, more than the limit of 512/],
    ["\ud800", /lone surrogate/],
  ])("a bad name is refused (%#)", async (name, message) => {
    const { clients, drive } = rig(1);
    await expect(drive((clients[0] as Quorate).lock(name))).rejects.toThrow(message);
    await expect(drive((clients[0] as Quorate).tryLock(name))).rejects.toThrow(message);
    expect(() => clients[0]?.election(name)).toThrow(message);
    expect(() => clients[0]?.semaphore(name, { permits: 1 })).toThrow(message);
    expect(() => clients[0]?.barrier(name, { parties: 1 })).toThrow(message);
  });
});

describe("guarded writes", () => {
  async function held(): Promise<Rig & { readonly lock: Lock }> {
    const parts = rig(1);
    return {
      ...parts,
      lock: await parts.drive((parts.clients[0] as Quorate).lock("job", { ttlMs: TTL_MS })),
    };
  }

  test("are one Txn that compares the create revision of the holder's key", async () => {
    const { lock, store, drive } = await held();
    expect((await drive(lock.put("a", "1"))).revision).toBe(2);
    const guarded = await drive(
      lock.txn().if(compare.exists("a")).do(op.put("b", "2"), op.get("b")).else(op.put("c", "3")).commit(),
    );
    expect([guarded.succeeded, guarded.succeeded && guarded.results[1]?.text()]).toEqual([true, "2"]);
    const other = await drive(lock.txn().if(compare.missing("a")).else(op.put("c", "3")).commit());
    expect([other.succeeded, other.revision]).toEqual([false, 4]);
    expect((await drive(lock.delete("a"))).deleted).toBe(true);
    expect(store.values).toMatchObject({ b: "2", c: "3" });
  });

  test("fail once the lock is lost, whichever branch they would take, and tell the signal", async () => {
    const { lock, cluster, store, drive } = await held();
    cluster.endLeases();
    expect(lock.signal.aborted).toBe(false);
    const failures = [
      await drive(reasonOf(lock.txn().if(compare.exists("a")).else(op.put("a", "1")).commit())),
      await drive(reasonOf(lock.put("a", "1"))),
      await drive(reasonOf(lock.delete("a"))),
    ];
    expect([failures, lock.signal.aborted, store.values]).toEqual([
      ["CONDITION_FAILED", "CONDITION_FAILED", "CONDITION_FAILED"],
      true,
      {},
    ]);
    await drive(lock.release());
  });

  test("fail without being sent when the client cannot show any more that it holds the lock", async () => {
    const { lock, cluster, drive } = await held();
    cluster.timing.skip(TTL_MS);
    expect(await drive(reasonOf(lock.put("a", "1")))).toBe("CONDITION_FAILED");
    expect(cluster.store.revision).toBe(1);
  });

  test("a nested Txn goes without comparisons beside it, or not at all", async () => {
    const { lock, clients, drive } = await held();
    const inner = (clients[0] as Quorate).kv.txn().if(compare.missing("a")).do(op.put("a", "1"));
    const outcome = await drive(lock.txn().do(op.txn(inner)).commit());
    expect(outcome.succeeded && outcome.results[0].succeeded).toBe(true);
    const deep = lock.txn().if(compare.exists("a")).do(op.txn(inner)).commit();
    expect(await drive(reasonOf(deep))).toBe("INVALID_ARGUMENT");
  });
});

describe("an election", () => {
  test("hands leadership over, and observers see each leader and each value once", async () => {
    const { clients, cluster, begin, drive } = rig(3);
    const [one, two, watcher] = clients as [Quorate, Quorate, Quorate];
    const seen: (string | undefined)[] = [];
    const observing = await begin(
      (async () => {
        for await (const leader of watcher.election("chief").observe()) {
          seen.push(leader?.value);
          if (seen.length === 5) return;
        }
      })(),
    );
    const first = await drive(one.election("chief").campaign("one"));
    const campaign = await begin(two.election("chief").campaign("two"));
    await drive(first.proclaim("one at work"));
    expect(await drive(watcher.election("chief").leader())).toEqual({
      value: "one at work",
      token: first.token,
    });
    await drive(first.resign());
    const second = await drive(campaign.all);
    expect(await drive(reasonOf(first.proclaim("still me")))).toBe("CONDITION_FAILED");
    await drive(second.resign());
    await drive(observing.all);
    expect(seen).toEqual([undefined, "one", "one at work", "two", undefined]);
    expect([second.token > first.token, cluster.leaseCount]).toEqual([true, 0]);
  });
});

describe("a semaphore", () => {
  test("holds back those beyond its permits, in order, and wakes one at a time", async () => {
    const { clients, cluster, begin, drive } = rig(6);
    const takes: { readonly settled: Permit | undefined; readonly all: Promise<Permit> }[] = [];
    for (const client of clients)
      takes.push(await begin(client.semaphore("doors", { permits: 2 }).acquire()));
    const holders = () => takes.map(({ settled }) => settled !== undefined);
    expect(holders()).toEqual([true, true, false, false, false, false]);
    for (const [at, take] of takes.entries()) {
      cluster.told.length = 0;
      await drive((await drive(take.all)).release());
      await cluster.passMs(1);
      expect(holders().filter(Boolean)).toHaveLength(Math.min(6, at + 3));
      // One who waits is told of the release, and the one behind it that the place at the front is its own now.
      const woken = [...new Set(cluster.told.map(({ client }) => client))];
      expect(woken).toEqual([at + 2, at + 3].filter((client) => client < 6));
    }
    expect([cluster.store.values, cluster.leaseCount]).toEqual([{}, 0]);
  });

  test("a holder that fails makes room, and so does one that fails while it waits", async () => {
    const { clients, begin, drive, fail } = rig(4);
    const takes: { readonly all: Promise<Permit> }[] = [];
    for (const client of clients) {
      takes.push(await begin(client.semaphore("doors", { permits: 1 }).acquire({ ttlMs: TTL_MS })));
    }
    fail(1);
    fail(0);
    for (const { all } of takes.slice(2)) await drive((await drive(all)).release());
  });

  test("another number of permits is refused, and leaves nothing", async () => {
    const { clients, cluster, drive } = rig(2);
    const [one, two] = clients as [Quorate, Quorate];
    const permit = await drive(one.semaphore("doors", { permits: 2 }).acquire());
    const failures = [
      await drive(reasonOf(two.semaphore("doors", { permits: 3 }).acquire())),
      await drive(reasonOf(two.semaphore("doors", { permits: 3 }).tryAcquire())),
    ];
    expect([failures, cluster.leaseCount]).toEqual([["INVALID_ARGUMENT", "INVALID_ARGUMENT"], 1]);
    await drive(permit.release());
    expect(() => one.semaphore("doors", { permits: 0 })).toThrow("at least 1");
  });
});

describe("a barrier", () => {
  test("opens for a whole group at once, and then for the next", async () => {
    const { clients, cluster, begin, drive } = rig(6);
    const waits = [];
    const settled: number[] = [];
    for (const [at, client] of clients.entries()) {
      const wait = client.barrier("phase", { parties: 3 }).wait();
      waits.push(await begin(wait.then(() => settled.push(at))));
      expect(settled).toHaveLength(at < 2 ? 0 : at < 5 ? 3 : 6);
    }
    await drive(Promise.all(waits.map(({ all }) => all)));
    expect(cluster.leaseCount).toBe(0);
  });

  test("who failed or gave up does not count", async () => {
    const { clients, cluster, begin, drive, fail } = rig(4);
    const [one, two, three, four] = clients as [Quorate, Quorate, Quorate, Quorate];
    void reasonOf(one.barrier("phase", { parties: 2 }).wait({ ttlMs: TTL_MS }));
    await cluster.passMs(1);
    fail(0);
    await cluster.passMs(2 * TTL_MS);
    const late = two.barrier("phase", { parties: 2 }).wait({ deadlineMs: 500 });
    expect(await drive(reasonOf(late))).toBe("DEADLINE_EXCEEDED");
    const third = await begin(three.barrier("phase", { parties: 2 }).wait());
    expect(await drive(reasonOf(four.barrier("phase", { parties: 3 }).wait()))).toBe("INVALID_ARGUMENT");
    await drive(Promise.all([third.all, four.barrier("phase", { parties: 2 }).wait()]));
  });

  test("a group that is more than complete lets the first ones go and keeps the others", async () => {
    const { clients, begin, drive, cluster } = rig(5);
    let passed = 0;
    const waits = clients.map((client) =>
      client
        .barrier("phase", { parties: 3 })
        .wait()
        .then(() => {
          passed += 1;
        }),
    );
    await begin(Promise.all(waits.slice(0, 1)));
    await cluster.passMs(1000);
    expect(passed).toBe(3);
    const last = (clients[0] as Quorate).barrier("phase", { parties: 3 }).wait();
    await drive(Promise.all([...waits, last]));
    expect(cluster.leaseCount).toBe(0);
  });
});

describe("holders that come, go, give up and fail at random", () => {
  /** Multiply-with-carry: enough to mix a test. */
  function random(seed: number): () => number {
    let state = seed;
    return () => {
      state = (36969 * (state & 0xffff) + (state >>> 16)) >>> 0;
      return (state & 0xffff) / 0x10000;
    };
  }

  test.each(Array.from({ length: 20 }, (_, seed) => seed + 1))(
    "a semaphore never has more holders than permits, and ends empty (seed %i)",
    async (seed) => {
      const chance = random(seed);
      const permits = 1 + Math.floor(chance() * 3);
      const { clients, cluster, drive, fail } = rig(10);
      const held = new Set<Permit>();
      const tokens: number[] = [];
      const sleep = (ms: number) =>
        new Promise<void>((resolve) => {
          cluster.timing.schedule(ms, resolve);
        });
      const live = async (client: Quorate, at: number) => {
        await sleep(chance() * 2000);
        const semaphore = client.semaphore("doors", { permits });
        const impatient = chance() < 0.3 ? { deadlineMs: 1 + chance() * 3000 } : {};
        const permit =
          chance() < 0.2
            ? await semaphore.tryAcquire()
            : await semaphore.acquire({ ttlMs: TTL_MS, ...impatient });
        if (permit === undefined) return;
        held.add(permit);
        tokens.push(permit.token);
        const present = [...held].filter(({ signal }) => !signal.aborted);
        expect(present.length).toBeLessThanOrEqual(permits);
        await sleep(chance() * 3000);
        if (chance() < 0.3) fail(at);
        else await permit.release();
      };
      const lives = clients.map((client, at) =>
        live(client, at).catch((error: unknown) => {
          expect(QuorateError.from(error).reason).toBe("DEADLINE_EXCEEDED");
        }),
      );
      await drive(Promise.all(lives));
      await cluster.passMs(5 * TTL_MS);
      expect([cluster.store.values, cluster.leaseCount]).toEqual([{}, 0]);
      expect(new Set(tokens).size).toBe(tokens.length);
    },
  );
});
