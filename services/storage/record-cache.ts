import type { StoredRecord } from "#kv";
import { assert } from "#std";
import { ownBytes } from "./own-bytes";
import type { NewestVersion } from "./version-records";

/** What a cached key takes besides its bytes: the map's slot, the header of the text, the objects. */
const KEY_OVERHEAD_BYTES = 200;
/** The same of a value, which is a text with a header. */
const VALUE_OVERHEAD_BYTES = 24;
/** A larger value has memory of its own, which takes more besides, and need not be made again of a text. */
const TEXT_BYTES_MAX = 1024;
const OWN_OVERHEAD_BYTES = 300;
/**
 * Keys get so much of the bound: a command that writes reads no more than the key mostly. Each key that is looked for in
 * tables also counts as a seek of LevelDB, of which a hundred have a table merged ahead of its time (DBImpl::Get,
 * Version::UpdateStats).
 */
const KEYS_SHARE = 2 / 3;

/** The newest version of a key, without its bytes. */
export interface CachedKey {
  /** 0 where there never was one. */
  readonly modRevision: number;
  /** Not where it is deleted or never was; then what follows is 0. */
  readonly isThere: boolean;
  readonly valueBytes: number;
  readonly createRevision: number;
  readonly version: number;
  readonly leaseId: number;
}

interface CacheEntry {
  known: CachedKey;
  /** Of that version; null where it is not cached. */
  value: CachedValue | null;
  /** Since it was last in front. */
  isUsed: boolean;
}

/** A text has a character a byte: so a value takes little more than its bytes. */
type CachedValue = string | Uint8Array;

/**
 * The newest versions of keys that were lately read or written, bounded in bytes: what is known of a key apart from its
 * value, for it takes little, and what is written is read before without its value.
 *
 * Where there is no room, keys go in the order in which they came; but those that were used since go to the end of the line
 * instead. That keeps nearly what a least-recently-used list would, and a use costs a flag.
 */
export class RecordCache {
  private readonly entries = new Map<string, CacheEntry>();
  private readonly keysBytesMax: number;
  private readonly valuesBytesMax: number;
  private keysBytes = 0;
  private valuesBytes = 0;
  /**
   * The line, from its front on. Kept, for a new one would come by all that was deleted; it also comes to what is put into
   * the map later.
   */
  private line = this.entries.entries();

  constructor(bytesMax: number) {
    this.keysBytesMax = bytesMax * KEYS_SHARE;
    this.valuesBytesMax = bytesMax - this.keysBytesMax;
  }

  get(cacheKey: string): CachedKey | undefined {
    const entry = this.entries.get(cacheKey);
    if (entry === undefined) return undefined;
    entry.isUsed = true;
    return entry.known;
  }

  /** Of a key that get() found to be there. */
  value(cacheKey: string): Uint8Array | undefined {
    const value = this.entries.get(cacheKey)?.value ?? null;
    return value === null ? undefined : bytesOf(value);
  }

  /** @param value null where it is not known, or where there is none */
  set(cacheKey: string, known: CachedKey, value: Uint8Array | null): void {
    let entry = this.entries.get(cacheKey);
    if (entry === undefined) {
      entry = { known, value: null, isUsed: false };
      this.entries.set(cacheKey, entry);
      this.keysBytes += keyBytes(cacheKey);
    } else {
      entry.known = known;
      entry.isUsed = true;
    }
    // So a value is never that of another version than its key tells.
    this.dropValue(entry);
    // One that is larger would push out all others, and itself at last.
    if (value !== null && value.length * 2 <= this.valuesBytesMax) {
      entry.value = cachedValue(value);
      this.valuesBytes += valueBytes(entry.value);
    }
    while (this.keysBytes > this.keysBytesMax || this.valuesBytes > this.valuesBytesMax) this.makeRoom();
  }

  delete(cacheKey: string): void {
    const entry = this.entries.get(cacheKey);
    if (entry === undefined) return;
    this.dropValue(entry);
    this.entries.delete(cacheKey);
    this.keysBytes -= keyBytes(cacheKey);
  }

  get keyCount(): number {
    return this.entries.size;
  }

  /** Has the first in the line go, or go to its end. */
  private makeRoom(): void {
    const front = this.line.next();
    assert(front.done !== true, "what takes room is in the line");
    const [cacheKey, entry] = front.value;
    if (!entry.isUsed && this.keysBytes > this.keysBytesMax) {
      this.delete(cacheKey);
      return;
    }
    if (!entry.isUsed) this.dropValue(entry);
    entry.isUsed = false;
    this.entries.delete(cacheKey);
    this.entries.set(cacheKey, entry);
  }

  private dropValue(entry: CacheEntry): void {
    if (entry.value === null) return;
    this.valuesBytes -= valueBytes(entry.value);
    entry.value = null;
  }
}

function keyBytes(cacheKey: string): number {
  return KEY_OVERHEAD_BYTES + cacheKey.length;
}

function valueBytes(value: CachedValue): number {
  return (typeof value === "string" ? VALUE_OVERHEAD_BYTES : OWN_OVERHEAD_BYTES) + value.length;
}

function bytesOf(value: CachedValue): Uint8Array {
  return typeof value === "string" ? Buffer.from(value, "latin1") : value;
}

function cachedValue(value: Uint8Array): CachedValue {
  if (value.length > TEXT_BYTES_MAX) return ownBytes(value);
  if (scratch.length < value.length) scratch = Buffer.alloc(TEXT_BYTES_MAX);
  scratch.set(value);
  return scratch.toString("latin1", 0, value.length);
}

const SPACE_BYTES = 8;
let scratch = Buffer.alloc(256);

/** Keys as texts, a character a byte, for byte arrays cannot be keys of a map: namespace and generation come first. */
export function cacheKeyOf(namespaceId: number, generation: number, key: Uint8Array): string {
  const length = SPACE_BYTES + key.length;
  if (scratch.length < length) scratch = Buffer.alloc(length * 2);
  scratch.writeUInt32BE(namespaceId, 0);
  scratch.writeUInt32BE(generation, 4);
  scratch.set(key, SPACE_BYTES);
  return scratch.toString("latin1", 0, length);
}

export function cachedOf({ modRevision, record }: NewestVersion): CachedKey {
  if (record === null) {
    return { modRevision, isThere: false, valueBytes: 0, createRevision: 0, version: 0, leaseId: 0 };
  }
  const { valueBytes, createRevision, version, leaseId } = record;
  return { modRevision, isThere: true, valueBytes, createRevision, version, leaseId };
}

/** The record of a key that is there. */
export function recordOf(key: Uint8Array, cached: CachedKey, value: Uint8Array): StoredRecord {
  const { valueBytes, createRevision, modRevision, version, leaseId } = cached;
  return { key, value, valueBytes, createRevision, modRevision, version, leaseId };
}
