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

  it("what is held pins no frame that the entries came in", async () => {
    const entries = entriesOf(500_000, 8);
    const held = await appended(entries);
    expect(new Set(held.map(({ data }) => data.buffer)).size).toBe(1);
    expect(held[0]?.data.buffer.byteLength).toBe(32 * 1024);
  });

  it("of a frame with much besides it a large entry is copied", async () => {
    const frame = new Uint8Array(200_000).fill(3);
    const data = frame.subarray(1000, 101_000);
    const [held] = await appended([{ index: 1, term: 1, kind: "normal", data }]);
    expect(held?.data.buffer.byteLength).toBe(100_000);
  });

  it("a large entry that is alone in its memory is kept as it is", async () => {
    const data = new Uint8Array(100_000).fill(3);
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
