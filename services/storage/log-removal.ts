import type { DatabaseHandle } from "./database-handle";
import { writeEntryKey } from "./log-layout";
import { RecordWriter } from "./record-writer";
import { KEYS_PER_SLICE } from "./removal";

/** Below this it is not worth it: LevelDB merges its tables by itself as more is appended. */
const RETURNED_BYTES_MIN = 1024 * 1024;

/** Entries by their indexes, both included. */
interface EntryRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Removes entries that lie before the log's begin, in slices between appends, and returns their space. None of it need
 * be durable: what a crash brings back lies before the begin still, and goes when the log is opened.
 */
export class LogRemoval {
  private readonly writer = new RecordWriter();
  private readonly ranges: EntryRange[] = [];
  /** What was removed since space was last returned lies in there. */
  private removed: EntryRange | null = null;
  private removedBytes = 0;
  private running: Promise<void> | null = null;
  private isStopped = false;

  /** @param inTurn runs a write between the others of the log */
  constructor(
    private readonly handle: DatabaseHandle,
    private readonly groupId: number,
    private readonly inTurn: (write: () => Promise<void>) => Promise<void>,
  ) {}

  /** So many bytes are, or will be, removed. */
  noteRemoved(bytes: number): void {
    this.removedBytes += bytes;
  }

  remove(range: EntryRange): void {
    this.ranges.push(range);
    this.running ??= this.run();
  }

  /** Resolves when nothing is left to remove, or the handle has ended. */
  async settle(): Promise<void> {
    await this.running;
  }

  /** What is left is left for the next opening. */
  stop(): void {
    this.isStopped = true;
  }

  private async run(): Promise<void> {
    try {
      while (this.ranges.length > 0 && !this.isStopped) {
        const range = this.ranges.shift() as EntryRange;
        for (let from = range.from; from <= range.to && !this.isStopped; from += KEYS_PER_SLICE) {
          const to = Math.min(range.to, from + KEYS_PER_SLICE - 1);
          await this.inTurn(() => this.removeSlice({ from, to }));
        }
        this.removed = { from: Math.min(this.removed?.from ?? range.from, range.from), to: range.to };
        if (this.ranges.length === 0) await this.returnSpace();
      }
    } catch (error) {
      // The failure is the handle's from here on: the next append meets it.
      this.handle.fault("could not remove entries that were given up", error);
    } finally {
      this.running = null;
    }
  }

  private async removeSlice({ from, to }: EntryRange): Promise<void> {
    const batch = this.handle.database.batch();
    for (let index = from; index <= to; index += 1) {
      writeEntryKey(this.writer, this.groupId, index).deleteFrom(batch);
    }
    await this.handle.write(batch, { sync: false });
  }

  /** To LevelDB a removal is one more record: the space comes back when the tables that hold both are merged. */
  private async returnSpace(): Promise<void> {
    if (this.removed === null || this.removedBytes < RETURNED_BYTES_MIN || this.isStopped) return;
    const { from, to } = this.removed;
    this.removed = null;
    this.removedBytes = 0;
    const first = writeEntryKey(this.writer, this.groupId, from).takeKey();
    const last = writeEntryKey(this.writer, this.groupId, to).takeKey();
    await this.handle.database.compactRange(first, last);
  }
}
