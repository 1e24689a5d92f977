import type { NewestVersion } from "./version-records";

/** What a cached key takes besides the bytes of key and value: the map's slot, the text of the key, the objects. */
const SLOT_OVERHEAD_BYTES = 600;

/** `hasValue` says whether the record holds its value; a deleted or absent key needs none. */
export interface CachedVersion extends NewestVersion {
  readonly hasValue: boolean;
}

/**
 * The newest versions of keys that were lately read or written, bounded in bytes. Two halves instead of a list in the
 * order of use: what is used again moves into the young half; when that is full it becomes the old one, and what was
 * not used since is forgotten. That costs one map write a use, and keeps what a least-recently-used list would, nearly.
 */
export class RecordCache {
  private young = new Map<string, CachedVersion>();
  private old = new Map<string, CachedVersion>();
  private youngBytes = 0;

  constructor(private readonly bytesMax: number) {}

  get(cacheKey: string): CachedVersion | undefined {
    const young = this.young.get(cacheKey);
    if (young !== undefined) return young;
    const old = this.old.get(cacheKey);
    if (old !== undefined) this.set(cacheKey, old);
    return old;
  }

  set(cacheKey: string, cached: CachedVersion): void {
    const before = this.young.get(cacheKey);
    if (before !== undefined) this.youngBytes -= slotBytes(cacheKey, before);
    this.young.set(cacheKey, cached);
    this.youngBytes += slotBytes(cacheKey, cached);
    if (this.youngBytes * 2 <= this.bytesMax) return;
    this.old = this.young;
    this.young = new Map();
    this.youngBytes = 0;
  }

  delete(cacheKey: string): void {
    const young = this.young.get(cacheKey);
    if (young !== undefined) this.youngBytes -= slotBytes(cacheKey, young);
    this.young.delete(cacheKey);
    this.old.delete(cacheKey);
  }

  get keyCount(): number {
    return this.young.size + this.old.size;
  }
}

/** Keys as texts, a character a byte, for byte arrays cannot be keys of a map. */
export function cacheKeyOf(namespaceId: number, generation: number, key: Uint8Array): string {
  const text = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
  return `${namespaceId}/${generation}/${text}`;
}

function slotBytes(cacheKey: string, cached: CachedVersion): number {
  return SLOT_OVERHEAD_BYTES + cacheKey.length * 2 + (cached.hasValue ? (cached.record?.valueBytes ?? 0) : 0);
}
