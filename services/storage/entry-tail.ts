import type { Entry } from "#raft";
import { assert } from "#std";
import { ownBytes } from "./own-bytes";

/** What an entry takes besides its data, roughly: its place in three lists. */
const ENTRY_OVERHEAD_BYTES = 24;
/** What the data of entries is gathered in: some hundred of them, so that one that leaves takes little along. */
const PIECE_BYTES = 32 * 1024;
/** Pieces are smaller than this share of the bound. */
const PIECE_SHARE_MAX = 1 / 16;

/** Consecutive entries, the data of one behind that of the other. */
interface Piece {
  readonly firstIndex: number;
  readonly bytes: Uint8Array;
  readonly terms: number[];
  readonly kinds: Entry["kind"][];
  /** Where the data of each ends. */
  readonly ends: number[];
  /** Nothing is added any more: what lies behind the last end may be read by somebody. */
  isSealed: boolean;
}

/**
 * The newest entries of a log, bounded in bytes: what is replicated and applied is nearly always among them.
 *
 * They lie in pieces of memory, and an entry is made when it is asked for: each stays for thousands of others, so as objects
 * the garbage collector would move them twice and then have to find them dead among what is old. What was written of a piece is never written
 * again, so what get() gave stays as it is.
 */
export class EntryTail {
  private pieces: Piece[] = [];
  private heldBytes = 0;
  private firstIndex = 0;
  private nextIndex = 0;
  /** Where the last one was found that was asked for: mostly they are asked for in their order. */
  private lastFoundAt = 0;
  private readonly pieceBytes: number;

  constructor(private readonly bytesMax: number) {
    this.pieceBytes = Math.min(PIECE_BYTES, Math.floor(bytesMax * PIECE_SHARE_MAX));
  }

  /** Undefined when it has left, or never came. Its data is a view. */
  get(index: number): Entry | undefined {
    if (index < this.firstIndex || index >= this.nextIndex) return undefined;
    const { firstIndex, bytes, terms, kinds, ends } = this.pieceOf(index);
    const at = index - firstIndex;
    const start = at === 0 ? 0 : (ends[at - 1] as number);
    const length = (ends[at] as number) - start;
    const data =
      length === bytes.length ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset + start, length);
    return { index, term: terms[at] as number, kind: kinds[at] as Entry["kind"], data };
  }

  /** Entries of one append that follow those appended before, unless truncated or cleared meanwhile. */
  append(entries: readonly Entry[]): void {
    for (const entry of entries) this.add(entry);
    while (this.heldBytes > this.bytesMax && this.pieces.length > 0) this.dropFirst();
  }

  /** Forgets the entries from `index` on. */
  truncateFrom(index: number): void {
    for (let last = this.pieces.at(-1); last !== undefined; last = this.pieces.at(-1)) {
      const kept = Math.max(0, index - last.firstIndex);
      if (kept >= last.ends.length) break;
      this.heldBytes -= (last.ends.length - kept) * ENTRY_OVERHEAD_BYTES;
      last.ends.length = kept;
      last.terms.length = kept;
      last.kinds.length = kept;
      last.isSealed = true;
      if (kept > 0) break;
      this.heldBytes -= last.bytes.length;
      this.pieces.pop();
    }
    this.nextIndex = Math.min(this.nextIndex, index);
    if (this.pieces.length === 0) this.clear();
  }

  /** Forgets the entries before `index`. */
  dropBefore(index: number): void {
    this.firstIndex = Math.max(this.firstIndex, index);
    for (let first = this.pieces[0]; first !== undefined; first = this.pieces[0]) {
      if (first.firstIndex + first.ends.length > index) break;
      this.dropFirst();
    }
  }

  clear(): void {
    this.pieces = [];
    this.heldBytes = 0;
    this.firstIndex = 0;
    this.nextIndex = 0;
  }

  private add(entry: Entry): void {
    const { index, term, kind, data } = entry;
    if (this.pieces.length === 0) this.firstIndex = index;
    else assert(index === this.nextIndex, "entries come in the order of the log");
    let piece = this.pieces.at(-1);
    let start = piece?.ends.at(-1) ?? 0;
    if (data.length >= this.pieceBytes) {
      // In a piece of its own, which it is.
      piece = this.begin(index, ownBytes(data));
      start = 0;
    } else {
      if (piece === undefined || piece.isSealed || start + data.length > piece.bytes.length) {
        piece = this.begin(index, new Uint8Array(this.pieceBytes));
        start = 0;
      }
      piece.bytes.set(data, start);
    }
    piece.terms.push(term);
    piece.kinds.push(kind);
    piece.ends.push(start + data.length);
    this.heldBytes += ENTRY_OVERHEAD_BYTES;
    this.nextIndex = index + 1;
  }

  private begin(firstIndex: number, bytes: Uint8Array): Piece {
    const piece = { firstIndex, bytes, terms: [], kinds: [], ends: [], isSealed: false };
    this.pieces.push(piece);
    this.heldBytes += bytes.length;
    return piece;
  }

  private pieceOf(index: number): Piece {
    const { pieces } = this;
    let at = Math.min(this.lastFoundAt, pieces.length - 1);
    while ((pieces[at] as Piece).firstIndex > index) at -= 1;
    for (;;) {
      const piece = pieces[at] as Piece;
      if (index < piece.firstIndex + piece.ends.length) {
        this.lastFoundAt = at;
        return piece;
      }
      at += 1;
    }
  }

  private dropFirst(): void {
    const first = this.pieces.shift() as Piece;
    this.heldBytes -= first.bytes.length + first.ends.length * ENTRY_OVERHEAD_BYTES;
    this.firstIndex = Math.max(this.firstIndex, first.firstIndex + first.ends.length);
    this.lastFoundAt = Math.max(0, this.lastFoundAt - 1);
  }
}
