import { describe, expect, test } from "@jest/globals";
import { utf8Decode, utf8Encode } from "@quorate/services/std";
import fc from "fast-check";

describe("UTF-8", () => {
  test("is written as the platform writes it, lone surrogates included", () => {
    const encoder = new TextEncoder();
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) =>
        expect(utf8Encode(text)).toEqual(encoder.encode(text)),
      ),
      { seed: 1, numRuns: 500 },
    );
    for (const text of ["", "é€😀", "a\ud800b", "\udc00", "\ud83d"]) {
      expect(utf8Encode(text)).toEqual(encoder.encode(text));
    }
  });

  test("is read as a strict platform reads it, or refused", () => {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const platform = (bytes: Uint8Array): string | null => {
      try {
        return decoder.decode(bytes);
      } catch {
        return null;
      }
    };
    const lead = fc.constantFrom(0x41, 0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff);
    const random = fc.array(fc.oneof(lead, fc.integer({ min: 0x80, max: 0xbf })), { maxLength: 8 });
    fc.assert(
      fc.property(random, (values) => {
        const bytes = Uint8Array.from(values);
        expect(utf8Decode(bytes)).toBe(platform(bytes));
      }),
      { seed: 2, numRuns: 3_000 },
    );
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => expect(utf8Decode(utf8Encode(text))).toBe(text)),
      { seed: 3 },
    );
  });
});
