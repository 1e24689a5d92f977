import type { DatabaseHandle } from "./database-handle";
import { RecordWriter } from "./record-writer";
import { endedKey, rangeOfGeneration } from "./state-layout";
import type { EndedGeneration } from "./state-records";
import type { StateWriter } from "./state-writer";

/** Keys that one batch removes: below a millisecond of work that a write may have to wait for. */
const KEYS_PER_SLICE = 256;

/**
 * Removes the records of generations that ended, in slices between other writes. Each slice is a numbered batch like
 * any other; the note that a generation ended goes with the last, so that a restart goes on where this stopped.
 */
export class Reclaimer {
  private readonly waiting: EndedGeneration[] = [];
  private running: Promise<void> | null = null;

  constructor(
    private readonly handle: DatabaseHandle,
    private readonly stateWriter: StateWriter,
  ) {}

  /** Takes generations that nobody can begin to read any more. Scans that are under way have snapshots. */
  start(ended: readonly EndedGeneration[]): void {
    this.waiting.push(...ended);
    if (this.running !== null || this.waiting.length === 0) return;
    this.running = this.run().finally(() => {
      this.running = null;
    });
  }

  /** Resolves when nothing is left to remove, or the handle has ended. */
  async settle(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
      try {
        await this.removeKeys("newest", next);
        await this.removeKeys("version", next);
        await this.removeNote(next);
      } catch (error) {
        // The failure is the handle's from here on: the next write or read meets it.
        this.handle.fault("could not remove what was truncated", error);
        return;
      }
    }
  }

  private async removeKeys(kind: "newest" | "version", ended: EndedGeneration): Promise<void> {
    this.handle.check();
    const range = rangeOfGeneration(new RecordWriter(), kind, ended.namespaceId, ended.generation);
    const iterator = this.handle.database.keys(range);
    try {
      for (;;) {
        const keys = await iterator.nextv(KEYS_PER_SLICE);
        if (keys.length === 0) return;
        await this.stateWriter.write((batch) => {
          let bytes = 0;
          for (const key of keys) {
            batch.del(key);
            bytes += key.length;
          }
          return bytes;
        }, null);
      }
    } finally {
      await iterator.close();
    }
  }

  private removeNote(ended: EndedGeneration): Promise<void> {
    const writer = new RecordWriter();
    return this.stateWriter.write(
      (batch) => endedKey(writer, ended.namespaceId, ended.generation).deleteFrom(batch),
      null,
    );
  }
}
