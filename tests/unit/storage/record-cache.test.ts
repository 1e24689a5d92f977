import { expect, test } from "@jest/globals";
import { type CachedKey, RecordCache } from "@quorate/services/storage";
import * as fc from "fast-check";

function keyOf(modRevision: number, valueBytes: number): CachedKey {
  return { modRevision, isThere: true, valueBytes, createRevision: 1, version: 1, leaseId: 0 };
}

function bytesOf(seed: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (seed * 31 + at * 7) % 256);
}

function nameOf(at: number): string {
  return `key-${String(at).padStart(12, "0")}`;
}

test("the values of as many small records as the bound has room for are all there, whatever the order of their use", () => {
  const cache = new RecordCache(18 * 1024 * 1024);
  for (let at = 0; at < 20_000; at += 1) cache.set(nameOf(at), keyOf(at + 1, 256), bytesOf(at, 256));
  const isThere = (_: unknown, at: number): boolean => cache.value(nameOf(at))?.length === 256;
  expect(Array.from({ length: 20_000 }, isThere).reverse()).not.toContain(false);
});

test("of more keys than there is room for, those in use stay", () => {
  const cache = new RecordCache(600_000);
  const used = Array.from({ length: 100 }, (_, at) => nameOf(at));
  for (const [at, name] of used.entries()) cache.set(name, keyOf(at + 1, 100), bytesOf(at, 100));
  for (let at = 100; at < 50_000; at += 1) {
    cache.set(nameOf(at), keyOf(at + 1, 100), bytesOf(at, 100));
    const name = used[at % used.length] as string;
    cache.get(name);
    cache.value(name);
  }
  expect(used.filter((name) => cache.value(name) !== undefined)).toHaveLength(100);
  expect(cache.keyCount).toBeLessThan(2000);
});

test("a value that is larger than all room for values leaves the others where they are", () => {
  const cache = new RecordCache(300_000);
  cache.set("small", keyOf(1, 3), bytesOf(1, 3));
  cache.set("large", keyOf(2, 200_000), new Uint8Array(200_000));
  expect(cache.get("large")?.modRevision).toBe(2);
  expect(cache.value("large")).toBeUndefined();
  expect(cache.value("small")).toEqual(Buffer.from(bytesOf(1, 3)));
});

test("what is cached is what was set last, however little room there is and however large the values are", () => {
  const lengths = fc.constantFrom(0, 1, 200, 1024, 1025, 5000);
  const step = fc.oneof(
    fc.record({ kind: fc.constant("set"), at: fc.nat(30), length: fc.option(lengths) }),
    fc.record({ kind: fc.constant("get"), at: fc.nat(30) }),
    fc.record({ kind: fc.constant("delete"), at: fc.nat(30) }),
  );
  void fc.assert(
    fc.property(
      fc.array(step, { maxLength: 200 }),
      fc.constantFrom(1000, 8000, 1_000_000),
      (steps, bytesMax) => {
        const cache = new RecordCache(bytesMax);
        const known = new Map<string, { key: CachedKey; value: Uint8Array | null }>();
        for (const [time, taken] of steps.entries()) {
          const name = nameOf(taken.at);
          if ("length" in taken) {
            const value = taken.length === null ? null : bytesOf(time, taken.length);
            const key = keyOf(time + 1, value?.length ?? 0);
            cache.set(name, key, value);
            known.set(name, { key, value });
          } else if (taken.kind === "delete") {
            cache.delete(name);
            known.delete(name);
          }
          const cached = cache.get(name);
          const value = cache.value(name);
          expect(cached ?? known.get(name)?.key).toEqual(known.get(name)?.key);
          if (value !== undefined) {
            expect(cached).toBeDefined();
            expect(Buffer.from(value)).toEqual(Buffer.from(known.get(name)?.value ?? []));
          }
        }
        expect(cache.keyCount).toBeLessThanOrEqual(31);
      },
    ),
  );
});
