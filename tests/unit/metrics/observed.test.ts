import { describe, expect, it } from "@jest/globals";
import {
  MemoryLogDisk,
  MemoryStateDisk,
  openMemoryLogStore,
  openMemoryStateStore,
} from "@quorate/services/memory";
import { Instruments, observeLogStore, observeSnapshots, observeStateStore } from "@quorate/services/metrics";
import type { ImageChunk, SnapshotSource } from "@quorate/services/replica";
import { sampleOf } from "./node-double";

function instruments(): Instruments {
  return new Instruments({ clusterId: "c", memberId: "n1", softwareVersion: "1" });
}

async function textOf(made: Instruments): Promise<(name: string) => number | null> {
  made.collect();
  const text = await made.metrics.text();
  return (name) => sampleOf(text, name);
}

function chunk(bytes: number, isLast: boolean): ImageChunk {
  return { position: new Uint8Array([bytes]), data: new Uint8Array(bytes), checksum: 0, isLast };
}

describe("stores with an ear", () => {
  it("time synced writes of the log and count their entries; what is not synced is no sync", async () => {
    const made = instruments();
    const log = observeLogStore(openMemoryLogStore(new MemoryLogDisk()), [made]);
    const entry = (index: number) => ({ term: 1, index, kind: "normal" as const, data: new Uint8Array(1) });
    await log.append({ entries: [entry(1), entry(2), entry(3)], hardState: null }, { sync: true });
    await log.append({ entries: [], hardState: { term: 1, vote: null, commit: 3 } }, { sync: false });
    const value = await textOf(made);
    expect(value("quorate_log_sync_seconds_count")).toBe(1);
    expect(value("quorate_log_entries_per_sync_sum")).toBe(3);
    expect(log.lastIndex()).toBe(3);
    expect(log.counters.syncs).toBe(1);
    await log.close();
  });

  it("are the stores themselves where nobody listens", () => {
    const log = openMemoryLogStore(new MemoryLogDisk());
    const state = openMemoryStateStore(new MemoryStateDisk());
    expect(observeLogStore(log, [])).toBe(log);
    expect(observeStateStore(state, [])).toBe(state);
  });

  it("count what is read of an image to be sent", async () => {
    const made = instruments();
    const state = observeStateStore(openMemoryStateStore(new MemoryStateDisk()), [made]);
    const frozen = state.freeze();
    let bytes = 0;
    for await (const { data } of frozen.chunks(null)) bytes += data.length;
    frozen.close();
    const value = await textOf(made);
    expect(value("quorate_snapshots_sent_total")).toBe(1);
    expect(value("quorate_snapshot_sent_bytes_total")).toBe(bytes);
    await state.close();
  });

  it("count what comes of an image, and that it was gone on with", async () => {
    const made = instruments();
    const header = { format: "x", applied: { term: 1, index: 9 }, revision: 4 };
    const source: SnapshotSource = {
      fetch: async (_from, resume) => ({
        imageId: 7,
        header,
        chunks: (async function* () {
          yield resume === null ? chunk(100, false) : chunk(50, true);
        })(),
      }),
    };
    const counted = observeSnapshots(source, made);
    const cancellation = { aborted: false, addEventListener: () => {}, removeEventListener: () => {} };
    for (const resume of [null, { imageId: 7, position: new Uint8Array([100]) }]) {
      const image = await counted.fetch("n2", resume, cancellation);
      for await (const { data } of image.chunks) expect(data.length).toBeGreaterThan(0);
    }
    const value = await textOf(made);
    expect(value("quorate_snapshot_received_bytes_total")).toBe(150);
    expect(value("quorate_snapshots_received_total")).toBe(1);
    expect(value("quorate_snapshots_resumed_total")).toBe(1);
  });
});
