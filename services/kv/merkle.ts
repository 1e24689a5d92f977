import { assert, compareBytes } from "#std";

/** SHA-256 over the parts as one text, computed before it returns; the parts are written to again afterwards. */
export interface MerkleDigest {
  sha256(parts: readonly Uint8Array[]): Uint8Array;
}

export interface MerkleLeaf {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

const ROOT_BYTES = 32;

interface Subtree {
  readonly hash: Uint8Array;
  /** How many leaves: a power of two. */
  readonly leaves: number;
}

/**
 * The root of the plain Merkle tree over keys in ascending order. A leaf is SHA-256(u32be(length of key) || key ||
 * u32be(length of value) || value), an inner node SHA-256(left || right), and a node without a sibling moves up
 * unchanged. No keys give 32 zero bytes. Adding takes memory for one hash a level only: full subtrees of falling size
 * are kept, and two of one size are joined as soon as they are there.
 */
export class MerkleBuilder {
  private readonly digest: MerkleDigest;
  private readonly subtrees: Subtree[] = [];
  private readonly keyLength = new Uint8Array(4);
  private readonly valueLength = new Uint8Array(4);
  private lastKey: Uint8Array | null = null;
  private leafCount = 0;

  constructor(digest: MerkleDigest) {
    this.digest = digest;
  }

  /** How many leaves were added. */
  get count(): number {
    return this.leafCount;
  }

  /** Adds the next leaf; its key is above all before it. The key must not be written to afterwards. */
  add(key: Uint8Array, value: Uint8Array): void {
    assert(this.lastKey === null || compareBytes(this.lastKey, key) < 0, "keys are added in ascending order");
    this.lastKey = key;
    this.leafCount += 1;
    writeUint32(this.keyLength, key.length);
    writeUint32(this.valueLength, value.length);
    let subtree: Subtree = {
      hash: this.digest.sha256([this.keyLength, key, this.valueLength, value]),
      leaves: 1,
    };
    for (let left = this.subtrees.at(-1); left?.leaves === subtree.leaves; left = this.subtrees.at(-1)) {
      this.subtrees.pop();
      subtree = { hash: this.digest.sha256([left.hash, subtree.hash]), leaves: left.leaves * 2 };
    }
    this.subtrees.push(subtree);
  }

  /** The root over what was added so far, 32 bytes; more may be added afterwards. */
  root(): Uint8Array {
    let hash: Uint8Array | null = null;
    for (let at = this.subtrees.length - 1; at >= 0; at -= 1) {
      const left = this.subtrees[at] as Subtree;
      hash = hash === null ? left.hash : this.digest.sha256([left.hash, hash]);
    }
    return hash ?? new Uint8Array(ROOT_BYTES);
  }
}

/** The root over the leaves, whose keys ascend. */
export function merkleRoot(digest: MerkleDigest, leaves: Iterable<MerkleLeaf>): Uint8Array {
  const builder = new MerkleBuilder(digest);
  for (const leaf of leaves) builder.add(leaf.key, leaf.value);
  return builder.root();
}

function writeUint32(bytes: Uint8Array, number: number): void {
  bytes[0] = number >>> 24;
  bytes[1] = number >>> 16;
  bytes[2] = number >>> 8;
  bytes[3] = number;
}
