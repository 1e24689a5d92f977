import { describe, expect, test } from "@jest/globals";
import { type Kv, QuorateError, type Transaction } from "@quorate/client";
import type { GetRequest } from "@quorate/client/generated";
import { ModelStore } from "./model-store";
import { ScriptedEndpoints } from "./scripted-endpoints";

interface Rig {
  readonly store: ModelStore;
  readonly ends: ScriptedEndpoints;
  readonly kv: Kv;
  run<T>(work: (tx: Transaction) => Promise<T> | T): Promise<T>;
}

function rig(values: Readonly<Record<string, string>> = {}): Rig {
  const store = new ModelStore();
  for (const [key, value] of Object.entries(values)) store.put(key, value);
  const ends = new ScriptedEndpoints("127.0.0.1:1", (attempt) => store.answer(attempt) ?? {});
  const { kv } = ends.client;
  return { store, ends, kv, run: (work) => ends.timing.drive(kv.transact(work)) };
}

describe("a transaction", () => {
  test("A21: reads one revision, whatever others write meanwhile", async () => {
    const { store, run } = rig({ a: "1", b: "1" });
    const seen = await run(async (tx) => {
      const a = await tx.getText("a");
      store.put("b", "2");
      store.delete("a");
      return [a, await tx.getText("b"), await tx.getText("a")];
    });
    expect(seen).toEqual(["1", "1", "1"]);
  });

  test("the first read is linearizable, later ones ask any node for its revision", async () => {
    const { ends, run } = rig({ a: "1", b: "1" });
    await run(async (tx) => Promise.all([tx.get("a"), tx.get("b")]));
    const asked = ends.of("Get").map(({ request }) => {
      const { consistency, revision, minRevision } = request as GetRequest;
      return [consistency, revision, minRevision];
    });
    expect(asked).toEqual([
      [1, 0n, 0n],
      [2, 2n, 2n],
    ]);
  });

  test("sees its own writes, and others see them only after the commit, all at once", async () => {
    const { store, run } = rig({ a: "1", gone: "x" });
    const before = store.revision;
    const seen = await run(async (tx) => {
      tx.put("a", "2");
      tx.put("new", "n");
      tx.delete("gone");
      await tx.append("a", "!");
      const count = await tx.increment("count", 5);
      await tx.prepend("p", "pre");
      const own = await tx.get("a");
      expect([own?.modRevision, own?.version]).toEqual([0, 0]);
      expect(store.values).toEqual({ a: "1", gone: "x" });
      return [await tx.getText("a"), await tx.getText("new"), await tx.get("gone"), count];
    });
    expect(seen).toEqual(["2!", "n", undefined, 5n]);
    expect(store.values).toEqual({ a: "2!", new: "n", count: "5", p: "pre" });
    expect(store.revision).toBe(before + 1);
  });

  test("A21: is run again when something it read was changed, and not for anything else", async () => {
    const { store, ends, run } = rig({ read: "1", other: "1" });
    let runs = 0;
    const value = await run(async (tx) => {
      runs += 1;
      const read = await tx.getText("read");
      store.put("other", "2");
      if (runs < 3) store.put("read", `${runs + 1}`);
      tx.put("result", `from ${read}`);
      return read;
    });
    expect([runs, value, store.values.result]).toEqual([3, "3", "from 3"]);
    const times = ends.of("Txn").map(({ atMs }) => atMs);
    expect(new Set(times).size).toBe(3);
  });

  test("a key that it saw missing counts as read", async () => {
    const { store, run } = rig();
    let runs = 0;
    await run(async (tx) => {
      runs += 1;
      const isTaken = (await tx.get("seat")) !== undefined;
      if (runs === 1) store.put("seat", "someone");
      if (!isTaken) tx.put("seat", "me");
    });
    expect([runs, store.values.seat]).toEqual([2, "someone"]);
  });

  test("only writes: nothing is compared, and no read is made", async () => {
    const { store, ends, run } = rig();
    await run((tx) => tx.put("a", "1"));
    expect([store.values, ends.of("Get")]).toEqual([{ a: "1" }, []]);
    expect(ends.of("Txn").map(({ request }) => request)).toMatchObject([{ compares: [] }]);
  });

  test("only reads: nothing is sent at its end", async () => {
    const { ends, run } = rig({ a: "1" });
    await run((tx) => tx.get("a"));
    expect(ends.of("Txn")).toEqual([]);
  });

  test("what its function throws is thrown on, and nothing is written", async () => {
    const { store, ends, kv } = rig({ a: "1" });
    const refusal = new Error("not enough");
    await expect(
      ends.timing.drive(
        kv.transact(async (tx) => {
          tx.put("a", `${await tx.getText("a")}0`);
          throw refusal;
        }),
      ),
    ).rejects.toBe(refusal);
    expect([store.values, ends.of("Txn")]).toEqual([{ a: "1" }, []]);
  });

  test("a key that was deleted and written begins a new life", async () => {
    const { store, kv, ends, run } = rig({ a: "1" });
    store.put("a", "2");
    await run((tx) => {
      tx.delete("a");
      tx.put("a", "3");
    });
    const record = await ends.timing.drive(kv.get("a"));
    expect([record?.version, record?.createRevision]).toEqual([1, 3]);
  });

  test("an increment keeps the lease, a put drops it", async () => {
    const { store, kv, ends, run } = rig();
    store.put("count", "1", 5n);
    store.put("plain", "1", 5n);
    await run(async (tx) => {
      await tx.increment("count");
      tx.put("plain", "2");
    });
    const [count, plain] = await ends.timing.drive(Promise.all([kv.get("count"), kv.get("plain")]));
    expect([count?.text(), count?.leaseId, plain?.leaseId]).toEqual(["2", 5n, 0n]);
  });

  test("a number that is none and a sum that is too large are refused", async () => {
    const { ends, kv } = rig({ text: "abc", max: `${2n ** 63n - 1n}` });
    const failures = [
      await ends.failure(kv.transact((tx) => tx.increment("text"))),
      await ends.failure(kv.transact((tx) => tx.increment("max"))),
    ];
    expect(failures.map(({ reason, outcome }) => [reason, outcome])).toEqual([
      ["NOT_AN_INTEGER", "not_applied"],
      ["INTEGER_OVERFLOW", "not_applied"],
    ]);
  });
});

