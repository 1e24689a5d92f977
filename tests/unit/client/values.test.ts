import { describe, expect, test } from "@jest/globals";
import { connect, integer, json, QuorateError, text, toBytes } from "@quorate/client";

describe("codecs", () => {
  test.each<[string, unknown]>([
    ["string", "hällo \u0000 😀"],
    ["integer", 42],
    ["float", -0.125],
    ["boolean", false],
    ["null", null],
    ["list", [1, "two", [3.5, null]]],
    ["nested", { a: { b: [{ c: true }] }, "": {} }],
  ])("A19: JSON of a %s round-trips", (_, value) => {
    const codec = json<unknown>();
    expect(codec.decode(codec.encode(value))).toEqual(value);
  });

  test.each<[string, unknown]>([
    ["undefined", undefined],
    ["a function", () => 1],
    ["NaN", Number.NaN],
    ["Infinity inside", { a: [Number.POSITIVE_INFINITY] }],
    ["a bigint", { a: 1n }],
  ])("%s is refused by JSON rather than stored as something else", (_, value) => {
    expect(() => json<unknown>().encode(value)).toThrow(QuorateError);
  });

  test("stored bytes that are not the codec's are refused", () => {
    expect(() => json().decode(toBytes("{"))).toThrow("is not JSON");
    expect(() => text.decode(Uint8Array.of(0xff))).toThrow("not UTF-8");
    for (const digits of ["", "-0", "01", "+1", "1.0", " 1", "9223372036854775808"]) {
      expect(() => integer.decode(toBytes(digits))).toThrow(QuorateError);
    }
  });

  test.each([0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)])("the integer %p round-trips", (value) => {
    expect(integer.decode(integer.encode(value))).toBe(value);
  });

  test("a string with a lone surrogate has no bytes", () => {
    expect(() => toBytes("\ud800")).toThrow("lone surrogate");
  });
});

describe("endpoints", () => {
  test.each([
    "",
    "localhost",
    "localhost:",
    ":7400",
    "localhost:0",
    "localhost:65536",
    "a:1,",
    "http://a:1",
    "a b:1",
  ])("%p is refused, naming the part that is wrong", (endpoints) => {
    expect(() => connect(endpoints)).toThrow("is not an endpoint");
  });

  test.each(["127.0.0.1:7400", "a.example:1, b:65535", "[::1]:7400"])("%p is taken", async (endpoints) => {
    await connect(endpoints).close();
  });
});
