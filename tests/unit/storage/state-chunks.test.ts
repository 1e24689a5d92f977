import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Change, StoredRecord } from "@quorate/services/kv";
import type { StateStore } from "@quorate/services/replica";
import { LevelRig } from "../../compliance/level-rig";
import { batch, bytes, NAMESPACE_ID, NEWEST, put, scan, text } from "../../compliance/state-samples";

const CHUNK_BYTES = 20_000;
const VALUE_BYTES = 1000;
const KEYS = 1000;

describe("reads of much, in LevelDB", () => {
  let rig: LevelRig;
  let state: StateStore;

  beforeEach(async () => {
    rig = await LevelRig.create({ scanChunkBytes: CHUNK_BYTES });
    state = await rig.openState();
    const value = "v".repeat(VALUE_BYTES);
    const changes = Array.from({ length: KEYS }, (_, at) =>
      put(`k${String(at).padStart(4, "0")}`, value, at + 1),
    );
    for (let index = 1; index <= 10; index += 1) {
      await state.write(batch(index, changes.slice((index - 1) * 100, index * 100)));
    }
    await rig.kill();
    state = await rig.openState();
  });

  afterEach(() => rig.dispose());

  function cachedKeys(): number {
    return (state as unknown as { present: { newest: { cache: { keyCount: number } } } }).present.newest.cache
      .keyCount;
  }

  it("a scan holds one chunk of bounded bytes at a time, and fills no cache", async () => {
    let records = 0;
    for await (const chunk of scan(state)) {
      expect(bytesOf(chunk)).toBeLessThanOrEqual(CHUNK_BYTES);
      records += chunk.length;
    }
    expect(records).toBe(KEYS);
    expect(cachedKeys()).toBe(0);
  });

  function wanting(recordsWanted: number, reverse = false) {
    const range = { start: bytes(""), end: null, revision: NEWEST, keysOnly: false };
    return state.scan({ namespaceId: NAMESPACE_ID, generation: 1, ...range, reverse, recordsWanted });
  }

  it.each([1, 63, 65, 511, 513, 999, 1000, 1001, Number.POSITIVE_INFINITY])(
    "a scan that wants %d records has all there are for who takes more, in order, both ways",
    async (recordsWanted) => {
      for (const reverse of [false, true]) {
        const keys: string[] = [];
        for await (const chunk of wanting(recordsWanted, reverse)) {
          expect(bytesOf(chunk)).toBeLessThanOrEqual(CHUNK_BYTES);
          keys.push(...chunk.map(({ key }) => text(key)));
        }
        const all = Array.from({ length: KEYS }, (_, at) => `k${String(at).padStart(4, "0")}`);
        expect(keys).toEqual(reverse ? all.toReversed() : all);
      }
    },
  );

  it("a scan that is left while more is read ahead ends, and so does the store", async () => {
    const scans = Array.from({ length: 20 }, () => wanting(KEYS)[Symbol.asyncIterator]());
    for (const each of scans) expect((await each.next()).done).toBe(false);
    await Promise.all(scans.slice(0, 10).map((each) => each.return?.()));
    const left = scans.slice(10).map((each) => each.next());
    await Promise.allSettled([rig.close(), ...left]);
    for (const each of scans) expect((await each.next().catch(() => ({ done: true }))).done).toBe(true);
  });

  it("history holds one chunk of bounded bytes at a time, and fills no cache", async () => {
    const range = { start: bytes(""), end: null };
    let changes = 0;
    for await (const chunk of state.history({ namespaceId: NAMESPACE_ID, from: 1, to: NEWEST, range })) {
      expect(bytesOf(chunk.flatMap(recordOf))).toBeLessThanOrEqual(CHUNK_BYTES);
      changes += chunk.length;
    }
    expect(changes).toBe(KEYS);
    expect(cachedKeys()).toBe(0);
  });
});

function bytesOf(records: readonly StoredRecord[]): number {
  return records.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
}

function recordOf(change: Change): readonly StoredRecord[] {
  return change.kind === "put" ? [change.record] : [];
}
