import type { StoredRecord } from "#kv";
import type { Digest } from "#replica";
import { compareBytes, EMPTY_BYTES } from "#std";
import { type Bucket, startsBucket } from "./bucket";
import { HashChain, type KeySpace } from "./hashes";

/** Makes buckets out of the records of a range, which come in key order. */
export class BucketBuilder {
  readonly buckets: Bucket[] = [];
  private readonly chain: HashChain;
  private start: Uint8Array = EMPTY_BYTES;
  private keys = 0;
  private isOpen = false;

  constructor(
    private readonly space: KeySpace,
    private readonly hashedAt: number,
    digest: Digest,
  ) {
    this.chain = new HashChain(digest);
  }

  /** The range starts here. */
  begin(start: Uint8Array): void {
    this.start = start;
    this.keys = 0;
    this.isOpen = true;
  }

  add(record: StoredRecord): void {
    if (startsBucket(record.key) && compareBytes(record.key, this.start) !== 0) {
      this.close();
      // A copy: what is read is often a part of something much larger, which it would keep in memory.
      this.begin(new Uint8Array(record.key));
    }
    this.chain.input.record(this.space, record);
    this.chain.cut();
    this.keys += 1;
  }

  /** The range has ended. */
  close(): void {
    if (!this.isOpen) return;
    const { start, keys, hashedAt } = this;
    this.buckets.push({ start, hash: this.chain.end(), keys, hashedAt, markedAt: -1 });
    this.isOpen = false;
  }
}
