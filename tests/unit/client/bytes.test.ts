import { expect, test } from "@jest/globals";
import { endOfPrefix } from "@quorate/client";

test.each([
  ["a prefix of text", Buffer.from("user/"), Buffer.from("user0")],
  ["a last byte that cannot grow", Buffer.from([0x61, 0xff, 0xff]), Buffer.from([0x62])],
  ["no prefix", Buffer.alloc(0), Buffer.alloc(0)],
  ["bytes that are all 255: nothing ends them", Buffer.from([0xff, 0xff]), Buffer.alloc(0)],
])("the end of %s, which itself stays as it was", (_name, prefix, end) => {
  const before = Buffer.from(prefix).toString("hex");
  expect(Buffer.from(endOfPrefix(prefix)).toString("hex")).toBe(end.toString("hex"));
  expect(prefix.toString("hex")).toBe(before);
});
