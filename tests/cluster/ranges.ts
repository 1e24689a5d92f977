import { describe, expect } from "@jest/globals";
import { Consistency } from "@quorate/client/generated";
import { bytes, type FileCluster, hex, noise, type TestCluster, text } from "#support";
import { doing, operation } from "./bare-txn";

const TXN_OPERATIONS_MAX = 128;
const TXN_BYTES_MAX = 1_500_000;

/** Puts keys, many in one revision. @returns the last revision */
async function putAll(c: TestCluster, keys: readonly Uint8Array[], value = bytes("v")): Promise<bigint> {
  const { kv } = c.node(await c.leader());
  const operationsMax = Math.min(TXN_OPERATIONS_MAX, Math.floor(TXN_BYTES_MAX / (value.length + 5000)));
  let newest = 0n;
  for (let at = 0; at < keys.length; at += operationsMax) {
    const puts = keys.slice(at, at + operationsMax).map((key) => operation("put", { key, value }));
    newest = (await kv.call("txn", doing(...puts))).header?.revision ?? 0n;
  }
  return newest;
}

function numbered(prefix: string, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, at) => bytes(`${prefix}${String(at).padStart(5, "0")}`));
}

/** How many keys with the prefix a node itself holds at a revision, without asking anyone. */
async function countOn(c: TestCluster, node: number, prefix: string, revision: bigint): Promise<bigint> {
  const request = { prefix: bytes(prefix), consistency: Consistency.STALE, minRevision: revision };
  const { header, count } = await c.node(node).kv.call("count", request);
  expect(header?.memberId).toBe(`n${node}`);
  return count;
}

