import fs, { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { OverflowFile, RowOverflow } from "@quorate/services/storage";

const SPACE = { namespaceId: 3, generation: 2 };
const KIB = 1024;

let directory: string;
let overflow: RowOverflow;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "quorate-overflow-"));
});

afterEach(async () => {
  jest.restoreAllMocks();
  await overflow.close();
  rmSync(directory, { recursive: true });
});

function openOverflow(bytesMax: number): void {
  overflow = new RowOverflow(new OverflowFile(join(directory, "overflow"), bytesMax));
}

function keyOf(at: number): Buffer {
  return Buffer.from(`key-${at}`);
}

/** Any that spreads small numbers. */
function hashOf(at: number): number {
  return Math.imul(at + 1, 0x9e3779b1) >>> 0;
}

function rowOf(seed: number, length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, at) => seed * 31 + at * 7));
}

function add(at: number, row: Uint8Array, hash = hashOf(at)): void {
  const key = keyOf(at);
  // As the cache has it: amid other bytes.
  const memory = Buffer.concat([Buffer.alloc(5, 0xaa), key, row, Buffer.alloc(3, 0xbb)]);
  overflow.add({ hash, ...SPACE, memory, start: 5, keyBytes: key.length, rowBytes: row.length });
}

function find(at: number, { hash = hashOf(at), space = SPACE } = {}): Buffer | null {
  const row = overflow.find(hash, space, keyOf(at));
  return row === null ? null : Buffer.from(row);
}

/** Adds a row more, and waits as long as the disk is behind. */
async function addWhenRoom(at: number, row: Uint8Array): Promise<void> {
  while (find(at) === null) {
    add(at, row);
    if (find(at) === null) await new Promise((resolve) => setImmediate(resolve));
  }
}

test("rows are found in memory and in the file, until the ring has come round", async () => {
  openOverflow(64 * KIB);
  for (let at = 0; at < 1000; at += 1) await addWhenRoom(at, rowOf(at, 300));
  const found = Array.from({ length: 1000 }, (_, at) => find(at));
  const kept = found.flatMap((row, at) => (row === null ? [] : [at]));
  expect(kept.length).toBeGreaterThan(150);
  expect(kept).toEqual(Array.from({ length: kept.length }, (_, at) => 1000 - kept.length + at));
  for (const at of kept) expect(found[at]).toEqual(rowOf(at, 300));
  // One that is gone may come again.
  await addWhenRoom(0, rowOf(7, 300));
  expect(find(0)).toEqual(rowOf(7, 300));
});

test("rows are found where places begin anew at 2^32", async () => {
  const file = new OverflowFile(join(directory, "overflow"), 64 * KIB);
  overflow = new RowOverflow(file);
  // The last two blocks of 8 KiB before, in units of 16 bytes.
  Reflect.set(file, "nextStart", 2 ** 32 - 2 * 512);
  for (let at = 0; at < 120; at += 1) await addWhenRoom(at, rowOf(at, 300));
  expect(Array.from({ length: 120 }, (_, at) => find(at))).toEqual(
    Array.from({ length: 120 }, (_, at) => rowOf(at, 300)),
  );
});

test("a file of which a block was written in part has nothing", async () => {
  openOverflow(64 * KIB);
  jest.spyOn(fs, "write").mockImplementation(((...all: unknown[]) => {
    const [, bytes] = all as [number, Buffer];
    setImmediate(() => (all.at(-1) as (failure: null, count: number) => void)(null, bytes.length - 1));
  }) as unknown as typeof fs.write);
  for (let at = 0; at < 40; at += 1) add(at, rowOf(at, 300));
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  add(100, rowOf(100, 300));
  expect([find(39), find(100)]).toEqual([null, null]);
});

test("a row that did not come to lie in the file is not found by what lay there a round before", async () => {
  openOverflow(8 * KIB);
  // Four of them fill a block.
  const names = Array.from({ length: 32 }, (_, at) => 10 + at);
  for (const at of names) await addWhenRoom(at, rowOf(at, 210));
  expect(find(names.at(-10) as number)).toEqual(rowOf(names.at(-10) as number, 210));
  for (const at of names) overflow.delete(hashOf(at));
  jest.spyOn(fs, "write").mockImplementation(((...all: unknown[]) => {
    const [, bytes] = all as [number, Buffer];
    setImmediate(() => (all.at(-1) as (failure: null, count: number) => void)(null, bytes.length));
  }) as unknown as typeof fs.write);
  for (const at of names) await addWhenRoom(at, rowOf(at + 1, 210));
  const found = names.map((at) => find(at));
  // What is in memory still, and nothing else.
  const first = found.findIndex((row) => row !== null);
  expect(first).toBeGreaterThan(16);
  expect(found.slice(first)).toEqual(names.slice(first).map((at) => rowOf(at + 1, 210)));
});

