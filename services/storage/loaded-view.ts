import type { KeyRead, StateView, StoredRecord } from "#kv";
import { assert } from "#std";
import { type KeySpace, keyHash, PROCESS_SEED } from "./key-hash";
import { KeyTable } from "./key-table";

const PASSED_OVER_MAX = 16;

/**
 * The answers to what a batch of commands declared that it reads. Commands ask in the order in which they declared, mostly,
 * and for a key by the very array that they declared: so what is asked for is nearly always the next answer.
 */
export class LoadedView implements StateView {
  /** Behind the answer that was given last. */
  private next = 0;
  /** By key, where answers are asked for in another order; positions of reads. */
  private byKey: KeyTable<number> | null = null;
  /** Of two reads of one key the one that wants the value counts. */
  private readonly isOneKind: boolean;

  /** @param records answers to the reads, in their order */
  constructor(
    private readonly reads: readonly KeyRead[],
    private readonly records: readonly (StoredRecord | null)[],
    private readonly ranges: readonly (readonly StoredRecord[])[],
  ) {
    this.isOneKind = areOfOneKind(reads);
  }

  get(namespaceId: number, generation: number, key: Uint8Array): StoredRecord | null {
    const space = { namespaceId, generation };
    let at = this.soon(space, key);
    if (at === undefined) {
      this.byKey ??= positionsOf(this.reads);
      at = this.byKey.get(keyHash(PROCESS_SEED, space, key), space, key);
    }
    assert(at !== undefined, "a command reads only the keys that it declared");
    this.next = at + 1;
    return this.records[at] as StoredRecord | null;
  }

  /** Among the next few: commands whose key was written within the batch pass over theirs. */
  private soon({ namespaceId, generation }: KeySpace, key: Uint8Array): number | undefined {
    const end = Math.min(this.reads.length, this.next + PASSED_OVER_MAX);
    for (let at = this.next; at < end; at += 1) {
      const read = this.reads[at] as KeyRead;
      if (read.key !== key) continue;
      const counts = this.isOneKind || read.withValue;
      return counts && read.namespaceId === namespaceId && read.generation === generation ? at : undefined;
    }
    return undefined;
  }

  range(position: number): readonly StoredRecord[] {
    const records = this.ranges[position];
    assert(records !== undefined, "a command reads only the ranges that it declared");
    return records;
  }
}

/** Whether all of them want the value, or none does. */
function areOfOneKind(reads: readonly KeyRead[]): boolean {
  const first = reads[0];
  for (const { withValue } of reads) if (withValue !== first?.withValue) return false;
  return true;
}

function positionsOf(reads: readonly KeyRead[]): KeyTable<number> {
  const positions = new KeyTable<number>();
  for (let at = 0; at < reads.length; at += 1) {
    const read = reads[at] as KeyRead;
    const hash = keyHash(PROCESS_SEED, read, read.key);
    const counts = read.withValue || positions.get(hash, read, read.key) === undefined;
    if (counts) positions.set(hash, read, read.key, at);
  }
  return positions;
}
