import { describe, expect, test } from "@jest/globals";
import { bytesEqual, compareBytes, concatBytes, hexDecode, hexEncode } from "@quorate/services/std";
import fc from "fast-check";

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

describe("bytes", () => {
  test.each([
    [[], [], 0],
    [[], [0], -1],
    [[1], [1, 0], -1],
    [[0x7f], [0x80], -1],
    [[2], [1, 255], 1],
    [[1, 2], [1, 2], 0],
  ])("%j and %j are ordered: %d", (left, right, expected) => {
    expect(Math.sign(compareBytes(bytes(...left), bytes(...right)))).toBe(expected);
    expect(bytesEqual(bytes(...left), bytes(...right))).toBe(expected === 0);
  });

  test("are ordered as Node orders them", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (left, right) => {
        expect(Math.sign(compareBytes(left, right))).toBe(Buffer.compare(left, right));
      }),
    );
  });

  test("are joined in order", () => {
    expect(concatBytes([bytes(1), bytes(), bytes(2, 3)])).toEqual(bytes(1, 2, 3));
    expect(concatBytes([])).toEqual(bytes());
  });

  test("survive hexadecimal", () => {
    expect(hexEncode(bytes(0, 15, 255))).toBe("000fff");
    fc.assert(fc.property(fc.uint8Array(), (all) => expect(hexDecode(hexEncode(all))).toEqual(all)));
    expect(hexDecode("0A")).toEqual(bytes(10));
  });

  test.each(["0", "0g", "0x00", " 00"])("are not read from %j", (text) => {
    expect(hexDecode(text)).toBeNull();
  });
});
