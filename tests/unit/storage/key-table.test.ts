import { expect, test } from "@jest/globals";
import { type HashSeed, KeyTable, keyHash } from "@quorate/services/storage";
import * as fc from "fast-check";

const SPACE = { namespaceId: 1, generation: 1 };
const SEED: HashSeed = { low: 1, high: 2 };

/** The words that HalfSipHash-1-3 is of, as the kernel of Linux has it: lib/siphash.c, hsiphash on 32-bit machines. */
function reference(seed: HashSeed, message: Uint8Array): number {
  const v = [seed.low, seed.high, 0x6c796765 ^ seed.low, 0x74656462 ^ seed.high].map((word) => word >>> 0);
  const rotated = (word: number, by: number): number => ((word << by) | (word >>> (32 - by))) >>> 0;
  const add = (to: number, from: number): void => {
    v[to] = ((v[to] as number) + (v[from] as number)) >>> 0;
  };
  const mix = (at: number, by: number, into: number): void => {
    v[at] = (rotated(v[at] as number, by) ^ (v[into] as number)) >>> 0;
  };
  const round = (): void => {
    add(0, 1);
    mix(1, 5, 0);
    v[0] = rotated(v[0] as number, 16);
    add(2, 3);
    mix(3, 8, 2);
    add(0, 3);
    mix(3, 7, 0);
    add(2, 1);
    mix(1, 13, 2);
    v[2] = rotated(v[2] as number, 16);
  };
  const padded = Buffer.alloc((Math.floor(message.length / 4) + 1) * 4);
  padded.set(message);
  padded[padded.length - 1] = message.length & 0xff;
  for (let at = 0; at < padded.length; at += 4) {
    const word = padded.readUInt32LE(at);
    v[3] = ((v[3] as number) ^ word) >>> 0;
    round();
    v[0] = ((v[0] as number) ^ word) >>> 0;
  }
  v[2] = ((v[2] as number) ^ 0xff) >>> 0;
  for (let left = 3; left > 0; left -= 1) round();
  return ((v[1] as number) ^ (v[3] as number)) >>> 0;
}

const word = fc.integer({ min: 0, max: 0xffffffff });

test("the hash of a key is HalfSipHash-1-3 of its namespace, generation and bytes", () => {
  void fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      word,
      word,
      word,
      word,
      (key, low, high, namespaceId, generation) => {
        const message = Buffer.alloc(8 + key.length);
        message.writeUInt32LE(namespaceId, 0);
        message.writeUInt32LE(generation, 4);
        message.set(key, 8);
        const seed = { low, high };
        expect(keyHash(seed, { namespaceId, generation }, key)).toBe(reference(seed, message));
      },
    ),
  );
});

test("another seed gives other hashes, so that which keys collide cannot be known", () => {
  const keys = Array.from({ length: 2000 }, (_, at) => Buffer.from(`key-${at}`));
  const slots = (seed: HashSeed): number[] => keys.map((key) => keyHash(seed, SPACE, key) % 64);
  const others = slots({ low: 3, high: 2 });
  const same = slots(SEED).filter((slot, at) => slot === others[at]);
  expect(same.length).toBeLessThan(100);
});

test("a table of keys is as a map from them, by whatever hashes", () => {
  const space = fc.record({ namespaceId: fc.nat(1), generation: fc.nat(1) });
  const entry = fc.tuple(space, fc.uint8Array({ maxLength: 2, max: 3 }));
  void fc.assert(
    fc.property(fc.array(entry, { maxLength: 300 }), fc.constantFrom(1, 3, 2 ** 32), (entries, hashes) => {
      const table = new KeyTable<number>();
      const known = new Map<string, number>();
      for (const [time, [in_, key]] of entries.entries()) {
        const hash = keyHash(SEED, in_, key) % hashes;
        const name = `${in_.namespaceId} ${in_.generation} ${key.join()}`;
        expect(table.get(hash, in_, key)).toBe(known.get(name));
        table.set(hash, in_, key, time);
        known.set(name, time);
      }
      expect(table.values).toEqual([...known.values()]);
    }),
  );
});
