import type { Entry } from "#raft";
import { assert } from "#std";
import { SLACK_BYTES_MAX } from "./own-bytes";

/** What an entry takes besides its data, roughly. */
const ENTRY_OVERHEAD_BYTES = 250;

/** The newest entries of a log, bounded in bytes: what is replicated and applied is nearly always among them. */
export class EntryTail {
  private held: (Entry | undefined)[] = [];
  /** Positions before it are empty: entries leave at the front without the rest being moved each time. */
  private front = 0;
  private bytes = 0;
  private nextIndex = 0;

  constructor(private readonly bytesMax: number) {}

  /** Undefined when it has left, or never came. */
  get(index: number): Entry | undefined {
    return this.held[this.held.length - (this.nextIndex - index)];
  }

  /** Entries of one append that follow those appended before, unless truncated or cleared meanwhile. */
  append(entries: readonly Entry[]): void {
    for (const entry of withOwnBytes(entries)) {
      assert(
        this.held.length === 0 || entry.index === this.nextIndex,
        "entries come in the order of the log",
      );
      this.held.push(entry);
      this.nextIndex = entry.index + 1;
      this.bytes += entry.data.length + ENTRY_OVERHEAD_BYTES;
    }
    while (this.bytes > this.bytesMax && this.front < this.held.length) this.dropFirst();
  }

  /** Forgets the entries from `index` on. */
  truncateFrom(index: number): void {
    while (this.held.length > this.front && this.nextIndex > index) {
      const last = this.held.pop() as Entry;
      this.bytes -= last.data.length + ENTRY_OVERHEAD_BYTES;
      this.nextIndex -= 1;
    }
    if (this.held.length === this.front) this.clear();
  }

  /** Forgets the entries before `index`. */
  dropBefore(index: number): void {
    while (this.front < this.held.length && this.nextIndex - (this.held.length - this.front) < index) {
      this.dropFirst();
    }
  }

  clear(): void {
    this.held = [];
    this.front = 0;
    this.bytes = 0;
  }

  private dropFirst(): void {
    const first = this.held[this.front] as Entry;
    this.held[this.front] = undefined;
    this.front += 1;
    this.bytes -= first.data.length + ENTRY_OVERHEAD_BYTES;
    if (this.front > 1024 && this.front * 2 > this.held.length) {
      this.held = this.held.slice(this.front);
      this.front = 0;
    }
  }
}

/** A frame that entries fill to this share is not worth a copy of them. */
const FILLED_SHARE_MIN = 0.75;

/**
 * The same entries without the memory that decoded views would pin, such as a frame from a peer with little else in it.
 * The copies lie in one piece, for they come and go together and V8 keeps account of each piece.
 */
function withOwnBytes(entries: readonly Entry[]): readonly Entry[] {
  const frame = entries[0]?.data.buffer;
  let bytes = 0;
  let bytesOfFrame = 0;
  let isOwn = true;
  for (const { data } of entries) {
    const { buffer, length } = data;
    bytes += length;
    if (buffer === frame) bytesOfFrame += length;
    if (buffer.byteLength - length > SLACK_BYTES_MAX) isOwn = false;
  }
  if (isOwn || frame === undefined) return entries;
  if (bytesOfFrame === bytes && bytes >= frame.byteLength * FILLED_SHARE_MIN) return entries;
  const copies = new Uint8Array(bytes);
  let at = 0;
  return entries.map((entry) => {
    const from = at;
    copies.set(entry.data, from);
    at += entry.data.length;
    return { ...entry, data: copies.subarray(from, at) };
  });
}
