import { describe, expect, test } from "@jest/globals";
import { byteKey, prefixEnd, prefixRange, rangeContains, rangeIsEmpty } from "@quorate/services/kv";
import { compareBytes, compareStrings, hexDecode, hexEncode } from "@quorate/services/std";
import fc from "fast-check";

const bytes = fc.uint8Array({ maxLength: 4 });
/** Bytes at the borders, where a carry or an end goes wrong. */
const edgy = fc
  .array(fc.constantFrom(0x00, 0x01, 0x7f, 0xfe, 0xff), { maxLength: 4 })
  .map((list) => Uint8Array.from(list));
const any = fc.oneof(bytes, edgy);

describe("key ranges", () => {
  test.each([
    { prefix: "", end: null },
    { prefix: "61", end: "62" },
    { prefix: "6162", end: "6163" },
    { prefix: "61ff", end: "62" },
    { prefix: "61ffff", end: "62" },
    { prefix: "00", end: "01" },
    { prefix: "fe", end: "ff" },
    { prefix: "ff", end: null },
    { prefix: "ffffff", end: null },
  ])("the end of prefix '$prefix' is $end", ({ prefix, end }) => {
    const found = prefixEnd(hexDecode(prefix) as Uint8Array);
    expect(found === null ? null : hexEncode(found)).toBe(end);
  });

  test("the prefix stays as it is, also where its slice() would be a view", () => {
    const prefix = Buffer.from("6162", "hex");
    expect(hexEncode(prefixEnd(prefix) as Uint8Array)).toBe("6163");
    expect(hexEncode(prefix)).toBe("6162");
  });

  test("a prefix range holds exactly the keys that begin with it", () => {
    fc.assert(
      fc.property(any, any, (prefix, key) => {
        const begins = hexEncode(key).startsWith(hexEncode(prefix));
        expect(rangeContains(prefixRange(prefix), key)).toBe(begins);
      }),
      { numRuns: 800 },
    );
  });

  test("a range is empty when no key can be in it", () => {
    fc.assert(
      fc.property(any, any, any, (start, end, key) => {
        const range = { start, end };
        expect(rangeIsEmpty(range)).toBe(compareBytes(start, end) >= 0);
        expect(rangeContains(range, key) && rangeIsEmpty(range)).toBe(false);
        expect(rangeContains(range, start)).toBe(!rangeIsEmpty(range));
        expect(rangeIsEmpty({ start, end: null })).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});

describe("byteKey", () => {
  test("is equal for equal bytes only, and orders as the bytes do", () => {
    fc.assert(
      fc.property(any, any, (left, right) => {
        expect(Math.sign(compareStrings(byteKey(left), byteKey(right)))).toBe(
          Math.sign(compareBytes(left, right)),
        );
      }),
      { numRuns: 800 },
    );
  });

  test.each([0, 1, 4095, 4096, 4097, 100_000])("takes one unit a byte of %d", (length) => {
    const key = Uint8Array.from({ length }, (_, at) => at % 256);
    const text = byteKey(key);
    expect(text).toHaveLength(length);
    expect(Buffer.from(text, "latin1").equals(key)).toBe(true);
  });
});
