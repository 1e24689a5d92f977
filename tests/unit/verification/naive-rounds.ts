import { createHash } from "node:crypto";
import type { StateMachine, StoredRecord } from "@quorate/services/kv";
import type { StateStore } from "@quorate/services/replica";
import { hash32 } from "@quorate/services/std";
import type { BucketHash } from "@quorate/services/verification";

function u64(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(8 * numbers.length);
  for (const [at, number] of numbers.entries()) bytes.writeBigUInt64BE(BigInt(number), 8 * at);
  return bytes;
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** What is hashed of a record, built by hand. */
function naiveRecord(namespaceId: number, generation: number, record: StoredRecord): Buffer {
  const { key, value, createRevision, modRevision, version, leaseId } = record;
  return Buffer.concat([
    u64(namespaceId, generation, createRevision, modRevision, version, leaseId, key.length),
    key,
    u64(value.length),
    value,
  ]);
}

export function naiveLeaf(namespaceId: number, generation: number, record: StoredRecord): Buffer {
  return sha256(naiveRecord(namespaceId, generation, record));
}

/** The definition: all keys of all present generations, cut before those that start a bucket. */
export async function naiveBuckets(store: StateStore, machine: StateMachine): Promise<BucketHash[]> {
  const frozen = store.freeze();
  const buckets: BucketHash[] = [];
  for (const { id: namespaceId, generation } of machine.resident().namespaces) {
    let start: Uint8Array = new Uint8Array(0);
    let keys = 0;
    let piece: Buffer = Buffer.alloc(32);
    const end = (): void => {
      const hash = new Uint8Array(sha256(piece).subarray(0, 16));
      buckets.push({ namespaceId, generation, start, hash, keys });
      keys = 0;
      piece = Buffer.alloc(32);
    };
    const query = {
      namespaceId,
      generation,
      start: new Uint8Array(0),
      end: null,
      reverse: false,
      keysOnly: false,
    };
    for await (const chunk of frozen.scan(query)) {
      for (const record of chunk) {
        if (hash32(record.key) % 128 === 0) {
          end();
          start = record.key;
        }
        piece = Buffer.concat([piece, naiveRecord(namespaceId, generation, record)]);
        if (piece.length >= 65_536) piece = sha256(piece);
        keys += 1;
      }
    }
    end();
  }
  frozen.close();
  return buckets;
}
