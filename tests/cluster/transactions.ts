import { expect } from "@jest/globals";
import { type Comparison, compare, json, op, QuorateError } from "@quorate/client";
import { type FileCluster, isLongRun } from "#support";

/** How often each of ten clients transacts; most of the time another one comes first. */
const TIMES = isLongRun ? 20 : 5;

/** Transactions of a cluster. */
export function transactions({ test }: FileCluster): void {
  test("A21: each compare kind with each operator, true and false, on keys and ranges", async (c) => {
    const { kv } = c.client();
    const { revision: created } = await kv.put("cmp/a", "m");
    const { revision: modified } = await kv.put("cmp/a", "m");
    const lease = await c.client().leases.grant({ ttlMs: 60_000 });
    await kv.put("cmp/leased", "m", { leaseId: lease.id });
    const holds = async (...comparisons: readonly Comparison[]): Promise<boolean> =>
      (
        await kv
          .txn()
          .if(...comparisons)
          .commit()
      ).succeeded;

    const numbers = [
      [compare.version("cmp/a"), 2],
      [compare.createRevision("cmp/a"), created],
      [compare.modRevision("cmp/a"), modified],
    ] as const;
    for (const [by, value] of numbers) {
      expect(
        await holds(by.equals(value), by.notEquals(value + 1), by.less(value + 1), by.greater(value - 1)),
      ).toBe(true);
      for (const wrong of [by.equals(value + 1), by.notEquals(value), by.less(value), by.greater(value)]) {
        expect(await holds(wrong)).toBe(false);
      }
    }
    const value = compare.value("cmp/a");
    expect(await holds(value.equals("m"), value.notEquals("n"), value.less("n"), value.greater("l"))).toBe(
      true,
    );
    for (const wrong of [value.equals("n"), value.notEquals("m"), value.less("m"), value.greater("m")]) {
      expect(await holds(wrong)).toBe(false);
    }
    expect(await holds(compare.lease("cmp/leased").equals(lease.id), compare.lease("cmp/a").equals(0n))).toBe(
      true,
    );
    expect(await holds(compare.lease("cmp/leased").less(lease.id))).toBe(false);

    expect(await holds(compare.value({ prefix: "cmp/" }).equals("m"))).toBe(true);
    await kv.put("cmp/z", "other");
    expect(await holds(compare.value({ prefix: "cmp/" }).equals("m"))).toBe(false);
    expect(await holds(compare.value({ start: "cmp/a", end: "cmp/z" }).equals("m"))).toBe(true);
    expect(await holds(compare.version({ prefix: "nobody/" }).greater(100))).toBe(true);
    expect(await holds(compare.missing("nobody"), compare.exists("cmp/a"))).toBe(true);
    expect(await holds(compare.value("nobody").notEquals("m"))).toBe(false);
    await lease.revoke();
  });

  test("A21: all kinds of operations see the earlier ones and share one revision, on every node", async (c) => {
    const { kv } = c.client();
    await kv.put("all/gone", "x");
    const { revision: before } = await kv.put("all/n", "5");
    const outcome = await kv
      .txn()
      .if(compare.exists("all/n"))
      .do(
        op.put("all/p", "one", { returnPrevious: true }),
        op.put("all/p", "two", { returnPrevious: true }),
        op.increment("all/n", 2),
        op.append("all/p", "!"),
        op.prepend("all/p", ">"),
        op.get("all/p"),
        op.delete("all/gone"),
        op.get("all/gone"),
        op.count({ prefix: "all/" }),
        op.scan({ prefix: "all/" }, { limit: 1 }),
        op.txn(kv.txn().if(compare.value("all/n").equals("7")).do(op.put("all/nested", "yes"))),
        op.deleteRange({ prefix: "all/nes" }),
      )
      .commit();
    if (!outcome.succeeded) throw new Error("the key is there");
    const { revision, results } = outcome;
    expect(revision).toBe(before + 1);
    expect(results[0].previous).toBeUndefined();
    expect(results[1].previous?.text()).toBe("one");
    expect(results[2]).toBe(7n);
    expect(results[5]?.text()).toBe(">two!");
    expect(results[6].deleted).toBe(true);
    expect(results[7]).toBeUndefined();
    expect(results[8]).toBe(2);
    expect(results[9]).toMatchObject({ more: true });
    expect(results[10].succeeded).toBe(true);
    expect(results[11]).toBe(1);
    for (const node of c.numbers) {
      const records = await c.client(node).kv.batchGet(["all/p", "all/n", "all/gone", "all/nested"]);
      expect(records.map((record) => record?.text())).toEqual([">two!", "7", undefined, undefined]);
      expect(records[0]).toMatchObject({ createRevision: revision, modRevision: revision, version: 1 });
      expect(records[1]).toMatchObject({ modRevision: revision, version: 2 });
    }
  });

  test("A21: an operation that fails leaves nothing of the whole, whatever came before it", async (c) => {
    const { kv } = c.client();
    const { revision } = await kv.put("atomic/word", "no number");
    const failing = kv
      .txn()
      .do(
        op.put("atomic/new", "x"),
        op.delete("atomic/word"),
        op.put("atomic/word", "y"),
        op.increment("atomic/word"),
      )
      .commit();
    await expect(failing).rejects.toMatchObject({ reason: "NOT_AN_INTEGER", outcome: "not_applied" });
    const conditional = kv
      .txn()
      .do(
        op.put("atomic/new", "x"),
        op.txn(kv.txn().do(op.put("atomic/word", "z", { expectedModRevision: 1 }))),
      )
      .commit();
    await expect(conditional).rejects.toMatchObject({ reason: "CONDITION_FAILED", outcome: "not_applied" });
    const word = await kv.get("atomic/word");
    expect(word).toMatchObject({ modRevision: revision, version: 1 });
    expect(await kv.count({ prefix: "atomic/" })).toBe(1);
  });

  test("A21: 128 operations are one revision, and 129 are refused", async (c) => {
    const { kv } = c.client();
    const puts = Array.from({ length: 128 }, (_, at) => op.put(`many/${at}`, String(at)));
    const { revision } = await kv
      .txn()
      .do(...puts)
      .commit();
    const revisions = new Set<number>();
    for await (const { modRevision } of kv.scan({ prefix: "many/" })) revisions.add(modRevision);
    expect([...revisions]).toEqual([revision]);
    expect(await kv.count({ prefix: "many/" })).toBe(128);
    const tooMany = kv
      .txn()
      .do(...puts, op.put("many/128", "x"))
      .commit();
    await expect(tooMany).rejects.toMatchObject({
      reason: "INVALID_ARGUMENT",
      message: expect.stringContaining("success has 129 items"),
    });
    expect(await kv.exists("many/128")).toBe(0);
  });

  test(`A11: ten clients that transact ${TIMES} times each count exactly ${10 * TIMES}, and transfers keep the sum`, async (c) => {
    const clients = Array.from({ length: 10 }, (_, at) =>
      c.client(c.numbers[at % 3], { deadlineMs: 60_000 }),
    );
    const accounts = clients[0]?.kv.collection("bank/", json<{ balance: number }>());
    for (const id of ["a", "b", "c"]) await accounts?.put(id, { balance: 100 });
    await Promise.all(
      clients.map(async ({ kv }, who) => {
        for (let time = 0; time < TIMES; time += 1) {
          await kv.transact(async (tx) => {
            const count = Number((await tx.getText("count")) ?? "0");
            await tx.put("count", String(count + 1));
          });
          if (time % 5 > 0) continue;
          const ids = ["a", "b", "c"];
          const from = `bank/${ids[(who + time) % 3]}`;
          const to = `bank/${ids[(who + time + 1) % 3]}`;
          await kv.transact(async (tx) => {
            const [left, right] = [await tx.get(from), await tx.get(to)];
            const codec = json<{ balance: number }>();
            if (left === undefined || right === undefined) throw new Error("an account is missing");
            await tx.put(from, codec.encode({ balance: left.as(codec).balance - 7 }));
            await tx.put(to, codec.encode({ balance: right.as(codec).balance + 7 }));
          });
        }
      }),
    );
    const { kv } = c.client();
    expect(await kv.getText("count")).toBe(String(10 * TIMES));
    let sum = 0;
    for await (const { value } of kv.collection("bank/", json<{ balance: number }>()).scan())
      sum += value.balance;
    expect(sum).toBe(300);
  });

  test("a past revision is read until it is compacted, and then refused with the oldest one", async (c) => {
    const { kv } = c.client();
    const revisions: number[] = [];
    for (const value of ["one", "two", "three"]) revisions.push((await kv.put("past", value)).revision);
    const [first = 0, second = 0, third = 0] = revisions;
    for (const node of c.numbers) {
      const own = c.client(node).kv;
      expect(await own.getText("past", { revision: first, minRevision: third })).toBe("one");
    }
    await expect(kv.get("past", { revision: third + 1_000_000 })).rejects.toMatchObject({
      code: "OUT_OF_RANGE",
      reason: "FUTURE_REVISION",
    });
    await kv.compact(second);
    expect(await kv.getText("past", { revision: second })).toBe("two");
    for (const node of c.numbers) {
      const failure = await c
        .client(node)
        .kv.get("past", { revision: first })
        .catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(QuorateError);
      expect(failure).toMatchObject({ code: "OUT_OF_RANGE", reason: "COMPACTED", oldestRevision: second });
    }
    await expect(kv.compact(first)).rejects.toMatchObject({ reason: "COMPACTED", oldestRevision: second });
    await kv.compact(second);
    expect(await kv.getText("past")).toBe("three");
  });
}