describe("a scan in a transaction", () => {
  const values = { "a/1": "1", "a/2": "2", "a/3": "3", "b/1": "x" };

  async function idsOf(found: Promise<readonly { readonly key: string }[]>): Promise<readonly string[]> {
    return (await found).map(({ key }) => key);
  }

  test("shows own writes in their place", async () => {
    const { run } = rig(values);
    const seen = await run(async (tx) => {
      tx.delete("a/2");
      tx.put("a/15", "new");
      tx.put("a/3", "three");
      const found = await tx.scan({ prefix: "a/" });
      return [
        found.map(({ key }) => key),
        found.at(-1)?.text(),
        await idsOf(tx.scan({ prefix: "a/" }, { limit: 2 })),
      ];
    });
    expect(seen).toEqual([["a/1", "a/15", "a/3"], "three", ["a/1", "a/15"]]);
  });

  test.each([
    ["a new key in the range", (store: ModelStore) => store.put("a/25", "x"), true],
    ["a deleted one", (store: ModelStore) => store.delete("a/2"), true],
    ["a changed one", (store: ModelStore) => store.put("a/1", "x"), true],
    ["a key beyond the range", (store: ModelStore) => store.put("b/2", "x"), false],
  ])("A21: it is run again for %s", async (_, disturb, isRunAgain) => {
    const { store, run } = rig(values);
    let runs = 0;
    await run(async (tx) => {
      runs += 1;
      const found = await tx.scan({ prefix: "a/" });
      if (runs === 1) disturb(store);
      tx.put("count", `${found.length}`);
    });
    expect(runs).toBe(isRunAgain ? 2 : 1);
  });

  test("with a limit, what lies behind the last record does not matter", async () => {
    const { store, run } = rig(values);
    let runs = 0;
    await run(async (tx) => {
      runs += 1;
      const found = await tx.scan({}, { limit: 2 });
      store.put(`a/9${runs}`, "behind");
      tx.put("first", found.map(({ key }) => key).join());
    });
    expect([runs, store.values.first]).toEqual([1, "a/1,a/2"]);
  });

  test("one that its limit cuts at the first key of its range is validated by that key", async () => {
    const { store, ends, run } = rig({ a: "1", "a/1": "1" });
    for (const range of [{ prefix: "a" }, { start: "a" }, { start: "a", end: "b" }]) {
      let runs = 0;
      await run(async (tx) => {
        runs += 1;
        const found = await tx.scan(range, { limit: 1 });
        if (runs === 1) store.put("a", `${store.revision}`);
        tx.put("seen", found.map((record) => record.text()).join());
      });
      expect([runs, store.values.seen]).toEqual([2, store.values.a]);
    }
    expect(ends.of("Txn")).toHaveLength(6);
  });

  test("more ranges than a Txn takes are refused before anything is sent", async () => {
    const { ends, kv } = rig(values);
    const scanAll = (count: number) =>
      kv.transact(async (tx) => {
        for (let at = 0; at < count; at += 1) await tx.scan({ prefix: `x${at}/` });
        tx.put("seen", "1");
      });
    const error = await ends.failure(scanAll(65));
    expect([error.reason, ends.of("Txn").length]).toEqual(["TOO_LARGE", 0]);
    await ends.timing.drive(scanAll(64));
  });

  test("more than can be validated is refused with the limit, and 127 records with their range are not", async () => {
    const many = Object.fromEntries(Array.from({ length: 128 }, (_, at) => [`k${1000 + at}`, ""]));
    const { ends, kv, run } = rig(many);
    const error = await ends.failure(kv.transact((tx) => tx.scan()));
    expect([error.reason, error.message]).toEqual(["TOO_LARGE", expect.stringContaining("128 reads")]);
    expect(await run(async (tx) => (await tx.scan({}, { limit: 127 })).length)).toBe(127);
  });
});

