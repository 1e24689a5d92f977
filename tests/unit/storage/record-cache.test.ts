import { expect, test } from "@jest/globals";
import { type CachedRow, RecordCache } from "@quorate/services/storage";
import * as fc from "fast-check";

const SPACE = { namespaceId: 1, generation: 1 };

function keyOf(at: number): Uint8Array {
  return Buffer.from(`key-${String(at).padStart(12, "0")}`);
}

/** Any that spreads small numbers. */
function hashOf(at: number): number {
  return Math.imul(at + 1, 0x9e3779b1) >>> 0;
}

function rowOf(seed: number, length: number): Uint8Array {
  const row = new Uint8Array(length);
  for (let at = 0; at < length; at += 1) row[at] = seed * 31 + at * 7;
  return row;
}

/** What is held of a row, in memory of its own. */
function held(row: CachedRow | null): Uint8Array | null {
  return row === null ? null : row.memory.slice(row.start, row.start + row.heldBytes);
}

class Cached {
  readonly cache: RecordCache;

  constructor(
    bytesMax: number,
    entryShareMax?: number,
    private readonly hash = hashOf,
  ) {
    this.cache = new RecordCache(bytesMax, entryShareMax);
  }

  set(at: number, row: Uint8Array, space = SPACE): void {
    this.cache.set(this.hash(at), space, keyOf(at), row);
  }

  find(at: number, space = SPACE): CachedRow | null {
    return this.cache.find(this.hash(at), space, keyOf(at));
  }

  peek(at: number): CachedRow | null {
    return this.cache.peek(this.hash(at), SPACE, keyOf(at));
  }

  delete(at: number): void {
    this.cache.delete(this.hash(at), SPACE, keyOf(at));
  }
}

test("as many small rows as the bound has room for are all there, whatever the order of their use", () => {
  const cached = new Cached(18 * 1024 * 1024);
  for (let at = 0; at < 55_000; at += 1) cached.set(at, rowOf(at, 266));
  const isWhole = (_: unknown, at: number): boolean =>
    Buffer.compare(held(cached.find(at)) ?? rowOf(0, 0), rowOf(at, 266)) === 0;
  expect(Array.from({ length: 55_000 }, isWhole).reverse()).not.toContain(false);
  expect(cached.cache.keyCount).toBe(55_000);
});

test("of more keys than there is room for, those in use stay", () => {
  const cached = new Cached(600_000);
  for (let at = 0; at < 50_000; at += 1) {
    cached.set(at, rowOf(at, 100));
    cached.find(at % 100);
  }
  const used = Array.from({ length: 100 }, (_, at) => held(cached.find(at)));
  expect(used).toEqual(Array.from({ length: 100 }, (_, at) => rowOf(at, 100)));
  expect(cached.cache.keyCount).toBeLessThan(4500);
});

test("where all are in use room is made all the same", () => {
  const cached = new Cached(60_000);
  for (let at = 0; at < 5000; at += 1) {
    cached.set(at, rowOf(at, 100));
    cached.find(at);
  }
  expect(held(cached.find(4999))).toEqual(rowOf(4999, 100));
});

test("a key that was looked at, and not for its use, goes when its turn comes", () => {
  const cached = new Cached(60_000);
  cached.set(0, rowOf(0, 100));
  for (let at = 1; cached.peek(0) !== null; at += 1) {
    cached.set(at, rowOf(at, 100));
    expect(at).toBeLessThan(600);
  }
  expect(cached.find(1)).not.toBeNull();
});

test("of a row that is too long its header is kept, and the others stay where they are", () => {
  const cached = new Cached(600_000);
  cached.set(0, rowOf(0, 100));
  cached.set(1, rowOf(1, 200_000));
  const long = cached.find(1);
  expect(long?.rowBytes).toBe(200_000);
  expect(held(long)).toEqual(rowOf(1, 256));
  expect(held(cached.find(0))).toEqual(rowOf(0, 100));
});

