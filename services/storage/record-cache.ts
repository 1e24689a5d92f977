import { assert } from "#std";
import type { KeySpace } from "./key-hash";
import type { EvictedRow } from "./row-overflow";

/*
 * An entry lies in one piece: these words, the bytes of the key, those of the row, and up to three that are unused.
 */
/** The keyHash. */
const HASH = 0;
/** The bytes of the entry, a multiple of four, and marks in the two bits that are free. */
const SPAN = 1;
const NAMESPACE = 2;
const GENERATION = 3;
const KEY_BYTES = 4;
/** Of the row, and how many of them are held. */
const ROW_BYTES = 5;
const HELD_BYTES = 6;
const ENTRY_WORDS = 7;

const WORD_BYTES = 4;
/** Looked for since it came, or since it was spared. */
const IS_USED = 1;
/** Of no key any more. */
const IS_DEAD = 2;
const MARKS = IS_USED | IS_DEAD;
/** What is dead and passed over needs no more than its span. */
const FILLER_WORDS_MIN = 2;

/** Longer keys are compared by a call, which takes 0.09 us: a loop takes 0.36 for 256 bytes, and 0.02 for 16. */
const LOOP_BYTES_MAX = 64;

/** A place in the table of places for each so many bytes. */
const BYTES_PER_SLOT = 64;
const SLOTS_FILLED_MAX = 0.75;
/** Of all room an entry takes no more than this, so that no row pushes out too many others. */
const ENTRY_SHARE_MAX = 1 / 256;
/** What is kept of a row that is too long: more than any header has. */
const HEADER_BYTES_MAX = 256;
/** An entry takes a new row into its old place where it leaves no more unused than this. */
const SPARE_BYTES_MAX = 32;
/**
 * How many that were used may be spared for each that comes, and what is saved up of that: so room costs little on the
 * average, and never a walk through all there is.
 */
const SPARED_PER_ENTRY = 4;
const SPARED_MAX = 1024;

/** A row as the cache has it; to be read before the cache is changed. */
export interface CachedRow {
  readonly memory: Uint8Array;
  readonly start: number;
  /** From `start` on: all of the row, or no more than its header. */
  readonly heldBytes: number;
  /** Of the whole row; 0 of a key that never was. */
  readonly rowBytes: number;
}

/**
 * The newest rows of keys that were lately read or written, as they are stored, outside of V8's heap: however many there are,
 * none is an object that the garbage collector visits. Of a row that is too long its header is kept.
 *
 * A ring: what came first is at its front and goes first, where there is no room; but what was used since it came goes
 * to the back instead. That keeps nearly what a least-recently-used list would, and a use costs a bit. A row that is
 * about as long as the one before it takes that one's place.
 */
export class RecordCache {
  private readonly bytes: Uint8Array;
  /** The same memory, for what a Buffer can do. */
  private readonly buffer: Buffer;
  private readonly words: Uint32Array;
  /** By hash, with linear probing: a place in the ring and one, or 0. */
  private readonly slots: Uint32Array;
  private readonly slotMask: number;
  private readonly entriesMax: number;
  private readonly entryBytesMax: number;
  /** In words: the first entry, and where the next one goes. */
  private front = 0;
  private back = 0;
  /** From the front to the back. */
  private filledWords = 0;
  private entryCount = 0;
  private sparable = 0;
  /** The one answer of find(), so that none is made for each. */
  private readonly found: { memory: Uint8Array; start: number; heldBytes: number; rowBytes: number };

  /**
   * @param bytesMax of everything; 0 caches nothing
   * @param entryShareMax of the room for entries, for one
   * @param evicted is told of each whole row for which there is no more room
   */
  constructor(
    bytesMax: number,
    entryShareMax = ENTRY_SHARE_MAX,
    private readonly evicted: (row: EvictedRow) => void = () => undefined,
  ) {
    const slotCount = 2 ** Math.floor(Math.log2(Math.max(2, bytesMax / BYTES_PER_SLOT)));
    const ringBytes = Math.max(0, bytesMax - slotCount * WORD_BYTES);
    this.words = new Uint32Array(Math.floor(ringBytes / WORD_BYTES));
    this.bytes = new Uint8Array(this.words.buffer);
    this.buffer = Buffer.from(this.words.buffer);
    this.slots = new Uint32Array(slotCount);
    this.slotMask = slotCount - 1;
    this.entriesMax = Math.floor(slotCount * SLOTS_FILLED_MAX);
    this.entryBytesMax = Math.floor(this.words.byteLength * entryShareMax);
    this.found = { memory: this.bytes, start: 0, heldBytes: 0, rowBytes: 0 };
  }

