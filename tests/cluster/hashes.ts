import { createHash } from "node:crypto";
import { describe, expect } from "@jest/globals";
import { type BareEndpoint, bytes, type FileCluster, hex, noise, type TestCluster } from "#support";

interface Pair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** The root as the contract words it, level by level: nothing of the product's own code. */
function merkleRoot(pairs: readonly Pair[]): string {
  const sorted = [...pairs].sort((a, b) => Buffer.compare(a.key, b.key));
  let level = sorted.map(({ key, value }) => sha256(uint32(key.length), key, uint32(value.length), value));
  if (level.length === 0) return "00".repeat(32);
  while (level.length > 1) {
    const above: Buffer[] = [];
    for (let at = 0; at < level.length; at += 2) {
      const [left, right] = level.slice(at, at + 2) as [Buffer, Buffer?];
      above.push(right === undefined ? left : sha256(left, right));
    }
    level = above;
  }
  return hex(level[0] as Buffer);
}

function sha256(...parts: Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function uint32(number: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(number);
  return buffer;
}

function pair(key: string, value: string): Pair {
  return { key: bytes(key), value: bytes(value) };
}

/** The hash of a prefix on one node's own store. */
async function hashOn(c: TestCluster, node: number, prefix: string, revision = 0n): Promise<string> {
  const reply = await c.node(node).admin.call("hash", { prefix: bytes(prefix), revision });
  expect(reply.memberId).toBe(`n${node}`);
  return hex(reply.root);
}

/** The hash of a prefix, which is the same on each node at the newest revision. */
async function hashEverywhere(c: TestCluster, prefix: string): Promise<string> {
  const roots = await Promise.all(c.numbers.map((node) => hashOn(c, node, prefix)));
  expect(new Set(roots).size).toBe(1);
  return roots[0] as string;
}

async function putPairs({ kv }: BareEndpoint, pairs: readonly Pair[]): Promise<void> {
  for (const { key, value } of pairs) await kv.call("put", { key, value });
}

/** Computed once with another program (Python's hashlib) from the pairs h1/k0 = v0, h1/k1 = v1, … */
const GOLDEN = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "25275710b90306b89294403f1a22ab1bef3ad2167a7b74533b1e639f8e859c89",
  "eb6f47db73b283d66179dab95e3e76d58d4b44f0264829166ee22e914b79727c",
  "9e9f16c1847a368df531741aeeb9c1aeab30d33f5108988c2e0d4a008678ae18",
  "415731869b44491903e219923c461ee06b61e026109ec6f5cda965e1c93b425a",
];

