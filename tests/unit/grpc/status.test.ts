import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "@jest/globals";
import { trailersOf } from "../../../services/grpc/status";

function messageOf(details: string): string {
  const [, message] = trailersOf({ code: status.INTERNAL, details }) as [unknown, [string, string]];
  expect(message[0]).toBe("grpc-message");
  return decodeURIComponent(message[1]);
}

describe("what a caller is told in words", () => {
  test("is whole where it is as long as ours may be", () => {
    const members = Array.from({ length: 31 }, (_, nth) => `${nth}`.padEnd(64, "m"));
    const details = `there is no voter "n1"; the voters are ${members.join(", ")}`;
    expect(messageOf(details)).toBe(details);
    expect(messageOf("\u20ac".repeat(1365))).toBe("\u20ac".repeat(1365));
  });

  test.each<[string, string, number]>([
    ["a byte", "a", 4096],
    ["two", "\u00e9", 2048],
    ["three", "\u20ac", 1365],
    ["four", "\u{1f600}", 1024],
  ])("is cut behind a character of %s", (_name, character, count) => {
    expect(messageOf(character.repeat(100_000))).toBe(character.repeat(count));
    expect(messageOf(`b${character.repeat(count)}`)).toBe(
      `b${character.repeat(Math.floor(4095 / Buffer.byteLength(character)))}`,
    );
  });

  test("is told where there is no UTF-8 for it", () => {
    expect(messageOf("a\ud83db")).toBe("a\ufffdb");
  });
});
