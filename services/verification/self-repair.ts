import type { StoredRecord } from "#kv";
import type { Digest, RecordRepair } from "#replica";
import { bytesEqual, compareBytes } from "#std";
import type { BucketMap } from "./bucket-map";
import type { CountedPeers } from "./counted-peers";
import { type KeySpace, RecordHasher, shortHash } from "./hashes";
import { after, type DifferingKey } from "./location";
import type { VerifiedReplica } from "./ports";

/** Keys that are put right while nothing is applied, at most. */
const KEYS_PER_REPAIR = 64;

export type RecordsRepaired =
  | { readonly kind: "repaired"; readonly records: number }
  /** What was put right before stays so. */
  | { readonly kind: "put_off"; readonly why: string; readonly records: number };

interface Point {
  readonly applied: { readonly index: number };
  readonly revision: number;
}

/**
 * Puts records of this member right that the majority has otherwise. It does so while nothing is applied here, at
 * whatever entry that is: there the right record of a key is its newest version up to the revision reached, which any
 * other member that has applied as much can read. What was written to the key since the round is in that, too.
 */
export class SelfRepair {
  private readonly hasher: RecordHasher;

  constructor(
    private readonly replica: VerifiedReplica,
    private readonly peers: CountedPeers,
    private readonly map: BucketMap,
    digest: Digest,
  ) {
    this.hasher = new RecordHasher(digest);
  }

  /**
   * @param from a member that had in the round what the majority had
   * @param revision that the round was made at
   */
  async repair(keys: readonly DifferingKey[], from: string, revision: number): Promise<RecordsRepaired> {
    let records = 0;
    for (let at = 0; at < keys.length; ) {
      const space = keys[at] as DifferingKey;
      let end = at;
      while (end < keys.length && end - at < KEYS_PER_REPAIR && isOf(keys[end] as DifferingKey, space))
        end += 1;
      const some = keys.slice(at, end);
      const repaired = await this.replica.exclusive((point) => this.repairAt(point, some, from, revision));
      records += repaired.records;
      if (repaired.kind === "put_off") return { ...repaired, records };
      at = end;
    }
    return { kind: "repaired", records };
  }

  /** Nothing is applied meanwhile. */
  private async repairAt(
    point: Point,
    keys: readonly DifferingKey[],
    from: string,
    roundRevision: number,
  ): Promise<RecordsRepaired> {
    const space = keys[0] as DifferingKey;
    // Truncated or deleted since the round: there is nothing left to put right.
    if (!this.isPresent(space)) return { kind: "repaired", records: 0 };
    const right = await this.recordsAt(point, keys, from);
    if (right === null) {
      return putOff(`${from} could not be asked for records at revision ${point.revision}`);
    }
    const present = await this.presentRecords(space, keys);
    const repairs: RecordRepair[] = [];
    for (const [at, { key, right: expected }] of keys.entries()) {
      const record = right[at] ?? null;
      const isOfRound = record !== null && record.modRevision <= roundRevision;
      // Unchanged since the round, so it must be the one that the majority had there.
      if (isOfRound && (expected === null || !bytesEqual(this.hashOf(space, record), expected))) {
        return putOff(`${from} has another record now than it had in the round`);
      }
      if (this.isEqual(space, present[at] ?? null, record)) continue;
      const { namespaceId, generation } = space;
      repairs.push({ namespaceId, generation, key, record });
    }
    if (repairs.length > 0) await this.replica.state.repair(repairs);
    for (const { key } of keys) this.map.mark(space, key);
    return { kind: "repaired", records: repairs.length };
  }

  /** In the order of keys; null where they cannot be had. */
  private async recordsAt(
    { applied, revision }: Point,
    keys: readonly DifferingKey[],
    from: string,
  ): Promise<readonly (StoredRecord | null)[] | null> {
    const { namespaceId, generation } = keys[0] as DifferingKey;
    const found: (StoredRecord | null)[] = [];
    let size = keys.length;
    while (found.length < keys.length) {
      const some = keys.slice(found.length, found.length + size).map(({ key }) => key);
      const query = { namespaceId, generation, keys: some, revision, appliedIndex: applied.index };
      const answer = await this.peers.records(from, query);
      if (answer?.kind !== "records") {
        if (answer?.kind !== "too_large" || size === 1) return null;
        size = Math.ceil(size / 2);
        continue;
      }
      for (const key of some) {
        found.push(answer.records.find((record) => compareBytes(record.key, key) === 0) ?? null);
      }
    }
    return found;
  }

  /** As the store has it, not as a cache may remember it. */
  private async presentRecords(
    { namespaceId, generation }: KeySpace,
    keys: readonly DifferingKey[],
  ): Promise<readonly (StoredRecord | null)[]> {
    const found: (StoredRecord | null)[] = [];
    const frozen = this.replica.state.freeze();
    try {
      for (const { key } of keys) {
        const query = {
          namespaceId,
          generation,
          start: key,
          end: after(key),
          reverse: false,
          keysOnly: false,
        };
        let present: StoredRecord | null = null;
        for await (const [record] of frozen.scan(query)) present = record ?? present;
        found.push(present);
      }
      return found;
    } finally {
      frozen.close();
    }
  }

  private isPresent({ namespaceId, generation }: KeySpace): boolean {
    return this.replica.namespaces().some((one) => one.id === namespaceId && one.generation === generation);
  }

  private isEqual(space: KeySpace, left: StoredRecord | null, right: StoredRecord | null): boolean {
    if (left === null || right === null) return left === right;
    return bytesEqual(this.hasher.leaf(space, left), this.hasher.leaf(space, right));
  }

  private hashOf(space: KeySpace, record: StoredRecord): Uint8Array {
    return shortHash(this.hasher.leaf(space, record));
  }
}

function putOff(why: string): RecordsRepaired {
  return { kind: "put_off", why, records: 0 };
}

function isOf(key: KeySpace, space: KeySpace): boolean {
  return key.namespaceId === space.namespaceId && key.generation === space.generation;
}
