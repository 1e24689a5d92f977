import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Change, StoredRecord } from "@quorate/services/kv";
import type { StateStore } from "@quorate/services/replica";
import { LevelRig } from "../../compliance/level-rig";
import { batch, bytes, NAMESPACE_ID, NEWEST, put, scan } from "../../compliance/state-samples";

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