test("a row that is longer than what is read at first comes whole, and one that is longer than a block is not kept", async () => {
  openOverflow(256 * KIB);
  await addWhenRoom(1, rowOf(1, 5000));
  add(2, rowOf(2, 40_000));
  for (let at = 10; at < 300; at += 1) await addWhenRoom(at, rowOf(at, 300));
  expect(find(1)).toEqual(rowOf(1, 5000));
  expect(find(2)).toBeNull();
});

test("the file has no name, and is gone with its last user", async () => {
  openOverflow(64 * KIB);
  for (let at = 0; at < 100; at += 1) await addWhenRoom(at, rowOf(at, 300));
  expect(readdirSync(directory)).toEqual([]);
  await overflow.close();
  await overflow.close();
  expect(find(99)).toBeNull();
  add(100, rowOf(100, 10));
  expect(find(100)).toBeNull();
});

test("whoever closes it hears when nothing is being written any more, however many do", async () => {
  openOverflow(64 * KIB);
  const { write } = fs;
  const written: (() => void)[] = [];
  jest.spyOn(fs, "write").mockImplementation(((...all: unknown[]) => {
    written.push(() => (write as (...all: unknown[]) => void)(...all));
  }) as unknown as typeof fs.write);
  for (let at = 0; at < 100; at += 1) add(at, rowOf(at, 300));
  expect([0, 10, 40].map((at) => find(at))).toEqual([0, 10, 40].map((at) => rowOf(at, 300)));
  let closed = 0;
  const closing = [overflow.close(), overflow.close(), overflow.close()];
  for (const each of closing) void each.then(() => (closed += 1));
  await new Promise((resolve) => setImmediate(resolve));
  expect([written.length, closed]).toEqual([2, 0]);
  for (const go of written) go();
  await Promise.all(closing);
  expect(find(0)).toBeNull();
});

test("a key that is changed is not found, nor is one of another space or with the same hash", async () => {
  openOverflow(64 * KIB);
  add(1, rowOf(1, 100));
  expect(find(1, { space: { ...SPACE, generation: 3 } })).toBeNull();
  expect(find(1, { space: { ...SPACE, namespaceId: 4 } })).toBeNull();
  expect(find(2, { hash: hashOf(1) })).toBeNull();
  overflow.delete(hashOf(1));
  expect(find(1)).toBeNull();
  add(1, rowOf(2, 100));
  expect(find(1)).toEqual(rowOf(2, 100));
});

test("what the file has not as it was written is not found", async () => {
  openOverflow(64 * KIB);
  for (let at = 0; at < 100; at += 1) await addWhenRoom(at, rowOf(at, 300));
  expect(find(0)).toEqual(rowOf(0, 300));
  const { readSync } = fs;
  jest.spyOn(fs, "readSync").mockImplementation(((fd: number, buffer: Buffer, ...rest: never[]) => {
    const count = (readSync as (...all: unknown[]) => number)(fd, buffer, ...rest);
    buffer[100] = (buffer[100] as number) ^ 1;
    return count;
  }) as typeof readSync);
  expect(find(0)).toBeNull();
});

test("where there is no file nothing is kept, and nobody hears of it", () => {
  overflow = new RowOverflow(new OverflowFile(join(directory, "missing", "overflow"), 64 * KIB));
  add(1, rowOf(1, 100));
  expect(find(1)).toBeNull();
  openOverflow(0);
  add(1, rowOf(1, 100));
  expect(find(1)).toBeNull();
});

test("a file that cannot be written any more has nothing", async () => {
  openOverflow(64 * KIB);
  add(0, rowOf(0, 300));
  jest.spyOn(fs, "write").mockImplementation(((...all: unknown[]) => {
    const done = all.at(-1) as (failure: Error) => void;
    setImmediate(() => done(new Error("no space is left")));
  }) as unknown as typeof fs.write);
  for (let at = 1; at < 200; at += 1) add(at, rowOf(at, 300));
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(find(0)).toBeNull();
  add(1000, rowOf(1, 300));
  expect(find(1000)).toBeNull();
});
