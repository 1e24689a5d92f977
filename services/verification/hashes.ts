import type { StoredRecord } from "#kv";
import type { Digest } from "#replica";

/** Of a hash that goes to another member: members do not lie to each other, and 128 bits do not meet by chance. */
export const SHORT_HASH_BYTES = 16;

export function shortHash(hash: Uint8Array): Uint8Array {
  return hash.subarray(0, SHORT_HASH_BYTES);
}

/**
 * Writes numbers and texts one after another so that two different lists never give the same bytes: numbers take 8 bytes,
 * big-endian, and a text follows its length.
 */
export class HashInput {
  private bytes = new Uint8Array(1024);
  private view = new DataView(this.bytes.buffer);
  private length = 0;

  get size(): number {
    return this.length;
  }

  number(value: number): this {
    this.reserve(8);
    this.view.setUint32(this.length, Math.floor(value / 2 ** 32));
    this.view.setUint32(this.length + 4, value >>> 0);
    this.length += 8;
    return this;
  }

  text(bytes: Uint8Array): this {
    this.number(bytes.length);
    return this.raw(bytes);
  }

  raw(bytes: Uint8Array): this {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  /** What was written since the last call; to be read before more is written. */
  take(): Uint8Array {
    const taken = this.bytes.subarray(0, this.length);
    this.length = 0;
    return taken;
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.bytes.length, this.length + bytes));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}

/** A generation of a namespace. */
export interface KeySpace {
  readonly namespaceId: number;
  readonly generation: number;
}

/** Of records: all that is kept of them, and where. */
export class RecordHasher {
  private readonly input = new HashInput();

  constructor(private readonly digest: Digest) {}

  /**
   * SHA-256 over namespace, generation, create revision, mod revision, version, lease, length of key, key, length of value,
   * value. 32 bytes.
   */
  leaf({ namespaceId, generation }: KeySpace, record: StoredRecord): Uint8Array {
    const { key, value, createRevision, modRevision, version, leaseId } = record;
    const head = this.input
      .number(namespaceId)
      .number(generation)
      .number(createRevision)
      .number(modRevision)
      .number(version)
      .number(leaseId)
      .text(key)
      .number(value.length)
      .take();
    return this.digest.sha256([head, value]);
  }
}
