import fc from "fast-check";

/** Any value of an int64, those that a number can hold often. */
export const int64 = fc.oneof(
  fc.constant(0n),
  fc.nat({ max: Number.MAX_SAFE_INTEGER }).map(BigInt),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);

export const text = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12, unit: "grapheme" }));

/** Short ones, and such whose length takes one byte, two or three, or one of these. */
export function bytesField(...lengths: readonly number[]): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc
      .constantFrom(0, 1, 127, 128, 300, 16_384, 20_000, ...lengths)
      .map((length) => new Uint8Array(length).fill(7)),
  );
}