  get keyCount(): number {
    return this.entryCount;
  }

  /** The row of a key, for a command or a read that may come again: so it stays for longer. */
  find(hash: number, space: KeySpace, key: Uint8Array): CachedRow | null {
    const place = this.placeAt(this.slotOf(hash, space, key));
    if (place < 0) return null;
    (this.words[place + SPAN] as number) |= IS_USED;
    return this.rowAt(place);
  }

  /** The same, and that it was looked for does not count. */
  peek(hash: number, space: KeySpace, key: Uint8Array): CachedRow | null {
    const place = this.placeAt(this.slotOf(hash, space, key));
    return place < 0 ? null : this.rowAt(place);
  }

  /** @param row empty for a key that never was */
  set(hash: number, space: KeySpace, key: Uint8Array, row: Uint8Array): void {
    const isWhole = entryBytes(key.length, row.length) <= this.entryBytesMax;
    const heldBytes = isWhole ? row.length : Math.min(row.length, HEADER_BYTES_MAX);
    const wanted = entryBytes(key.length, heldBytes);
    const slot = this.slotOf(hash, space, key);
    const known = this.placeAt(slot);
    let marks = 0;
    if (known >= 0) {
      const span = this.words[known + SPAN] as number;
      const spareBytes = (span & ~MARKS) - wanted;
      if (spareBytes >= 0 && spareBytes <= SPARE_BYTES_MAX) {
        this.putRow(known, key.length, row, heldBytes);
        return;
      }
      marks = span & IS_USED;
      this.drop(slot, known);
    }
    if (wanted > this.entryBytesMax) return;
    const place = this.reserve(wanted / WORD_BYTES);
    const { words } = this;
    words[place + HASH] = hash;
    words[place + SPAN] = wanted | marks;
    words[place + NAMESPACE] = space.namespaceId;
    words[place + GENERATION] = space.generation;
    words[place + KEY_BYTES] = key.length;
    this.bytes.set(key, (place + ENTRY_WORDS) * WORD_BYTES);
    this.putRow(place, key.length, row, heldBytes);
    // Room may have been made since, and slots moved.
    this.slots[this.slotOf(hash, space, key)] = place + 1;
    this.entryCount += 1;
  }

  delete(hash: number, space: KeySpace, key: Uint8Array): void {
    const slot = this.slotOf(hash, space, key);
    const place = this.placeAt(slot);
    if (place >= 0) this.drop(slot, place);
  }

  private rowAt(place: number): CachedRow {
    const { found, words } = this;
    found.start = (place + ENTRY_WORDS) * WORD_BYTES + (words[place + KEY_BYTES] as number);
    found.heldBytes = words[place + HELD_BYTES] as number;
    found.rowBytes = words[place + ROW_BYTES] as number;
    return found;
  }

  private putRow(place: number, keyBytes: number, row: Uint8Array, heldBytes: number): void {
    this.words[place + ROW_BYTES] = row.length;
    this.words[place + HELD_BYTES] = heldBytes;
    const held = heldBytes === row.length ? row : row.subarray(0, heldBytes);
    this.bytes.set(held, (place + ENTRY_WORDS) * WORD_BYTES + keyBytes);
  }

  /** The slot of the key, or the free one where it belongs. */
  private slotOf(hash: number, space: KeySpace, key: Uint8Array): number {
    const { slots, slotMask } = this;
    let slot = hash & slotMask;
    for (;;) {
      const place = (slots[slot] as number) - 1;
      if (place < 0 || this.isAt(place, hash, space, key)) return slot;
      slot = (slot + 1) & slotMask;
    }
  }

  private isAt(place: number, hash: number, space: KeySpace, key: Uint8Array): boolean {
    const { words, bytes, buffer } = this;
    if (words[place + HASH] !== hash || words[place + KEY_BYTES] !== key.length) return false;
    if (words[place + NAMESPACE] !== space.namespaceId || words[place + GENERATION] !== space.generation) {
      return false;
    }
    const start = (place + ENTRY_WORDS) * WORD_BYTES;
    if (key.length > LOOP_BYTES_MAX) {
      return buffer.compare(key, 0, key.length, start, start + key.length) === 0;
    }
    for (let at = 0; at < key.length; at += 1) {
      if (bytes[start + at] !== key[at]) return false;
    }
    return true;
  }