/** What ranges of keys do, on each node. */
export function ranges({ test }: FileCluster): void {
  describe("many keys", () => {
    test("A13: a batch get keeps the order asked for, with a found flag for each key", async (c) => {
      await putAll(c, [bytes("a13/x"), bytes("a13/y")], bytes("there"));
      await c.node(1).kv.call("put", { key: bytes("a13/empty") });
      const names = ["y", "absent", "x", "empty", "y", "gone"];
      for (const endpoint of [...c.numbers.map((node) => c.node(node)), c.gateway()]) {
        const keys = names.map((name) => bytes(`a13/${name}`));
        const { records, found } = await endpoint.kv.call("batchGet", { keys });
        expect(found).toEqual([true, false, true, true, true, false]);
        expect(records.map(({ key }) => text(key))).toEqual(names.map((name) => `a13/${name}`));
        expect(records.map(({ value }) => text(value))).toEqual(["there", "", "there", "", "there", ""]);
        expect(records.map(({ version }) => version > 0n)).toEqual(found);
      }
    });

    test("A16: a range deletion is replicated: the count is 0 on each node", async (c) => {
      await putAll(c, [...numbered("a16/range/", 60), bytes("a16/kept")]);
      const { kv } = c.node((await c.followers())[0] as number);
      const some = await kv.call("deleteRange", {
        start: bytes("a16/range/00010"),
        end: bytes("a16/range/00030"),
      });
      expect(some.deleted).toBe(20n);
      for (const node of c.numbers)
        expect(await countOn(c, node, "a16/range/", some.header?.revision ?? 0n)).toBe(40n);
      const rest = await kv.call("deleteRange", { prefix: bytes("a16/range/") });
      expect(rest.deleted).toBe(40n);
      expect(rest.header?.revision).toBe((some.header?.revision ?? 0n) + 1n);
      const nothing = await kv.call("deleteRange", { prefix: bytes("a16/range/") });
      expect(nothing).toMatchObject({ deleted: 0n, header: { revision: rest.header?.revision } });
      for (const node of c.numbers) {
        expect(await countOn(c, node, "a16/range/", rest.header?.revision ?? 0n)).toBe(0n);
        expect(await countOn(c, node, "a16/", rest.header?.revision ?? 0n)).toBe(1n);
      }
      await c.agree();
    });

    test("A16: a truncation is replicated: the count is 0 on each node", async (c) => {
      await putAll(c, numbered("a16/all/", 100));
      const before = (await c.gateway().kv.call("count", {})).count;
      const truncation = await c.gateway().kv.call("truncate", {});
      expect(truncation.deleted).toBe(before);
      for (const node of c.numbers)
        expect(await countOn(c, node, "", truncation.header?.revision ?? 0n)).toBe(0n);
      expect(await c.agree()).toMatchObject({ root: "00".repeat(32), count: 0 });
      expect((await c.node(1).kv.call("truncate", {})).deleted).toBe(0n);
      await putAll(c, [bytes("a16/all/00001")], bytes("after"));
      expect((await c.node(2).kv.call("get", { key: bytes("a16/all/00001") })).record).toMatchObject({
        version: 1n,
      });
      expect(await c.agree()).toMatchObject({ count: 1 });
    });

    test("A17: a scan is ordered, complete, pages with a cursor, and the last page has none", async (c) => {
      const keys = numbered("a17/", 250);
      const shuffled = keys
        .map((key, at) => [noise(4, at).join(), key] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1));
      await putAll(
        c,
        shuffled.map(([, key]) => key),
      );
      const wanted = keys.map(text);
      for (const reverse of [false, true]) {
        for (const limit of [100n, 125n, 250n, 1000n]) {
          const seen: string[] = [];
          const pages: number[] = [];
          const endpoints = [c.node(1), c.gateway(), c.node(2), c.node(3)];
          let cursor = bytes("");
          for (let more = true; more; ) {
            const endpoint = endpoints[pages.length % endpoints.length] as (typeof endpoints)[number];
            const { messages } = await endpoint.kv.stream("scan", {
              prefix: bytes("a17/"),
              limit,
              cursor,
              reverse,
            });
            const records = messages.flatMap((message) => message.records);
            const last = messages.at(-1);
            expect(messages.slice(0, -1).filter((message) => message.more)).toEqual([]);
            expect(new Set(messages.map(({ header }) => header?.revision)).size).toBe(1);
            seen.push(...records.map(({ key }) => text(key)));
            pages.push(records.length);
            more = last?.more === true;
            expect((last?.nextCursor.length ?? 0) > 0).toBe(more);
            cursor = Uint8Array.from(last?.nextCursor ?? []);
          }
          expect(seen).toEqual(reverse ? [...wanted].reverse() : wanted);
          const full = Math.floor((250 - 1) / Number(limit));
          expect(pages).toEqual([...Array<number>(full).fill(Number(limit)), 250 - full * Number(limit)]);
        }
      }
    });

    test("A17: a scan of a range takes its start and leaves its end, and can leave the values out", async (c) => {
      await putAll(c, numbered("a17r/", 30), bytes("a value"));
      const range = { start: bytes("a17r/00010"), end: bytes("a17r/00013") };
      for (const node of c.numbers) {
        const { messages } = await c.node(node).kv.stream("scan", { ...range, keysOnly: true });
        const records = messages.flatMap((message) => message.records);
        expect(records.map(({ key }) => text(key))).toEqual(["a17r/00010", "a17r/00011", "a17r/00012"]);
        expect(records.filter(({ value }) => value.length > 0)).toEqual([]);
        const none = await c.node(node).kv.stream("scan", { prefix: bytes("a17r/none") });
        expect(none.messages.map(({ records: found, more }) => [found.length, more])).toEqual([[0, false]]);
      }
    });

    test("A17: a scan sees one revision, whatever is written while it runs", async (c) => {
      await putAll(c, numbered("a17s/", 300), noise(4096, 1));
      const { kv } = c.node(await c.leader());
      const scanning = c
        .node((await c.followers())[0] as number)
        .kv.stream("scan", { prefix: bytes("a17s/") });
      await Promise.all(numbered("a17s/", 300).map((key) => kv.call("put", { key, value: bytes("new") })));
      const { messages } = await scanning;
      const revision = messages[0]?.header?.revision ?? 0n;
      const records = messages.flatMap((message) => message.records);
      expect(records).toHaveLength(300);
      expect(records.filter(({ modRevision }) => modRevision > revision)).toEqual([]);
      const again = await kv.stream("scan", { prefix: bytes("a17s/"), revision });
      const seen = again.messages.flatMap((message) => message.records);
      expect(seen.map(({ modRevision }) => modRevision)).toEqual(
        records.map(({ modRevision }) => modRevision),
      );
    });

    test("A18: a listing over the limit of a message is streamed in bounded frames, and a batch over it is refused", async (c) => {
      const keys = Array.from({ length: 1200 }, (_, at) => {
        const key = new Uint8Array(4096).fill(0x2f);
        key.set(bytes(`a18/${String(at).padStart(5, "0")}`));
        return key;
      });
      await putAll(c, keys);
      const wanted = keys.map(hex);
      for (const endpoint of [c.node(1), c.node(2), c.node(3), c.gateway()]) {
        const { messages, sizesBytes } = await endpoint.kv.stream("scan", {
          prefix: bytes("a18/"),
          keysOnly: true,
        });
        expect(sizesBytes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(4 * 1024 * 1024);
        expect(Math.max(...sizesBytes)).toBeLessThan(1024 * 1024);
        expect(messages.flatMap(({ records }) => records.map(({ key }) => hex(key)))).toEqual(wanted);
      }
      const some = keys.slice(0, 400);
      const reply = await c.node(1).kv.attempt("batchGet", { keys: [...some, ...some, ...some] });
      expect(reply).toMatchObject({ ok: false, code: "RESOURCE_EXHAUSTED" });
    });
  });
}
