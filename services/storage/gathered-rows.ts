import { crc32 } from "node:zlib";
import { EMPTY_BYTES } from "#std";
import type { ChainedBatch } from "./database";
import type { KeySpace } from "./key-hash";
import { CRC_BYTES, RecordWriter, writeCrc } from "./record-writer";
import { keyOfChange } from "./revision-records";
import { NEWEST_PREFIX_BYTES, newestKey } from "./state-layout";
import { isApartOf, type VersionChange, writeValue } from "./version-records";

/** The version that a key has by a change which LevelDB does not have yet. */
export interface WrittenVersion {
  /** The value of its `newest` row, in memory that changes: to be read before anything else is written. */
  readonly row: Uint8Array;
  /** Of a put, where the value lies apart; else null. */
  readonly value: Uint8Array | null;
}

/*
 * Of each key some words, and in one piece of memory what LevelDB is to get: the key of its `newest` row, the row, and room
 * for the checksum.
 */
const HASH = 0;
const NAMESPACE = 1;
const GENERATION = 2;
const START = 3;
/** Of the key by itself. */
const KEY_BYTES = 4;
const ROW_BYTES = 5;
/** A position among the values that lie apart, and one; 0 of a row that has its value. */
const APART = 6;
const ENTRY_WORDS = 7;

type ApartChange = Extract<VersionChange, { readonly kind: "put" }>;

const SLOTS_MIN = 1024;
const BYTES_MIN = 64 * 1024;
/** What took more than that is not kept for others. */
const KEPT_BYTES_MAX = 1024 * 1024;
const KEPT_SLOTS_MAX = 16 * 1024;

/** Rows go to LevelDB from the front of the memory, but for longer ones: so most need no views of their own. */
const FRONT_BYTES = 4 * 1024;

interface RowViews {
  /** The key and the row. */
  readonly checked: Uint8Array;
  readonly key: Uint8Array;
  /** The row and the checksum. */
  readonly value: Uint8Array;
}

const NO_VIEWS: RowViews = { checked: EMPTY_BYTES, key: EMPTY_BYTES, value: EMPTY_BYTES };

/**
 * The `newest` rows of the keys that were changed, of each the last, as LevelDB is to get them: what was gathered for it is no
 * object that the garbage collector moves. Memory is kept when they are forgotten.
 */
export class GatheredRows {
  private bytes = new Uint8Array(BYTES_MIN);
  private length = FRONT_BYTES;
  private words = new Uint32Array((SLOTS_MIN / 2) * ENTRY_WORDS);
  private count = 0;
  /** The position of a key and one, or 0, by hash with linear probing; twice as many as keys at least. */
  private slots = new Int32Array(SLOTS_MIN);
  private readonly apart: ApartChange[] = [];
  private readonly writer = new RecordWriter();
  private views = NO_VIEWS;

  get(hash: number, space: KeySpace, key: Uint8Array): WrittenVersion | undefined {
    if (this.count === 0) return undefined;
    const at = (this.slots[this.slotOf(hash, space, key)] as number) - 1;
    if (at < 0) return undefined;
    const word = at * ENTRY_WORDS;
    const { words } = this;
    const from = (words[word + START] as number) + NEWEST_PREFIX_BYTES + (words[word + KEY_BYTES] as number);
    const row = new Uint8Array(this.bytes.buffer, from, words[word + ROW_BYTES] as number);
    const apart = words[word + APART] as number;
    return { row, value: apart === 0 ? null : (this.apart[apart - 1] as ApartChange).record.value };
  }

  /** @param row the value of the `newest` row that the change makes; its bytes are copied */
  set(hash: number, change: VersionChange, row: Uint8Array): void {
    const key = keyOfChange(change);
    const slot = this.slotOf(hash, change, key);
    let at = (this.slots[slot] as number) - 1;
    const isNew = at < 0;
    if (isNew) {
      at = this.count;
      this.count += 1;
      this.slots[slot] = this.count;
      if ((at + 1) * ENTRY_WORDS > this.words.length) this.words = grown(this.words);
    }
    const word = at * ENTRY_WORDS;
    const { words } = this;
    if (isNew) {
      words[word + HASH] = hash;
      words[word + NAMESPACE] = change.namespaceId;
      words[word + GENERATION] = change.generation;
      words[word + KEY_BYTES] = key.length;
    }
    // What was there before has another length, and stays behind.
    if (isNew || words[word + ROW_BYTES] !== row.length) words[word + START] = this.room(change, key, row);
    words[word + ROW_BYTES] = row.length;
    this.bytes.set(row, (words[word + START] as number) + NEWEST_PREFIX_BYTES + key.length);
    if (isApartOf(change)) this.apart.push(change);
    words[word + APART] = isApartOf(change) ? this.apart.length : 0;
    if (this.count * 2 > this.slots.length) this.growSlots();
  }

