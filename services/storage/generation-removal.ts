import { RecordWriter } from "./record-writer";
import { KEYS_PER_SLICE, type RemovalParts } from "./removal";
import type { SpaceReturn } from "./space-return";
import { endedKey, type KeyRange, rangeOfGeneration, rangeOfHistory } from "./state-layout";
import type { EndedGeneration } from "./state-records";

/**
 * Removes the records of a generation that ended, and where its namespace was deleted all that tells its history. The
 * note that it ended goes last.
 */
export class GenerationRemoval {
  private readonly writer = new RecordWriter();

  constructor(
    private readonly parts: RemovalParts,
    private readonly space: SpaceReturn,
  ) {}

  async remove({ namespaceId, generation }: EndedGeneration): Promise<void> {
    const { writer } = this;
    // Nothing is written to it any more.
    await this.parts.stateWriter.flush();
    for (const kind of ["leaseKey", "newest", "value"] as const) {
      await this.removeRange(rangeOfGeneration(writer, kind, namespaceId, generation));
    }
    const isDeleted = this.parts.floors.givenUpTo(namespaceId) === null;
    if (isDeleted) await this.removeRange(rangeOfHistory(writer, namespaceId));
    await this.parts.stateWriter.write((batch) =>
      endedKey(writer, namespaceId, generation).deleteFrom(batch),
    );
  }

  private async removeRange(range: KeyRange): Promise<void> {
    const { handle, stateWriter } = this.parts;
    handle.check();
    this.space.noteRemoved(range, await handle.database.approximateSize(range.gte, range.lt));
    const iterator = handle.database.keys(range);
    try {
      for (;;) {
        const keys = await iterator.nextv(KEYS_PER_SLICE);
        if (keys.length === 0) return;
        await stateWriter.write((batch) => {
          let bytes = 0;
          for (const key of keys) {
            batch.del(key);
            bytes += key.length;
          }
          return bytes;
        });
      }
    } finally {
      await iterator.close();
    }
  }
}
