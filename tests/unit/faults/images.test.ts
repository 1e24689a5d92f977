import { describe, expect, it } from "@jest/globals";
import {
  breakStream,
  damageChunks,
  delayChunks,
  FailPoints,
  FilteredSnapshotSource,
  firstChunks,
  guardSnapshotSource,
  ImageInterference,
  stallStream,
  whenChunk,
} from "@quorate/services/faults";
import type { Cancellation, ImageChunk, ImageHeader, SnapshotSource } from "@quorate/services/replica";
import { seededRandom } from "@quorate/services/std";
import { VirtualTimers } from "./virtual-timers";

const HEADER: ImageHeader = { format: "memory-1", applied: { term: 1, index: 9 }, revision: 3 };

/** Gives images of four chunks, and goes on with them after any. */
const source: SnapshotSource = {
  fetch: (_, resume) =>
    Promise.resolve({ imageId: 5, header: HEADER, chunks: chunksAfter(resume?.position[0] ?? 0) }),
};

async function* chunksAfter(position: number): AsyncGenerator<ImageChunk> {
  for (let at = position + 1; at <= 4; at += 1) {
    yield { position: new Uint8Array([at]), data: new Uint8Array([at, at]), checksum: at, isLast: at === 4 };
  }
}

/** What comes of one stream. */
class Reader {
  readonly positions: number[] = [];
  readonly data: string[] = [];
  end: string | null = null;

  constructor(source: SnapshotSource, cancellation: Cancellation, after: number | null = null) {
    void this.read(source, cancellation, after);
  }

  private async read(source: SnapshotSource, cancellation: Cancellation, after: number | null) {
    try {
      const resume = after === null ? null : { imageId: 5, position: new Uint8Array([after]) };
      const { chunks } = await source.fetch("n1", resume, cancellation);
      for await (const { position, data } of chunks) {
        this.positions.push(position[0]!);
        this.data.push(data.join(""));
      }
      this.end = "whole";
    } catch (error) {
      this.end = (error as Error).message;
    }
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("filters on the stream of an image", () => {
  const timers = new VirtualTimers();
  const never = new AbortController().signal;
  const interferenceOf = (isCut?: () => boolean) =>
    new ImageInterference({ timers, random: seededRandom(1), ...(isCut === undefined ? {} : { isCut }) });

  it("J2: lets all pass where nothing is in the way", async () => {
    const reader = new Reader(new FilteredSnapshotSource(source, "n2", interferenceOf()), never);
    await settled();
    expect([reader.positions, reader.end]).toEqual([[1, 2, 3, 4], "whole"]);
  });

  it("J2: breaks the stream at a chunk, and the next stream goes on behind the one before it", async () => {
    const interference = interferenceOf();
    interference.add(whenChunk(({ number }) => number === 3, firstChunks(1, breakStream())));
    const filtered = new FilteredSnapshotSource(source, "n2", interference);
    const reader = new Reader(filtered, never);
    await settled();
    expect(reader.positions).toEqual([1, 2]);
    expect(reader.end).toContain("broke");
    const again = new Reader(filtered, never, 2);
    await settled();
    expect([again.positions, again.end]).toEqual([[3, 4], "whole"]);
  });

  it("J2: stalls the stream until the filter is taken away", async () => {
    const interference = interferenceOf();
    const end = interference.add(whenChunk(({ number }) => number === 2, stallStream()));
    const reader = new Reader(new FilteredSnapshotSource(source, "n2", interference), never);
    await settled();
    expect([reader.positions, reader.end]).toEqual([[1], null]);
    end();
    await settled();
    expect([reader.positions, reader.end]).toEqual([[1, 2, 3, 4], "whole"]);
  });

  it("J2: a stream that stalls ends when it is no longer wanted", async () => {
    const interference = interferenceOf();
    interference.add(stallStream());
    const abort = new AbortController();
    const reader = new Reader(new FilteredSnapshotSource(source, "n2", interference), abort.signal);
    await settled();
    abort.abort();
    await settled();
    expect(reader.end).toContain("no longer wanted");
  });

  it("J2: damages one bit of the data and leaves the checksum", async () => {
    const interference = interferenceOf();
    interference.add(firstChunks(1, damageChunks()));
    const reader = new Reader(new FilteredSnapshotSource(source, "n2", interference), never);
    await settled();
    expect(reader.data.slice(1)).toEqual(["22", "33", "44"]);
    expect(reader.data[0]).not.toBe("11");
  });

  it("J2: delays each chunk", async () => {
    const interference = interferenceOf();
    interference.add(delayChunks(10));
    const reader = new Reader(new FilteredSnapshotSource(source, "n2", interference), never);
    for (let round = 1; round <= 2; round += 1) {
      await settled();
      timers.advance(10);
    }
    await settled();
    expect(reader.positions).toEqual([1, 2]);
  });

  it("J2: a predicate chooses by sender, receiver and image", async () => {
    const interference = interferenceOf();
    interference.add(
      whenChunk(({ from, to, imageId }) => `${from}${to}${imageId}` === "n1n25", breakStream()),
    );
    const [there, elsewhere] = ["n2", "n3"].map(
      (to) => new Reader(new FilteredSnapshotSource(source, to, interference), never),
    );
    await settled();
    expect([there!.end, elsewhere!.end]).toEqual([expect.stringContaining("broke"), "whole"]);
  });

  it("J2: breaks where there is no way for messages", async () => {
    let isCut = false;
    const interference = interferenceOf(() => isCut);
    const end = interference.add(stallStream());
    const reader = new Reader(new FilteredSnapshotSource(source, "n2", interference), never);
    await settled();
    isCut = true;
    end();
    await settled();
    expect(reader.end).toContain("n1 and n2 cannot reach each other");
  });
});

describe("fail points around what brings images", () => {
  const never = new AbortController().signal;
  let crashes = 0;
  const failPoints = (): FailPoints =>
    new FailPoints({
      onCrash: () => {
        crashes += 1;
      },
    });

  it.each([
    ["snapshots.fetch.before", []],
    ["snapshots.fetch.after", []],
    ["snapshots.chunk.before", [1]],
    ["snapshots.chunk.after", [1, 2]],
  ] as const)("J9: error, pause and crash at %s", async (name, before) => {
    const window = name.startsWith("snapshots.chunk") ? { afterHits: 1, hits: 1 } : { hits: 1 };
    const points = failPoints();
    points.set(name, "error", window);
    const failed = new Reader(guardSnapshotSource(source, points), never);
    await settled();
    expect([failed.positions, failed.end]).toEqual([before, expect.stringContaining(name)]);

    points.set(name, "pause", window);
    const paused = new Reader(guardSnapshotSource(source, points), never);
    await settled();
    expect([paused.positions, paused.end]).toEqual([before, null]);
    points.clear();
    await settled();
    expect([paused.positions, paused.end]).toEqual([[1, 2, 3, 4], "whole"]);

    points.set(name, "crash", window);
    const guarded = guardSnapshotSource(source, points);
    const crashed = new Reader(guarded, never);
    await settled();
    points.clear();
    const after = new Reader(guarded, never);
    await settled();
    expect([crashed.positions, crashed.end, after.end]).toEqual([before, null, null]);
    const next = new Reader(guardSnapshotSource(source, points), never);
    await settled();
    expect(next.end).toBe("whole");
    expect(crashes).toBeGreaterThan(0);
  });
});