  private placeAt(slot: number): number {
    return (this.slots[slot] as number) - 1;
  }

  /** Forgets a key; what it takes is free when the front has passed it. */
  private drop(slot: number, place: number): void {
    (this.words[place + SPAN] as number) |= IS_DEAD;
    this.free(slot);
  }

  /** Frees a slot and moves those up that were put behind it for want of it (Knuth, volume 3, section 6.4, algorithm R). */
  private free(slot: number): void {
    const { slots, slotMask, words } = this;
    let hole = slot;
    let next = (hole + 1) & slotMask;
    while (slots[next] !== 0) {
      const home = (words[(slots[next] as number) - 1 + HASH] as number) & slotMask;
      if (((next - home) & slotMask) >= ((next - hole) & slotMask)) {
        slots[hole] = slots[next] as number;
        hole = next;
      }
      next = (next + 1) & slotMask;
    }
    slots[hole] = 0;
    this.entryCount -= 1;
  }

  /** Makes room at the back for so many words in one piece, and says where. */
  private reserve(wantedWords: number): number {
    this.sparable = Math.min(SPARED_MAX, this.sparable + SPARED_PER_ENTRY);
    while (this.entryCount >= this.entriesMax || !this.hasRoom(wantedWords)) this.passFront();
    return this.advance(wantedWords);
  }

  private hasRoom(wantedWords: number): boolean {
    const { length } = this.words;
    if (this.filledWords === 0) {
      this.front = 0;
      this.back = 0;
    }
    const unusedWords = this.back + wantedWords > length ? length - this.back : 0;
    return this.filledWords + unusedWords + wantedWords <= length;
  }

  /** Takes words at the back that are free; those before the end of the ring that are too few are passed over. */
  private advance(wantedWords: number): number {
    const { length } = this.words;
    if (this.back + wantedWords > length) {
      const unusedWords = length - this.back;
      if (unusedWords >= FILLER_WORDS_MIN)
        this.words[this.back + SPAN] = (unusedWords * WORD_BYTES) | IS_DEAD;
      this.filledWords += unusedWords;
      this.back = 0;
    }
    const place = this.back;
    this.back += wantedWords;
    this.filledWords += wantedWords;
    assert(this.filledWords <= length, "the ring holds no more than it has room for");
    return place;
  }

  /** Has the first entry go, or go to the back where it was used. */
  private passFront(): void {
    const { words, front } = this;
    assert(this.filledWords > 0, "what takes room is in the ring");
    if (words.length - front < FILLER_WORDS_MIN) {
      this.filledWords -= words.length - front;
      this.front = 0;
      return;
    }
    const span = words[front + SPAN] as number;
    const entryWords = (span & ~MARKS) / WORD_BYTES;
    this.front = front + entryWords === words.length ? 0 : front + entryWords;
    this.filledWords -= entryWords;
    if ((span & IS_DEAD) !== 0) return;
    const slot = this.slotOfPlace(front);
    if ((span & IS_USED) === 0 || this.sparable === 0) {
      this.free(slot);
      this.tellEvicted(front);
      return;
    }
    this.sparable -= 1;
    // What it frees is enough for it: it begins at the back, or before itself at the begin of the ring.
    const place = this.advance(entryWords);
    words.copyWithin(place, front, front + entryWords);
    words[place + SPAN] = span & ~MARKS;
    this.slots[slot] = place + 1;
  }

  private tellEvicted(place: number): void {
    const { words } = this;
    const rowBytes = words[place + ROW_BYTES] as number;
    if (rowBytes === 0 || words[place + HELD_BYTES] !== rowBytes) return;
    this.evicted({
      hash: words[place + HASH] as number,
      namespaceId: words[place + NAMESPACE] as number,
      generation: words[place + GENERATION] as number,
      memory: this.bytes,
      start: (place + ENTRY_WORDS) * WORD_BYTES,
      keyBytes: words[place + KEY_BYTES] as number,
      rowBytes,
    });
  }

  private slotOfPlace(place: number): number {
    const { slots, slotMask } = this;
    let slot = (this.words[place + HASH] as number) & slotMask;
    while (slots[slot] !== place + 1) slot = (slot + 1) & slotMask;
    return slot;
  }
}

function entryBytes(keyBytes: number, heldBytes: number): number {
  return (ENTRY_WORDS * WORD_BYTES + keyBytes + heldBytes + 3) & ~3;
}
