import { appendFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { backup, backupChunks, backupParts, verifyBackup } from "@quorate/services/backup";
import type { FrozenState, ImageChunk } from "@quorate/services/replica";
import { seededRandom } from "@quorate/services/std";
import { isLongRun } from "../../support/long-run";
import { Workplace } from "../../support/workplace";

const CHUNK_BYTES = [0, 1, 300, 70_000, 5];
/** From one place that is damaged to the next, in bytes. */
const STEP = isLongRun ? 1 : 3;
const FACTS = { clusterId: "c1", wallMs: 1_700_000_000_000, softwareVersion: "0.1.0" };

let workplace: Workplace;

beforeEach(() => {
  workplace = new Workplace();
});

afterEach(() => workplace.remove());

function chunksOf(sizes: readonly number[]): readonly ImageChunk[] {
  return sizes.map((size, at) => {
    const data = new Uint8Array(size).map((_, byte) => (byte * 7 + at) % 256);
    return {
      position: Uint8Array.of(at),
      data,
      checksum: crc32(data),
      isLast: at === sizes.length - 1,
    };
  });
}

function frozen(chunks: readonly ImageChunk[]): FrozenState {
  return {
    header: { format: "test-1", applied: { term: 3, index: 77 }, revision: 42 },
    async *chunks() {
      yield* chunks;
    },
    scan: () => {
      throw new Error("a backup scans nothing");
    },
    close: () => undefined,
  };
}

async function bytesOf(sizes: readonly number[] = CHUNK_BYTES): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of backup(frozen(chunksOf(sizes)), FACTS)) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function written(): Promise<string> {
  const path = workplace.at("b.quorate");
  writeFileSync(path, await bytesOf());
  return path;
}

