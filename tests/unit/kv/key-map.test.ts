import { describe, expect, test } from "@jest/globals";
import { byteKey, KeyMap } from "@quorate/services/kv";
import fc from "fast-check";

const keys = fc.oneof(
  fc.uint8Array({ maxLength: 3 }),
  // Words and what is left of one, that differ in one byte.
  fc.tuple(fc.nat(9), fc.nat(9)).map(([length, at]) => new Uint8Array(length).fill(7).fill(8, at, at + 1)),
);

const HASHES = [
  { what: "the hash of its own", of: undefined },
  { what: "a hash that many keys share", of: (key: Uint8Array) => key.length & 1 },
  { what: "one hash for all keys", of: () => 0 },
];

describe("a map by the bytes of keys", () => {
  test.each(HASHES)("is a map of their texts, with $what", ({ of }) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(keys, fc.option(fc.nat())), { maxLength: 60 }), (steps) => {
        const map = new KeyMap<number>(of);
        const model = new Map<string, number>();
        for (const [key, value] of steps) {
          expect(map.get(key)).toBe(model.get(byteKey(key)));
          if (value === null) continue;
          map.set(key, value);
          model.set(byteKey(key), value);
          // Another array of the same bytes.
          expect(map.get(key.slice())).toBe(value);
        }
        expect([...map.values()].sort()).toEqual([...model.values()].sort());
        map.clear();
        for (const [key] of steps) expect(map.get(key)).toBeUndefined();
        expect([...map.values()]).toEqual([]);
      }),
    );
  });
});
