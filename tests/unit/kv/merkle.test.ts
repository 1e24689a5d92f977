import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import {
  MerkleBuilder,
  type MerkleDigest,
  type MerkleLeaf,
  merkleRoot,
  prefixRange,
  rangeContains,
} from "@quorate/services/kv";
import { AssertionError, compareBytes, hexEncode, utf8Encode } from "@quorate/services/std";
import fc from "fast-check";

const digest: MerkleDigest = { sha256: (parts) => sha256(...parts) };

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

function leaf(key: string, value: string): MerkleLeaf {
  return { key: utf8Encode(key), value: utf8Encode(value) };
}

/** The definition, level by level, with a Buffer built by hand for each leaf. */
function rootByLevels(leaves: readonly MerkleLeaf[]): Uint8Array {
  let level = leaves.map(({ key, value }) => {
    const lengths = Buffer.alloc(8);
    lengths.writeUInt32BE(key.length, 0);
    lengths.writeUInt32BE(value.length, 4);
    return sha256(Buffer.concat([lengths.subarray(0, 4), key, lengths.subarray(4), value]));
  });
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let at = 0; at < level.length; at += 2) {
      const [left, right] = level.slice(at, at + 2) as [Uint8Array, Uint8Array | undefined];
      above.push(right === undefined ? left : sha256(Buffer.concat([left, right])));
    }
    level = above;
  }
  return level[0] ?? new Uint8Array(32);
}

function sorted(leaves: Iterable<MerkleLeaf>): MerkleLeaf[] {
  return [...leaves].sort((left, right) => compareBytes(left.key, right.key));
}

const LEAVES = [leaf("a", "1"), leaf("b", ""), leaf("c", "3"), leaf("d", "four")];

const leavesOf = fc.uniqueArray(
  fc.record({ key: fc.uint8Array({ minLength: 1, maxLength: 6 }), value: fc.uint8Array({ maxLength: 6 }) }),
  { selector: ({ key }) => hexEncode(key), maxLength: 40 },
);

describe("the plain Merkle tree", () => {
  test.each([
    { count: 0, root: "0000000000000000000000000000000000000000000000000000000000000000" },
    { count: 1, root: "4ba9bdecd6b287135f7d4ca5a577b2b657309c6cb5c3321c96d345bffdf78f72" },
    { count: 2, root: "a4de4465edf5e587b33f50eaf6f71ed23a7bdcd06ca8a3829f66c46613afa992" },
    { count: 3, root: "960ba1875bb6b06fb51e68fde733984ef8e5a09c1fe9cfbd8c34903fd9456ec8" },
    { count: 4, root: "df2cd84711aa0e3206544fae800c1cd206e55cd3493fc2b59ddb6c561f471b87" },
  ])("H1: the root of $count leaves is the golden one, and the one by the definition", ({ count, root }) => {
    const leaves = LEAVES.slice(0, count);
    expect(hexEncode(merkleRoot(digest, leaves))).toBe(root);
    expect(hexEncode(rootByLevels(leaves))).toBe(root);
  });

  test("H1: three leaves are hashed as named: the third moves up without a sibling", () => {
    const [a, b, c] = [
      sha256(Buffer.from("\x00\x00\x00\x01a\x00\x00\x00\x011", "latin1")),
      sha256(Buffer.from("\x00\x00\x00\x01b\x00\x00\x00\x00", "latin1")),
      sha256(Buffer.from("\x00\x00\x00\x01c\x00\x00\x00\x013", "latin1")),
    ];
    expect(merkleRoot(digest, LEAVES.slice(0, 3))).toEqual(sha256(sha256(a, b), c));
  });

  test("H1: adding leaf by leaf gives at each step the root of the definition", () => {
    fc.assert(
      fc.property(leavesOf, (unsorted) => {
        const leaves = sorted(unsorted);
        const builder = new MerkleBuilder(digest);
        for (const [at, { key, value }] of leaves.entries()) {
          builder.add(key, value);
          expect(builder.count).toBe(at + 1);
          expect(builder.root()).toEqual(rootByLevels(leaves.slice(0, at + 1)));
        }
      }),
    );
  });

  test("H1: lengths take four bytes, the highest first", () => {
    const key = new Uint8Array(0x0102).fill(7);
    const value = new Uint8Array(0x01020304).fill(9);
    expect(merkleRoot(digest, [{ key, value }])).toEqual(
      sha256(Uint8Array.of(0, 0, 1, 2), key, Uint8Array.of(1, 2, 3, 4), value),
    );
  });

  test.each([
    { keys: ["b", "a"], what: "falling" },
    { keys: ["a", "a"], what: "equal" },
    { keys: ["ab", "a"], what: "a prefix later" },
  ])("H1: keys that do not ascend are our own bug: $what", ({ keys }) => {
    expect(() =>
      merkleRoot(
        digest,
        keys.map((key) => leaf(key, "")),
      ),
    ).toThrow(AssertionError);
  });

  test("H2: the order of insertion does not matter", () => {
    fc.assert(
      fc.property(
        leavesOf.chain((leaves) =>
          fc.tuple(
            fc.constant(leaves),
            fc.shuffledSubarray(leaves, { minLength: leaves.length, maxLength: leaves.length }),
          ),
        ),
        ([leaves, shuffled]) => {
          expect(merkleRoot(digest, sorted(shuffled))).toEqual(merkleRoot(digest, sorted(leaves)));
        },
      ),
    );
  });

  test("H2: the border between key and value counts", () => {
    expect(merkleRoot(digest, [leaf("a:", "b")])).not.toEqual(merkleRoot(digest, [leaf("a", ":b")]));
  });

  test("H2: a key that is removed and inserted again restores the root", () => {
    const without = merkleRoot(
      digest,
      LEAVES.filter(({ key }) => key !== LEAVES[1]?.key),
    );
    const again = merkleRoot(digest, LEAVES);
    expect(without).not.toEqual(again);
    expect(merkleRoot(digest, sorted([...LEAVES.slice(2), ...LEAVES.slice(0, 2)]))).toEqual(again);
  });

  test("H3: the root under a prefix changes only with a key under that prefix", () => {
    const rootUnder = (prefix: string, leaves: readonly MerkleLeaf[]): string =>
      hexEncode(
        merkleRoot(
          digest,
          leaves.filter(({ key }) => rangeContains(prefixRange(utf8Encode(prefix)), key)),
        ),
      );
    const before = [leaf("a/1", "x"), leaf("a/2", "x"), leaf("b/1", "x")];
    const changedUnderB = [leaf("a/1", "x"), leaf("a/2", "x"), leaf("b/1", "y"), leaf("b/2", "x")];
    const changedUnderA = [leaf("a/1", "x"), leaf("a/2", "y"), leaf("b/1", "x")];
    expect(rootUnder("a/", changedUnderB)).toBe(rootUnder("a/", before));
    expect(rootUnder("b/", changedUnderB)).not.toBe(rootUnder("b/", before));
    expect(rootUnder("a/", changedUnderA)).not.toBe(rootUnder("a/", before));
    expect(rootUnder("b/", changedUnderA)).toBe(rootUnder("b/", before));
  });

  test("H3: the root of no keys is 32 zero bytes, and no key's own", () => {
    expect(merkleRoot(digest, [])).toEqual(new Uint8Array(32));
    expect(merkleRoot(digest, [leaf("a", "")])).not.toEqual(new Uint8Array(32));
  });
});