test("a key that never was is known as such, and is another in another namespace or generation", () => {
  const cached = new Cached(600_000);
  cached.set(0, rowOf(0, 0));
  cached.set(0, rowOf(1, 10), { namespaceId: 2, generation: 1 });
  cached.set(0, rowOf(2, 20), { namespaceId: 1, generation: 2 });
  expect(cached.find(0)).toMatchObject({ heldBytes: 0, rowBytes: 0 });
  expect(held(cached.find(0, { namespaceId: 2, generation: 1 }))).toEqual(rowOf(1, 10));
  expect(held(cached.find(0, { namespaceId: 1, generation: 2 }))).toEqual(rowOf(2, 20));
  expect(cached.find(0, { namespaceId: 2, generation: 2 })).toBeNull();
});

test.each([3, 64, 65, 300])(
  "keys of %i bytes that share a hash are told apart by each of their bytes",
  (length) => {
    const cache = new RecordCache(600_000);
    const keys = Array.from({ length: length + 1 }, (_, at) => new Uint8Array(length).fill(1, at, at + 1));
    for (const [at, key] of keys.entries()) cache.set(7, SPACE, key, rowOf(at, 10));
    expect(keys.map((key) => held(cache.find(7, SPACE, key.slice())))).toEqual(
      keys.map((_, at) => rowOf(at, 10)),
    );
    expect(cache.find(7, SPACE, new Uint8Array(length).fill(2))).toBeNull();
  },
);

test("a cache without room holds nothing", () => {
  const cached = new Cached(0);
  cached.set(0, rowOf(0, 10));
  cached.delete(0);
  expect(cached.find(0)).toBeNull();
  expect(cached.cache.keyCount).toBe(0);
});

/** What is said of a key whose row was set: of a long one the beginning at least. */
function asCached(at: number, row: Uint8Array = rowOf(0, 0), heldBytes = 0): readonly unknown[] {
  return [at, row.length, textOf(row.subarray(0, Math.max(heldBytes, Math.min(256, row.length))))];
}

/** Jest compares texts a hundred times as fast as bytes. */
function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString("hex");
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("set"), at: fc.nat(60), length: fc.nat(120) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("set"), at: fc.nat(60), length: fc.nat(1500) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("find"), at: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete"), at: fc.nat(60) }) },
);

const hashes = {
  spread: hashOf,
  "the same for all": () => 0xffffffff,
  "the same for every third, and each beside the next": (at: number) => (0xfffffff8 + (at % 3)) >>> 0,
};

test.each(Object.entries(hashes))(
  "what is cached is what was set last, however little room there is, by hashes that are %s",
  (_, hash) => {
    void fc.assert(
      fc.property(
        fc.array(step, { maxLength: 600, size: "max" }),
        // 4, 12 and 40 rows, about, and all of them.
        fc.constantFrom(512, 1500, 5000, 1_000_000),
        (steps, bytesMax) => {
          const cached = new Cached(bytesMax, 1 / 2, hash);
          const known = new Map<number, Uint8Array>();
          for (const [time, taken] of steps.entries()) {
            if ("length" in taken) {
              const row = rowOf(time, taken.length);
              cached.set(taken.at, row);
              known.set(taken.at, row);
            } else if (taken.kind === "delete") {
              cached.delete(taken.at);
              known.delete(taken.at);
              if (cached.peek(taken.at) !== null) throw new Error(`${taken.at} was deleted and is there`);
            } else cached.find(taken.at);
          }
          const keys = Array.from({ length: 61 }, (_, at) => at).filter((at) => cached.peek(at) !== null);
          const rows = keys.map((at) => [at, cached.peek(at)?.rowBytes, textOf(held(cached.peek(at)))]);
          expect(rows).toEqual(keys.map((at) => asCached(at, known.get(at), cached.peek(at)?.heldBytes)));
          expect(cached.cache.keyCount).toBe(keys.length);
        },
      ),
    );
  },
);

test("what has room stays: all keys of a run that fits are there at its end", () => {
  void fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: "max" }), (steps) => {
      const cached = new Cached(2_000_000);
      const known = new Set<number>();
      for (const taken of steps) {
        if ("length" in taken) cached.set(taken.at, rowOf(taken.at, taken.length));
        if ("length" in taken) known.add(taken.at);
        if (taken.kind === "delete") cached.delete(taken.at);
        if (taken.kind === "delete") known.delete(taken.at);
      }
      expect(cached.cache.keyCount).toBe(known.size);
      expect([...known].filter((at) => cached.peek(at) === null)).toEqual([]);
    }),
  );
});