/** The Merkle root of a cluster, and of a prefix. */
export function hashes({ test }: FileCluster): void {
  describe("the hash of a cluster", () => {
    test("H1: golden vectors of 0 to 4 leaves hold on each node", async (c) => {
      const written: Pair[] = [];
      for (const [count, root] of GOLDEN.entries()) {
        expect(await hashEverywhere(c, "h1/")).toBe(root);
        expect(merkleRoot(written)).toBe(root);
        const next = pair(`h1/k${count}`, `v${count}`);
        await putPairs(c.gateway(), [next]);
        written.push(next);
      }
    });

    test("H1: it equals an independent computation for sets of many sizes, keys and values", async (c) => {
      for (const count of [5, 6, 7, 8, 9, 31, 64, 100]) {
        const prefix = `h1s/${count}/`;
        const pairs = Array.from({ length: count }, (_, at) => ({
          key: Uint8Array.of(...bytes(prefix), ...noise(1 + (at % 40), at), at),
          value: noise(at % 7 === 0 ? 0 : at * 3, at),
        }));
        await Promise.all(
          pairs.map(({ key, value }, at) => c.node((at % 3) + 1).kv.call("put", { key, value })),
        );
        expect(await hashEverywhere(c, prefix)).toBe(merkleRoot(pairs));
        const reply = await c.gateway().admin.call("hash", { prefix: bytes(prefix) });
        expect(reply.count).toBe(BigInt(count));
      }
    });

    test("H1: the hash of everything covers every key", async (c) => {
      const { messages } = await c.node(2).kv.stream("scan", {});
      const pairs = messages.flatMap(({ records }) => records);
      expect(await hashEverywhere(c, "")).toBe(merkleRoot(pairs));
      expect((await c.agree()).count).toBe(pairs.length);
    });

    test("H2: the order of insertion does not matter, and a removed and re-inserted key restores the root", async (c) => {
      const pairs = Array.from({ length: 21 }, (_, at) =>
        pair(`h2/${String(at).padStart(2, "0")}`, `value ${at}`),
      );
      await putPairs(c.node(1), pairs);
      const root = await hashEverywhere(c, "h2/");
      expect(root).toBe(merkleRoot(pairs));
      await c.node(2).kv.call("delete", { key: bytes("h2/07") });
      const without = await hashEverywhere(c, "h2/");
      expect(without).toBe(merkleRoot(pairs.filter((_, at) => at !== 7)));
      expect(without).not.toBe(root);
      await putPairs(c.node(3), [pairs[7] as Pair]);
      expect(await hashEverywhere(c, "h2/")).toBe(root);
      await c.node(1).kv.call("deleteRange", { prefix: bytes("h2/") });
      expect(await hashEverywhere(c, "h2/")).toBe("00".repeat(32));
      await putPairs(c.node(2), [...pairs].reverse());
      expect(await hashEverywhere(c, "h2/")).toBe(root);
    });

    test("H2: where the key ends and the value begins matters", async (c) => {
      const { kv } = c.node(1);
      const roots: string[] = [];
      for (const [key, value] of [
        ["a:", "b"],
        ["a", ":b"],
        ["a:b", ""],
      ] as const) {
        await putPairs(c.node(1), [pair(`h2b/${key}`, value)]);
        roots.push(await hashEverywhere(c, "h2b/"));
        await kv.call("deleteRange", { prefix: bytes("h2b/") });
      }
      expect(new Set(roots).size).toBe(3);
      const nested: string[] = [];
      for (const pairs of [
        [pair("h2c/x", "1"), pair("h2c/y", "2")],
        [pair("h2c/x", "12")],
        [pair("h2c/y", "12")],
      ]) {
        await putPairs(c.node(2), pairs);
        nested.push(await hashEverywhere(c, "h2c/"));
        await kv.call("deleteRange", { prefix: bytes("h2c/") });
      }
      expect(new Set(nested).size).toBe(3);
    });

    test("H3: the hash of a prefix changes only when that prefix changes", async (c) => {
      const names = ["h3/a/", "h3/b/", "h3/b", "h3/\u00ff/"];
      await putPairs(c.node(1), [
        pair("h3/a/1", "1"),
        pair("h3/b/1", "1"),
        pair("h3/bc", "1"),
        pair("h3/\u00ff/1", "1"),
      ]);
      const hashes = () => Promise.all(names.map((name) => hashEverywhere(c, name)));
      const first = await hashes();
      expect(new Set(first).size).toBe(4);
      await putPairs(c.node(2), [pair("h3/a/2", "2")]);
      const second = await hashes();
      expect(second.map((root, at) => root === first[at])).toEqual([false, true, true, true]);
      await putPairs(c.node(3), [pair("h3/b/1", "changed")]);
      const third = await hashes();
      expect(third.map((root, at) => root === second[at])).toEqual([true, false, false, true]);
      await c.node(1).kv.call("delete", { key: bytes("h3/bc") });
      const fourth = await hashes();
      expect(fourth.map((root, at) => root === third[at])).toEqual([true, true, false, true]);
      await putPairs(c.node(1), [pair("h3/c", "elsewhere")]);
      expect(await hashes()).toEqual(fourth);
    });

    test("H3: the hash of no keys is 32 zero bytes, and a past revision has the hash it had then", async (c) => {
      expect(await hashEverywhere(c, "h3/nothing/")).toBe("00".repeat(32));
      const past: { revision: bigint; root: string }[] = [];
      for (let at = 0; at < 5; at += 1) {
        const { header } = await c
          .gateway()
          .kv.call("put", { key: bytes(`h3p/${at % 3}`), value: bytes(`${at}`) });
        past.push({ revision: header?.revision ?? 0n, root: await hashEverywhere(c, "h3p/") });
      }
      expect(new Set(past.map(({ root }) => root)).size).toBe(5);
      for (const node of c.numbers) {
        for (const { revision, root } of past) expect(await hashOn(c, node, "h3p/", revision)).toBe(root);
      }
    });
  });
}
