import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Entry } from "@quorate/services/raft";
import type { LogStore } from "@quorate/services/replica";
import { LevelRig } from "../../compliance/level-rig";
import { allEntries } from "../../compliance/log-store";

const DATA_BYTES = 1000;

describe("what the log keeps in memory of what is appended", () => {
  let rig: LevelRig;
  let log: LogStore;

  beforeEach(async () => {
    rig = await LevelRig.create();
    log = await rig.openLog();
  });

  afterEach(() => rig.dispose());

  /** Entries as they are decoded: views of a frame that has so many bytes besides them. */
  function entriesOf(frameBytesMore: number, count: number): readonly Entry[] {
    const frame = new Uint8Array(frameBytesMore + count * DATA_BYTES);
    frame.forEach((_, at) => {
      frame[at] = at % 251;
    });
    return Array.from({ length: count }, (_, at) => {
      const from = frameBytesMore + at * DATA_BYTES;
      return { index: at + 1, term: 1, kind: "normal", data: frame.subarray(from, from + DATA_BYTES) };
    });
  }

  async function appended(entries: readonly Entry[]): Promise<readonly Entry[]> {
    await log.append({ entries, hardState: null }, { sync: true });
    const held = allEntries(log);
    expect(held).toEqual(entries);
    return held;
  }

  it("a frame that the entries fill is kept as it is", async () => {
    const entries = entriesOf(500, 8);
    const held = await appended(entries);
    expect(held.every(({ data }, at) => data.buffer === entries[at]?.data.buffer)).toBe(true);
  });

  it("of a frame with much besides them the entries are copied, in one piece", async () => {
    const held = await appended(entriesOf(50_000, 8));
    expect(new Set(held.map(({ data }) => data.buffer)).size).toBe(1);
    expect(held[0]?.data.buffer.byteLength).toBe(8 * DATA_BYTES);
  });

  it("of two frames the entries are copied too", async () => {
    const [first] = entriesOf(0, 2);
    const [, second] = entriesOf(0, 2);
    const held = await appended([first as Entry, second as Entry]);
    expect(held.map(({ data }) => data.buffer.byteLength)).toEqual([2 * DATA_BYTES, 2 * DATA_BYTES]);
    expect(held[0]?.data.buffer).not.toBe(first?.data.buffer);
  });

  it("an entry that is alone in its memory is kept as it is", async () => {
    const data = new Uint8Array(DATA_BYTES).fill(3);
    const [held] = await appended([{ index: 1, term: 1, kind: "normal", data }]);
    expect(held?.data).toBe(data);
  });

  it("appends of any size follow on one another", async () => {
    const sizes = [10, 70_000, 3_000_000, 2_000_000, 1_048_000, 1_500_000, 5, 1_100_000, 300_000];
    const entries: Entry[] = sizes.map((bytes, at) => {
      return { index: at + 1, term: 1, kind: "normal", data: new Uint8Array(bytes).fill(at + 1) };
    });
    for (const entry of entries) await log.append({ entries: [entry], hardState: null }, { sync: true });
    await rig.kill();
    log = await rig.openLog();
    expect(allEntries(log).map(({ data }) => [data.length, data[0], data.at(-1)])).toEqual(
      sizes.map((bytes, at) => [bytes, at + 1, at + 1]),
    );
  });
});