describe("a transaction that cannot succeed", () => {
  async function contended(options: { maxAttempts?: number; deadlineMs?: number }): Promise<QuorateError> {
    const { store, ends, kv } = rig({ a: "1" });
    return ends.failure(
      kv.transact(async (tx) => {
        await tx.get("a");
        store.put("a", `${store.revision}`);
        tx.put("b", "1");
      }, options),
    );
  }

  test("says so after as many attempts as it may make", async () => {
    const error = await contended({ maxAttempts: 3 });
    expect(error).toMatchObject({ reason: "CONDITION_FAILED", retryable: true, outcome: "not_applied" });
    expect(error.message).toContain("3 times");
  });

  test("ends at its deadline", async () => {
    const error = await contended({ deadlineMs: 400 });
    expect([error.reason, error.outcome]).toEqual(["DEADLINE_EXCEEDED", "not_applied"]);
  });

  test("ends when its caller gives up", async () => {
    const { store, ends, kv } = rig({ a: "1" });
    const abort = new AbortController();
    const error = await ends.failure(
      kv.transact(
        async (tx) => {
          await tx.get("a");
          store.put("a", "2");
          tx.put("b", "1");
          abort.abort();
        },
        { signal: abort.signal },
      ),
    );
    expect([error.reason, store.values.b]).toEqual(["CANCELLED", undefined]);
  });

  test("begins anew when its revision was compacted, even if its function went on without the answer", async () => {
    const { store, ends, run } = rig({ a: "1", b: "2" });
    ends.answer = (attempt) =>
      ends.of("Get").length === 2 && attempt.method === "Get"
        ? new QuorateError("compacted", { code: "OUT_OF_RANGE", reason: "COMPACTED" })
        : (store.answer(attempt) ?? {});
    let runs = 0;
    await run(async (tx) => {
      runs += 1;
      await tx.get("a");
      const b = await tx.getText("b").catch(() => "unreadable");
      tx.put("copy", b ?? "");
    });
    expect([runs, store.values.copy]).toEqual([2, "2"]);
  });

  test("its handle takes no calls after its end", async () => {
    const { ends, run } = rig();
    let leaked: Transaction | undefined;
    await run((tx) => {
      leaked = tx;
    });
    expect(() => leaked?.put("a", "1")).toThrow("the transaction has ended");
    expect((await ends.failure((leaked as Transaction).get("a"))).message).toMatch(/has ended/);
  });

  test("an empty key is refused where it is named", async () => {
    const { ends, kv } = rig();
    const error = await ends.failure(kv.transact((tx) => tx.put("", "1")));
    expect([error.reason, error.message]).toEqual(["INVALID_ARGUMENT", "the key must not be empty"]);
  });
});
