import { assert } from "#std";
import type { Database } from "./database";
import type { DatabaseHandle } from "./database-handle";
import { RemovedRows } from "./removed-rows";
import { type KeyRange, RANGE_OF_RECORDS, RANGE_OF_REVISIONS } from "./state-layout";
import type { StateWriter } from "./state-writer";

/** Below this it is not worth it: LevelDB merges its tables by itself as others are written. */
const REMOVED_BYTES_MIN = 8 * 1024 * 1024;
/** What was removed comes to so much of what the tables take of its kind. */
const REMOVED_SHARE_MIN = 0.5;
/** What is compacted in one go: others' compactions, and the checkpoint, wait until it is done. */
const PIECE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Makes LevelDB give back the space of what was removed: to LevelDB a removal is one more record, and the space comes
 * back when the tables that hold both are merged. It does so by itself as more is written, never while nothing is. By
 * the share that was removed, so that rewriting the tables costs at most a few bytes for each that was removed; and only
 * where something was, so that of history what is still kept is left alone, for it lies behind. What a
 * snapshot can still see LevelDB moves to its last level instead, and does not look at again when it is asked to compact
 * (DBImpl::CompactRange); so those that were open when there was enough to return are waited for, and no later ones.
 */
export class SpaceReturn {
  private readonly removed = [new RemovedRows(RANGE_OF_REVISIONS), new RemovedRows(RANGE_OF_RECORDS)];
  /** What is open and keeps LevelDB from giving up what it can still see. */
  private readonly open: Set<object> = new Set();
  /** Of them those that were open when there was enough to return, and are waited for; null where there is not enough. */
  private awaited: Set<object> | null = null;

  constructor(
    private readonly handle: DatabaseHandle,
    private readonly stateWriter: Pick<StateWriter, "flush">,
  ) {}

  /** @param range in which it lay @param bytes of what was removed in it */
  noteRemoved(range: KeyRange, bytes: number): void {
    this.removed.find(({ whole }) => includes(whole, range))?.add(range, bytes);
  }

  /** Whether so much more that is removed of a kind would have its space returned. */
  async isWorthReturning(whole: KeyRange, moreBytes: number): Promise<boolean> {
    const removed = this.removed.find((rows) => rows.whole === whole);
    assert(removed !== undefined, "the space of each kind is counted");
    return this.isWorth(whole, removed.bytes + moreBytes);
  }

  /** A state was frozen: what is removed from now on it can still see. */
  noteFrozen(state: object): void {
    this.open.add(state);
  }

  /** A frozen state was let go of. @returns whether it was the last that was waited for */
  noteReleased(state: object): boolean {
    this.open.delete(state);
    return this.awaited?.delete(state) === true && this.awaited.size === 0;
  }

  /** Returns space if enough was removed; whether it did. */
  async returnDue(): Promise<boolean> {
    const due: RemovedRows[] = [];
    for (const rows of this.removed) if (await this.isWorth(rows.whole, rows.bytes)) due.push(rows);
    if (due.length === 0) {
      this.awaited = null;
      return false;
    }
    this.awaited ??= new Set(this.open);
    if (this.awaited.size > 0) return false;
    this.awaited = null;
    const { database } = this.handle;
    for (const range of due.flatMap((rows) => rows.takeRanges())) {
      for await (const piece of piecesOf(database, range)) {
        this.handle.check();
        await database.compactRange(piece.gte, piece.lt);
      }
    }
    this.handle.check();
    return true;
  }

  /** Whether it is worth it to return so much of a kind. */
  private async isWorth(whole: KeyRange, bytes: number): Promise<boolean> {
    if (bytes < REMOVED_BYTES_MIN) return false;
    await this.stateWriter.flush();
    const storedBytes = await this.handle.database.approximateSize(whole.gte, whole.lt);
    return bytes >= storedBytes * REMOVED_SHARE_MIN;
  }
}

function includes(whole: KeyRange, { gte, lt }: KeyRange): boolean {
  return Buffer.compare(whole.gte, gte) <= 0 && Buffer.compare(lt, whole.lt) <= 0;
}

/** A range in parts of at most PIECE_BYTES_MAX, nearly, in order and without gaps. */
async function* piecesOf(database: Database, range: KeyRange): AsyncGenerator<KeyRange> {
  let gte = range.gte;
  let lt = range.gte;
  let bytes = 0;
  for await (const part of partsOf(database, range)) {
    if (bytes > 0 && bytes + part.bytes > PIECE_BYTES_MAX) {
      yield { gte, lt };
      gte = part.gte;
      bytes = 0;
    }
    lt = part.lt;
    bytes += part.bytes;
  }
  yield { gte, lt };
}

/** Splits a range that is too large where its keys first differ, again and again. */
async function* partsOf(
  database: Database,
  range: KeyRange,
): AsyncGenerator<KeyRange & { readonly bytes: number }> {
  const bytes = await database.approximateSize(range.gte, range.lt);
  const borders = bytes <= PIECE_BYTES_MAX ? [] : await bordersIn(database, range);
  if (borders.length === 0) {
    yield { ...range, bytes };
    return;
  }
  let { gte } = range;
  for (const border of borders) {
    yield* partsOf(database, { gte, lt: border });
    gte = border;
  }
  yield* partsOf(database, { gte, lt: range.lt });
}

/** Keys between the first and the last of a range, one for each value of the first byte in which those two differ. */
async function bordersIn(database: Database, range: KeyRange): Promise<readonly Uint8Array[]> {
  const [first] = await database.keys({ ...range, limit: 1 }).all();
  const [last] = await database.keys({ ...range, limit: 1, reverse: true }).all();
  if (first === undefined || last === undefined) return [];
  let shared = 0;
  while (shared < first.length && first[shared] === last[shared]) shared += 1;
  const lastByte = last[shared];
  if (lastByte === undefined) return [];
  const borders: Uint8Array[] = [];
  for (let byte = (first[shared] ?? -1) + 1; byte <= lastByte; byte += 1) {
    borders.push(Uint8Array.of(...last.subarray(0, shared), byte));
  }
  return borders;
}
