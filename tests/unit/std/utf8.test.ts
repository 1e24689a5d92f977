import { describe, expect, test } from "@jest/globals";
import { utf8Decode, utf8Encode } from "@quorate/services/std";
import fc from "fast-check";

/** Of one, two and three bytes, halves of pairs among them; all that fast-check itself can draw takes seconds to set up. */
const unit = fc.oneof(
  fc.integer({ min: 0, max: 0x7f }),
  fc.integer({ min: 0x80, max: 0x7ff }),
  fc.integer({ min: 0x800, max: 0xffff }),
  fc.integer({ min: 0xd800, max: 0xdbff }),
  fc.integer({ min: 0xdc00, max: 0xdfff }),
);
const anyText = fc.array(unit, { maxLength: 12 }).map((units) => String.fromCharCode(...units));
const wellFormed = fc
  .array(fc.oneof(unit, fc.integer({ min: 0x10000, max: 0x10ffff })), { maxLength: 12 })
  .map((points) => points.filter((point) => point < 0xd800 || point > 0xdfff))
  .map((points) => String.fromCodePoint(...points));

describe("UTF-8", () => {
  test("is written as the platform writes it, lone surrogates included", () => {
    const encoder = new TextEncoder();
    fc.assert(
      fc.property(anyText, (text) => expect(utf8Encode(text)).toEqual(encoder.encode(text))),
      { numRuns: 300 },
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
      { numRuns: 1_500 },
    );
    fc.assert(fc.property(wellFormed, (text) => expect(utf8Decode(utf8Encode(text))).toBe(text)));
  });
});
