import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { crc32c, faultyTable, liveTables, snappyUncompress } from "@quorate/services/storage";
import { ClassicLevel } from "classic-level";
import { filesOf } from "./damaged-files";

describe("LevelDB's own formats", () => {
  const vectors: [string, Uint8Array, number][] = [
    ["32 zeroes", new Uint8Array(32), 0x8a9136aa],
    ["32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ["0 to 31", Uint8Array.from({ length: 32 }, (_, at) => at), 0x46dd794e],
    ["31 to 0", Uint8Array.from({ length: 32 }, (_, at) => 31 - at), 0x113fdb5c],
    ["123456789", Buffer.from("123456789"), 0xe3069283],
    ["nothing", new Uint8Array(0), 0],
  ];

  it.each(vectors)("CRC-32C of %s (RFC 3720, appendix B.4)", (_, bytes, expected) => {
    expect(crc32c(bytes, 0, bytes.length)).toBe(expected);
  });

  const compressed: [string, string, string][] = [
    ["nothing", "00", ""],
    ["a literal", "03 08 616263", "abc"],
    ["a copy that runs into itself", "0a 00 61 15 01", "aaaaaaaaaa"],
    ["a copy with two bytes of distance", "08 0c 61626364 0e 0400", "abcdabcd"],
    ["a copy with four bytes of distance", "08 0c 61626364 0f 04000000", "abcdabcd"],
    ["a literal with a length of its own byte", `3d f0 3c ${"78".repeat(61)}`, "x".repeat(61)],
  ];

  it.each(compressed)("Snappy: %s", (_, hex, expected) => {
    const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
    expect(Buffer.from(snappyUncompress(bytes)).toString("latin1")).toBe(expected);
  });

  it.each([["ff"], ["05 08 616263"], ["02 08 616263"], ["08 00 61 15 05"], ["04 0c 6162"]])(
    "Snappy: refuses %s",
    (hex) => {
      const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
      expect(() => snappyUncompress(bytes)).toThrow();
    },
  );

  it("finds no fault in what LevelDB wrote, through compactions, and knows its live tables", async () => {
    const path = await mkdtemp(join(tmpdir(), "quorate-storage-"));
    try {
      const database = new ClassicLevel<string, string>(path, { writeBufferSize: 64 * 1024 });
      await database.open();
      for (let round = 0; round < 8; round += 1) {
        const batch = database.batch();
        for (let at = 0; at < 2000; at += 1)
          batch.put(`key ${at * 7 + round}`, randomBytes(100).toString("hex"));
        await batch.write({ sync: false });
      }
      await database.compactRange("", "~");
      await database.close();
      const files = await filesOf(path, ".ldb");
      expect(files.length).toBeGreaterThan(1);
      expect((await liveTables(path)).length).toBe(files.length);
      expect(await faultyTable(path)).toBe(null);
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  });
});
