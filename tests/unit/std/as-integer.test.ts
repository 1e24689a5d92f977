import { describe, expect, test } from "@jest/globals";
import { asInteger } from "@quorate/services/std";
import { isKeptAsInteger } from "../../support/v8-kinds";

describe("a number as V8 keeps an integer", () => {
  test.each([
    0,
    1,
    -1,
    0.5,
    -2.25,
    2 ** 31 - 1,
    2 ** 31,
    -(2 ** 31),
    -(2 ** 31) - 1,
    2 ** 32,
    2 ** 53 - 1,
    Infinity,
  ])("%p is the same number", (value) => {
    expect(asInteger(value)).toBe(value);
    expect(asInteger(new Float64Array([value])[0] as number)).toBe(value);
  });

  test.each([0, 1, -1, 2 ** 31 - 1, -(2 ** 31)])(
    "%p is kept as an integer, though it was a double",
    (value) => {
      const double = new Float64Array([value])[0] as number;
      expect(isKeptAsInteger(double)).toBe(false);
      expect(isKeptAsInteger(asInteger(double))).toBe(true);
    },
  );

  test("what is no number stays none", () => {
    expect(asInteger(Number.NaN)).toBeNaN();
  });
});
