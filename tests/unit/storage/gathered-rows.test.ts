import { expect, test } from "@jest/globals";
import { type ChainedBatch, GatheredRows, type HashSeed, keyHash } from "@quorate/services/storage";
import * as fc from "fast-check";

const SEED: HashSeed = { low: 1, high: 2 };
const EMPTY = Buffer.alloc(0);
const CRC_BYTES = 4;
/** The kind of row. */
const NEWEST = "10";
/** Kind, namespace and generation. */
const PREFIX_BYTES = 9;
/** Beyond it a value lies apart. */
const INLINE_BYTES_MAX = 4096;

/** What LevelDB got, by its keys' bytes in hexadecimal. */
function putBy(rows: GatheredRows): { readonly stored: ReadonlyMap<string, Buffer>; readonly bytes: number } {
  const stored = new Map<string, Buffer>();
  const put = (key: Uint8Array, value: Uint8Array): void => {
    stored.set(Buffer.from(key).toString("hex"), Buffer.from(value));
  };
  const bytes = rows.putInto({ put } as unknown as ChainedBatch);
  return { stored, bytes };
}

const space = fc.record({ namespaceId: fc.integer({ min: 1, max: 2 }), generation: fc.nat(1) });
const length = fc.oneof(fc.constant(20), fc.nat(40), fc.constantFrom(4000, 4082, 4083, 4084, 9000));
const change = fc.tuple(space, fc.uint8Array({ maxLength: 2, max: 3 }), length);
const gathering = fc.array(change, { maxLength: 40 });

test("of each key the last row is known, and given to LevelDB, however often the memory was used before", () => {
  void fc.assert(
    fc.property(
      fc.array(gathering, { maxLength: 3 }),
      fc.constantFrom(1, 3, 2 ** 32),
      (gatherings, hashes) => {
        const rows = new GatheredRows();
        for (const changes of gatherings) {
          const known = new Map<string, Buffer>();
          for (const [time, [of, key, rowBytes]] of changes.entries()) {
            const hash = keyHash(SEED, of, key) % hashes;
            const name = `${of.namespaceId} ${of.generation} ${Buffer.from(key).toString("hex")}`;
            const before = rows.get(hash, of, key);
            const expected = known.get(name);
            expect(before === undefined).toBe(expected === undefined);
            expect(expected?.equals(before?.row ?? EMPTY)).not.toBe(false);
            const row = Buffer.alloc(rowBytes, time + 1);
            rows.set(hash, { kind: "delete", ...of, revision: time, key }, row);
            known.set(name, row);
          }
          const { stored, bytes } = putBy(rows);
          expect(stored.size).toBe(known.size);
          let expectedBytes = 0;
          for (const [name, row] of known) {
            const [namespaceId, generation, key = ""] = name.split(" ");
            const end = `${Number(namespaceId).toString(16).padStart(8, "0")}${Number(generation).toString(16).padStart(8, "0")}${key}`;
            expect(stored.get(`${NEWEST}${end}`)?.subarray(0, -CRC_BYTES).equals(row)).toBe(true);
            expectedBytes += PREFIX_BYTES + key.length / 2 + row.length + CRC_BYTES;
          }
          expect(bytes).toBe(expectedBytes);
          rows.clear();
        }
      },
    ),
  );
});

test("many keys, and then few again", () => {
  const rows = new GatheredRows();
  const of = { namespaceId: 1, generation: 1 };
  for (const count of [3000, 10, 20_000, 3]) {
    const keys = Array.from({ length: count }, (_, at) => Buffer.from(`key-${at}`));
    for (const key of keys) {
      rows.set(keyHash(SEED, of, key), { kind: "delete", ...of, revision: 1, key }, key);
    }
    const found = keys.filter((key) => key.equals(rows.get(keyHash(SEED, of, key), of, key)?.row ?? EMPTY));
    expect(found).toHaveLength(count);
    expect(putBy(rows).stored.size).toBe(count);
    rows.clear();
    expect(rows.get(keyHash(SEED, of, keys[0] as Buffer), of, keys[0] as Buffer)).toBeUndefined();
  }
});

test("a value that lies apart is known with the row, and given to LevelDB also where another took its place", () => {
  const rows = new GatheredRows();
  const of = { namespaceId: 1, generation: 1 };
  const key = Buffer.from("key");
  const hash = keyHash(SEED, of, key);
  const put = (revision: number, value: Buffer): void => {
    const numbers = { valueBytes: value.length, createRevision: 1, modRevision: revision, version: revision };
    const record = { key, value, ...numbers, leaseId: 0 };
    rows.set(hash, { kind: "put", ...of, revision, record }, Buffer.from([revision]));
  };
  const long = Buffer.alloc(INLINE_BYTES_MAX + 1, 7);
  put(1, long);
  expect(rows.get(hash, of, key)?.value).toBe(long);
  put(2, Buffer.from("short"));
  expect(rows.get(hash, of, key)?.value).toBe(null);
  put(3, long);
  expect(rows.get(hash, of, key)?.value).toBe(long);
  expect(rows.get(hash, of, key)?.row).toEqual(new Uint8Array([3]));
  const lengths = [...putBy(rows).stored.values()].map((value) => value.length);
  expect(lengths.sort((left, right) => left - right)).toEqual([
    1 + CRC_BYTES,
    long.length + CRC_BYTES,
    long.length + CRC_BYTES,
  ]);
});