describe("a backup file", () => {
  test("F6: holds the state's chunks, and what it is of", async () => {
    const path = await written();
    expect(await verifyBackup(path)).toEqual({
      kind: "sound",
      info: { ...FACTS, imageFormat: "test-1", applied: { term: 3, index: 77 }, revision: 42 },
      counts: { chunks: 5, bytes: 70_306 },
    });
    const read: ImageChunk[] = [];
    for await (const chunk of backupChunks(path)) read.push(chunk);
    const plain = read.map((chunk) => ({
      ...chunk,
      position: [...chunk.position],
      data: Buffer.from(chunk.data).toString("hex"),
    }));
    expect(plain).toEqual(
      chunksOf(CHUNK_BYTES).map((chunk) => ({
        ...chunk,
        position: [...chunk.position],
        data: Buffer.from(chunk.data).toString("hex"),
      })),
    );
  });

  test("is written in pieces that a message can carry, however large a record is", async () => {
    const sizes: number[] = [];
    for await (const piece of backup(frozen(chunksOf([10, 3_500_000, 10])), FACTS))
      sizes.push(piece.byteLength);
    expect(Math.max(...sizes)).toBe(1024 * 1024);
    const path = workplace.at("large");
    writeFileSync(path, await bytesOf([10, 3_500_000, 10]));
    expect(await verifyBackup(path)).toMatchObject({ kind: "sound", counts: { bytes: 3_500_020 } });
  });

  test("F6: holds a chunk that ends with the longest key, which its store may write at twice its length", async () => {
    const position = new Uint8Array(150_000).fill(9);
    const [chunk] = chunksOf([10]);
    const path = workplace.at("long");
    for await (const piece of backup(frozen([{ ...(chunk as ImageChunk), position }]), FACTS))
      appendFileSync(path, piece);
    const read: ImageChunk[] = [];
    for await (const found of backupChunks(path)) read.push(found);
    expect(read.map((found) => Buffer.compare(found.position, position))).toEqual([0]);
  });

  test.each([1, 7, 4096])("is read the same from pieces of %d bytes", async (size) => {
    const bytes = await bytesOf([10, 2000, 3]);
    async function* pieces(): AsyncIterable<Uint8Array> {
      for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
    }
    const kinds: string[] = [];
    for await (const part of backupParts(pieces())) kinds.push(part.kind);
    expect(kinds).toEqual(["info", "chunk", "chunk", "chunk", "end"]);
  });

  test("F6: a flipped bit anywhere is found", async () => {
    const sound = await bytesOf([3, 500, 20]);
    const path = workplace.at("b");
    const random = seededRandom(6);
    const found = new Set<string>();
    for (let at = 0; at < sound.byteLength; at += STEP) {
      const bytes = Buffer.from(sound);
      bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
      writeFileSync(path, bytes);
      const check = await verifyBackup(path);
      found.add(check.kind === "refused" ? check.reason : `byte ${at} went unnoticed`);
    }
    expect([...found].sort()).toEqual(["damaged", "not_a_backup"]);
  });

  test("F6: a file that is cut short anywhere, or longer, is refused", async () => {
    const sound = await bytesOf([3, 500, 20]);
    const path = workplace.at("b");
    const kinds = new Set<string>();
    for (let length = 0; length < sound.byteLength; length += STEP) {
      writeFileSync(path, sound.subarray(0, length));
      kinds.add((await verifyBackup(path)).kind);
    }
    writeFileSync(path, sound);
    appendFileSync(path, "\0");
    kinds.add((await verifyBackup(path)).kind);
    expect([...kinds]).toEqual(["refused"]);
  });

  test("F6: frames that are sound but left out, doubled or exchanged are noticed", async () => {
    const sound = await bytesOf([40, 40, 40, 40]);
    const frameBytes = 40 + 5 + 9 + 1 + 4;
    const first = sound.indexOf(Buffer.from([2, 0, 0, 0, 40 + 9 + 1]));
    const frame = (at: number): Buffer =>
      sound.subarray(first + at * frameBytes, first + (at + 1) * frameBytes);
    const [head, tail] = [sound.subarray(0, first), sound.subarray(first + 4 * frameBytes)];
    const path = workplace.at("b");
    const orders = { whole: [0, 1, 2, 3], without: [0, 1, 3], twice: [0, 1, 1, 2, 3], other: [0, 2, 1, 3] };
    const kinds: Record<string, string> = {};
    for (const [name, order] of Object.entries(orders)) {
      writeFileSync(path, Buffer.concat([head, ...order.map(frame), tail]));
      kinds[name] = (await verifyBackup(path)).kind;
    }
    expect(kinds).toEqual({ whole: "sound", without: "refused", twice: "refused", other: "refused" });
  });

  test("what is wrong is said in one line that names the file", async () => {
    const path = await written();
    const bytes = readFileSync(path);
    const said: string[] = [];
    const say = async (at: string): Promise<void> => {
      const check = await verifyBackup(at);
      said.push(
        check.kind === "refused" ? `${check.reason}: ${check.message.replaceAll(at, "FILE")}` : "sound",
      );
    };
    truncateSync(path, bytes.byteLength - 1);
    await say(path);
    writeFileSync(path, "something else altogether");
    await say(path);
    writeFileSync(path, bytes.toString("latin1").replace('"version":1', '"version":2'), "latin1");
    await say(path);
    await say(workplace.at("nowhere"));
    expect(said).toEqual([
      expect.stringMatching(
        /^damaged: FILE is damaged at byte \d+: it ends within a frame: use another backup$/,
      ),
      expect.stringMatching(/^not_a_backup: FILE is no backup of this software/),
      expect.stringMatching(/^damaged: FILE is damaged at byte 8: a checksum does not match/),
      expect.stringMatching(/^unreadable: FILE cannot be read: ENOENT/),
    ]);
    expect(said.filter((line) => line.includes("\n"))).toEqual([]);
  });

  test("a backup of a later format is told from a damaged one", async () => {
    const later = versioned(await bytesOf([1]), 2);
    const path = workplace.at("b");
    writeFileSync(path, later);
    expect(await verifyBackup(path)).toMatchObject({
      kind: "refused",
      reason: "unknown_version",
      message: expect.stringContaining("version 2"),
    });
  });

  test("reading stops when it is aborted", async () => {
    const path = await written();
    await expect(verifyBackup(path, AbortSignal.abort())).rejects.toThrow("abort");
  });
});

/** The header with another version and a checksum that is right. */
function versioned(bytes: Buffer, version: number): Buffer {
  const length = bytes.readUInt32BE(9);
  const changed = Buffer.from(bytes);
  changed.write(`"version":${version}`, bytes.indexOf('"version":'), "latin1");
  changed.writeUInt32BE(crc32(changed.subarray(8, 13 + length)), 13 + length);
  return changed;
}
