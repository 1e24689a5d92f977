import { describe, expect, it } from "@jest/globals";
import type { KeyRange } from "@quorate/services/storage";
import type { DatabaseHandle } from "../../../services/storage/database-handle";
import { RecordWriter } from "../../../services/storage/record-writer";
import { SpaceReturn } from "../../../services/storage/space-return";
import { rangeOfGeneration, rangeOfHistory } from "../../../services/storage/state-layout";

const MIB = 1024 * 1024;
const writer = new RecordWriter();
const HISTORY = rangeOfHistory(writer, 3);
const NEWEST = rangeOfGeneration(writer, "newest", 3, 1);

interface Stored {
  readonly key: Buffer;
  readonly bytes: number;
}

function isIn({ gte, lt }: KeyRange, key: Uint8Array): boolean {
  return Buffer.compare(gte, key) <= 0 && Buffer.compare(key, lt) < 0;
}

/** @param stored what the tables take, in the order of its keys */
function rigOf(stored: readonly Stored[]) {
  const compacted: KeyRange[] = [];
  const told: string[] = [];
  const database = {
    approximateSize: async (gte: Uint8Array, lt: Uint8Array) => {
      told.push("sized");
      return stored.reduce((sum, { key, bytes }) => (isIn({ gte, lt }, key) ? sum + bytes : sum), 0);
    },
    compactRange: async (gte: Uint8Array, lt: Uint8Array) => void compacted.push({ gte, lt }),
    keys: ({ gte, lt, reverse }: KeyRange & { readonly reverse?: boolean }) => {
      const found = stored.map(({ key }) => key).filter((key) => isIn({ gte, lt }, key));
      return { all: async () => (reverse === true ? found.reverse() : found).slice(0, 1) };
    },
  };
  const handle = { database, check: () => {} } as unknown as DatabaseHandle;
  const space = new SpaceReturn(handle, { flush: async () => void told.push("flushed") });
  return { space, compacted, told };
}

/** Keys of a range in the order of their last two bytes, of so many bytes each. */
function filled({ gte }: KeyRange, count: number, bytes: number): readonly Stored[] {
  return Array.from({ length: count }, (_, at) => ({
    key: Buffer.concat([gte, Buffer.of(at >> 8, at & 0xff)]),
    bytes,
  }));
}

function sizeIn(range: KeyRange, stored: readonly Stored[]): number {
  return stored.reduce((sum, { key, bytes }) => (isIn(range, key) ? sum + bytes : sum), 0);
}

describe("the space of what was removed", () => {
  it.each([
    ["is returned from 8 MiB on", 8 * MIB, 10 * MIB, true],
    ["is not returned below that", 8 * MIB - 1, 8 * MIB - 1, false],
    ["is returned where it is half of what there is", 20 * MIB, 40 * MIB, true],
    ["is not returned where it is less than half", 20 * MIB - 1, 40 * MIB, false],
  ])("%s", async (_, removedBytes, storedBytes, isReturned) => {
    const { space, compacted } = rigOf([
      { key: Buffer.concat([HISTORY.gte, Buffer.of(1)]), bytes: storedBytes },
    ]);
    space.noteRemoved(HISTORY, removedBytes);
    expect(await space.returnDue()).toBe(isReturned);
    expect(compacted).toEqual(isReturned ? [HISTORY] : []);
  });

  it.each(["leaseKey", "newest", "value"] as const)(
    "is counted of %s rows, with others that go with keys, and returned where it was",
    async (kind) => {
      const range = rangeOfGeneration(writer, kind, 3, 1);
      const { space, compacted } = rigOf(filled(NEWEST, 8, MIB));
      space.noteRemoved(range, 5 * MIB);
      expect(await space.returnDue()).toBe(false);
      space.noteRemoved(rangeOfGeneration(writer, "value", 4, 1), 3 * MIB);
      expect(await space.returnDue()).toBe(true);
      expect(compacted).toEqual([range, rangeOfGeneration(writer, "value", 4, 1)]);
    },
  );

  it("is that of history, or that of keys, each by what there is of its own", async () => {
    const { space, compacted } = rigOf([...filled(HISTORY, 30, MIB), ...filled(NEWEST, 10, MIB)]);
    space.noteRemoved(HISTORY, 10 * MIB);
    space.noteRemoved(NEWEST, 10 * MIB);
    expect(await space.returnDue()).toBe(true);
    expect(compacted).toEqual([NEWEST]);
    expect(await space.returnDue()).toBe(false);
    space.noteRemoved(HISTORY, 5 * MIB);
    expect(await space.returnDue()).toBe(true);
    expect([compacted[1]?.gte, compacted.at(-1)?.lt]).toEqual([HISTORY.gte, HISTORY.lt]);
  });

  it("is measured by what there is when all that was written is in the tables", async () => {
    const { space, told } = rigOf([]);
    space.noteRemoved(HISTORY, 8 * MIB);
    await space.returnDue();
    expect(told.slice(0, 2)).toEqual(["flushed", "sized"]);
  });

  it.each([
    ["many small ones", 700, MIB / 10],
    ["some large ones", 9, 7 * MIB],
    ["such as are each too large", 3, 20 * MIB],
  ])("is returned piece by piece, without a gap, of %s", async (_, count, bytes) => {
    const stored = filled(NEWEST, count, bytes);
    const { space, compacted } = rigOf(stored);
    space.noteRemoved(NEWEST, 64 * MIB);
    expect(await space.returnDue()).toBe(true);
    expect([compacted[0]?.gte, compacted.at(-1)?.lt]).toEqual([NEWEST.gte, NEWEST.lt]);
    const ends = compacted.slice(0, -1).map(({ lt }) => Buffer.from(lt).toString("hex"));
    expect(compacted.slice(1).map(({ gte }) => Buffer.from(gte).toString("hex"))).toEqual(ends);
    const sizes = compacted.map((piece) => sizeIn(piece, stored));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(Math.max(16 * MIB, bytes));
    expect(
      Math.max(...sizes.slice(0, -1).map((size, at) => size + (sizes[at + 1] as number))),
    ).toBeGreaterThan(16 * MIB);
  });

  it("waits for those that could see what was removed when there was enough, and not for later ones", async () => {
    const { space, compacted } = rigOf([]);
    const [early, late] = [{}, {}];
    space.noteFrozen(early);
    space.noteRemoved(NEWEST, 8 * MIB);
    expect(await space.returnDue()).toBe(false);
    space.noteFrozen(late);
    expect([space.noteReleased(early), await space.returnDue()]).toEqual([true, true]);
    expect([compacted.length, space.noteReleased(late)]).toEqual([1, false]);
  });
});