  /** Puts the values that lie apart too, of versions that were replaced as well. @returns the bytes put */
  putInto(batch: ChainedBatch): number {
    const { words, count, bytes } = this;
    let putBytes = 0;
    for (const change of this.apart) putBytes += writeValue(this.writer, change).putInto(batch).bytes;
    for (let word = 0; word < count * ENTRY_WORDS; word += ENTRY_WORDS) {
      const keyBytes = NEWEST_PREFIX_BYTES + (words[word + KEY_BYTES] as number);
      const wholeBytes = keyBytes + (words[word + ROW_BYTES] as number) + CRC_BYTES;
      let start = words[word + START] as number;
      if (wholeBytes <= FRONT_BYTES) {
        bytes.copyWithin(0, start, start + wholeBytes);
        start = 0;
      }
      const views = this.viewsOf(start, keyBytes, wholeBytes);
      writeCrc(bytes, start + wholeBytes - CRC_BYTES, crc32(views.checked));
      batch.put(views.key, views.value);
      putBytes += wholeBytes;
    }
    return putBytes;
  }

  /** Forgets all of them. */
  clear(): void {
    if (this.bytes.length > KEPT_BYTES_MAX) this.bytes = new Uint8Array(BYTES_MIN);
    if (this.slots.length > KEPT_SLOTS_MAX) {
      this.words = new Uint32Array((SLOTS_MIN / 2) * ENTRY_WORDS);
      this.slots = new Int32Array(SLOTS_MIN);
    } else {
      this.slots.fill(0);
    }
    this.length = FRONT_BYTES;
    this.count = 0;
    this.apart.length = 0;
  }

  /** Nobody keeps one: LevelDB copies the bytes at once. Those at the front serve for all that are as long. */
  private viewsOf(start: number, keyBytes: number, wholeBytes: number): RowViews {
    const { buffer } = this.bytes;
    const { key, value } = this.views;
    const isSameKey = start === key.byteOffset && keyBytes === key.length && key.buffer === buffer;
    if (isSameKey && wholeBytes === keyBytes + value.length) return this.views;
    this.views = {
      checked: new Uint8Array(buffer, start, wholeBytes - CRC_BYTES),
      key: isSameKey ? key : new Uint8Array(buffer, start, keyBytes),
      value: new Uint8Array(buffer, start + keyBytes, wholeBytes - keyBytes),
    };
    return this.views;
  }

  /** Writes the key of a row. @returns where it starts */
  private room(space: KeySpace, key: Uint8Array, row: Uint8Array): number {
    const start = this.length;
    const end = start + NEWEST_PREFIX_BYTES + key.length + row.length + CRC_BYTES;
    if (end > this.bytes.length) {
      const larger = new Uint8Array(Math.max(end, this.bytes.length * 2));
      larger.set(new Uint8Array(this.bytes.buffer, 0, start));
      this.bytes = larger;
    }
    this.bytes.set(newestKey(this.writer, space.namespaceId, space.generation, key).row, start);
    this.length = end;
    return start;
  }

  /** That of the key, or the free one where it belongs. */
  private slotOf(hash: number, space: KeySpace, key: Uint8Array): number {
    const mask = this.slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const at = (this.slots[slot] as number) - 1;
      if (at < 0) return slot;
      const word = at * ENTRY_WORDS;
      if (this.words[word + HASH] === hash && this.isOf(word, space, key)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  private isOf(word: number, { namespaceId, generation }: KeySpace, key: Uint8Array): boolean {
    const { words, bytes } = this;
    if (words[word + NAMESPACE] !== namespaceId || words[word + GENERATION] !== generation) return false;
    const { length } = key;
    if (words[word + KEY_BYTES] !== length) return false;
    const start = (words[word + START] as number) + NEWEST_PREFIX_BYTES;
    for (let at = 0; at < length; at += 1) if (bytes[start + at] !== key[at]) return false;
    return true;
  }

  private growSlots(): void {
    const slots = new Int32Array(this.slots.length * 2);
    const mask = slots.length - 1;
    for (let at = 0; at < this.count; at += 1) {
      let slot = (this.words[at * ENTRY_WORDS + HASH] as number) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = at + 1;
    }
    this.slots = slots;
  }
}

function grown(words: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(words.length * 2);
  larger.set(words);
  return larger;
}
