import { describe, expect, test } from "@jest/globals";
import { PutRequest, ScanRequest } from "@quorate/proto/kv";
import { isWellFormedMessage } from "@quorate/services/rpc";
import fc from "fast-check";

describe("a well-formed message", () => {
  test.each([
    ["no fields", "", true],
    ["a varint", "5001", true],
    ["a varint of ten bytes", "50ffffffffffffffffff01", true],
    ["a length", "1203616263", true],
    ["fixed 64 and fixed 32 bits", "090102030405060708150a0b0c0d", true],
    ["the largest field number", "f8ffffff0f01", true],
    ["a tag without end", "ff", false],
    ["a varint without end", "50ff", false],
    ["a varint of eleven bytes", "50ffffffffffffffffffff01", false],
    ["a length beyond the end", "120461", false],
    ["a length of nearly 4 GiB", "12ffffffff0f", false],
    ["fixed 64 bits cut short", "0901", false],
    ["fixed 32 bits cut short", "1501", false],
    ["a tag of 0", "00", false],
    ["a field number of 0", "020161", false],
    ["a field number above all", "f8ffffff1f01", false],
    ["the end of a group", "0c", false],
    ["wire type 6", "0e", false],
    ["wire type 7", "0f", false],
    ["a tag of 0 behind a field", "500100", false],
  ])("%s: %s is %s", (_what, hex, expected) => {
    expect(isWellFormedMessage(Buffer.from(hex, "hex"))).toBe(expected);
  });

  test("is whatever the generated code encodes", () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    fc.assert(
      fc.property(bytes, bytes, int64, fc.boolean(), (key, value, number, flag) => {
        const put = {
          ...PutRequest.decode(new Uint8Array()),
          key,
          value,
          leaseId: number,
          returnPrevious: flag,
        };
        expect(isWellFormedMessage(PutRequest.encode(put as PutRequest).finish())).toBe(true);
        const scan = { ...ScanRequest.decode(new Uint8Array()), start: key, limit: number, reverse: flag };
        expect(isWellFormedMessage(ScanRequest.encode(scan as ScanRequest).finish())).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
