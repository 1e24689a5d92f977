const SLAB_BYTES = 16 * 1024;
/** What is longer has memory of its own. */
const SHARED_BYTES_MAX = 4 * 1024;

/**
 * Memory for the bytes of records that come together and are mostly let go of together: an array of bytes costs the
 * engine more than copying what records mostly hold. A record that is kept for itself keeps one slab.
 */
export class RecordMemory {
  #slab = new Uint8Array(0);
  #length = 0;

  /** The same bytes, apart from the message that they came in. */
  readonly copy = (bytes: Uint8Array): Uint8Array => {
    const { length } = bytes;
    if (length > SHARED_BYTES_MAX) return new Uint8Array(bytes);
    if (this.#length + length > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#length = 0;
    }
    const own = new Uint8Array(this.#slab.buffer, this.#length, length);
    own.set(bytes);
    this.#length += length;
    return own;
  };
}

/** Memory of its own, for a record that comes alone. */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
