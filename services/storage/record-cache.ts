import type { StoredRecord } from "#kv";
import { ownBytes } from "./own-bytes";
import type { NewestVersion } from "./version-records";

/** What a cached key takes besides its bytes: the map's slot, the header of the text, the object. */
const KEY_OVERHEAD_BYTES = 200;
/** The same of a value, which is an object with memory of its own, and again the key. */
const VALUE_OVERHEAD_BYTES = 350;
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

/**
 * The newest versions of keys that were lately read or written, bounded in bytes: what is known of a key apart from its
 * value, for it takes little, and what is written is read before without its value.
 */
export class RecordCache {
  private readonly keys: Halves<CachedKey>;
  private readonly values: Halves<Uint8Array>;

  constructor(bytesMax: number) {
    this.keys = new Halves(bytesMax * KEYS_SHARE);
    this.values = new Halves(bytesMax * (1 - KEYS_SHARE));
  }

  get(cacheKey: string): CachedKey | undefined {
    return this.keys.get(cacheKey, bytesOfKey);
  }

  /** Of a key that get() found to be there. */
  value(cacheKey: string): Uint8Array | undefined {
    return this.values.get(cacheKey, bytesOfValue);
  }

  /** @param value null where it is not known, or where there is none */
  set(cacheKey: string, cached: CachedKey, value: Uint8Array | null): void {
    this.keys.set(cacheKey, cached, bytesOfKey);
    // So a value is never that of another version than its key tells.
    if (value === null) this.values.delete(cacheKey, bytesOfValue);
    else this.values.set(cacheKey, ownBytes(value), bytesOfValue);
  }

  delete(cacheKey: string): void {
    this.keys.delete(cacheKey, bytesOfKey);
    this.values.delete(cacheKey, bytesOfValue);
  }

  get keyCount(): number {
    return this.keys.count;
  }
}

type BytesOf<Value> = (cacheKey: string, value: Value) => number;

/**
 * A bounded map in two halves instead of a list in the order of use: what is used again moves into the young half; when
 * that is full it becomes the old one, and what was not used since is forgotten. That costs one map write a use, and keeps
 * what a least-recently-used list would, nearly.
 */
class Halves<Value> {
  private young = new Map<string, Value>();
  private old = new Map<string, Value>();
  private youngBytes = 0;

  constructor(private readonly bytesMax: number) {}

  get(cacheKey: string, bytesOf: BytesOf<Value>): Value | undefined {
    const young = this.young.get(cacheKey);
    if (young !== undefined) return young;
    const old = this.old.get(cacheKey);
    if (old !== undefined) this.set(cacheKey, old, bytesOf);
    return old;
  }

  set(cacheKey: string, value: Value, bytesOf: BytesOf<Value>): void {
    const before = this.young.get(cacheKey);
    if (before !== undefined) this.youngBytes -= bytesOf(cacheKey, before);
    this.young.set(cacheKey, value);
    this.youngBytes += bytesOf(cacheKey, value);
    if (this.youngBytes * 2 <= this.bytesMax) return;
    this.old = this.young;
    this.young = new Map();
    this.youngBytes = 0;
  }

  delete(cacheKey: string, bytesOf: BytesOf<Value>): void {
    const young = this.young.get(cacheKey);
    if (young !== undefined) this.youngBytes -= bytesOf(cacheKey, young);
    this.young.delete(cacheKey);
    this.old.delete(cacheKey);
  }

  get count(): number {
    return this.young.size + this.old.size;
  }
}

function bytesOfKey(cacheKey: string): number {
  return KEY_OVERHEAD_BYTES + cacheKey.length;
}

function bytesOfValue(cacheKey: string, value: Uint8Array): number {
  return VALUE_OVERHEAD_BYTES + cacheKey.length + value.length;
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
