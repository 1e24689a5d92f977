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

  /**
   * All that is hashed of a record, and where it is: namespace, generation, create revision, mod revision, version, lease,
   * length of key, key, length of value, value.
   */
  record({ namespaceId, generation }: KeySpace, record: StoredRecord): this {
    const { key, value, createRevision, modRevision, version, leaseId } = record;
    return this.number(namespaceId)
      .number(generation)
      .number(createRevision)
      .number(modRevision)
      .number(version)
      .number(leaseId)
      .text(key)
      .text(value);
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

/** Bytes that are hashed in one go. */
const PIECE_BYTES = 64 * 1024;

/**
 * Hashes a stream of any length piece by piece, each piece behind the hash of those before it, the first behind zeros. A
 * call of SHA-256 costs as much as hashing a kilobyte, so it is called for many items and not for each.
 */
export class HashChain {
  readonly input = new HashInput();

  constructor(private readonly digest: Digest) {
    this.restart();
  }

  /** To be called between items: where pieces end depends on the items alone. */
  cut(): void {
    if (this.input.size >= PIECE_BYTES) this.input.raw(this.sum());
  }

  /** The hash, 32 bytes; the next stream starts here. */
  end(): Uint8Array {
    const hash = this.sum();
    this.restart();
    return hash;
  }

  private sum(): Uint8Array {
    return this.digest.sha256([this.input.take()]);
  }

  private restart(): void {
    this.input.raw(NO_HASH);
  }
}

const NO_HASH = new Uint8Array(32);

/** Of single records. */
export class RecordHasher {
  private readonly input = new HashInput();

  constructor(private readonly digest: Digest) {}

  /** SHA-256 over HashInput.record(). 32 bytes. */
  leaf(space: KeySpace, record: StoredRecord): Uint8Array {
    return this.digest.sha256([this.input.record(space, record).take()]);
  }
}
