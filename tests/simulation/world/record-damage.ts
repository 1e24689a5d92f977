import { byteKey, type StoredRecord } from "@quorate/services/kv";
import type { MemoryStateDisk } from "@quorate/services/memory";
import type { Random } from "@quorate/services/std";
import { utf8Encode } from "@quorate/services/std";
import { ARCHIVE_NAMESPACE } from "../world-contract";

/** A record that is stored otherwise than it was written. */
export interface DamagedRecord {
  readonly namespaceId: number;
  readonly generation: number;
  readonly key: Uint8Array;
  /** What is found there; null: nothing. */
  readonly value: Uint8Array | null;
}

/** Damage to the records of one disk, done behind its store's back. */
export class RecordDamage {
  private readonly done: DamagedRecord[] = [];

  constructor(private readonly disk: MemoryStateDisk) {}

  /** Whether anything was ever damaged there. */
  get isMarked(): boolean {
    return this.done.length > 0;
  }

  /** What is still wrong. */
  get outstanding(): readonly DamagedRecord[] {
    return this.done.filter((damaged) => this.isThere(damaged));
  }

  /**
   * Changes, takes away or adds a record in the namespace of records that nobody writes twice: whatever commands do with
   * others, they would carry the damage on. Returns what it did, or null where there is nothing to damage.
   */
  damage(random: Random): DamagedRecord | null {
    const { disk } = this;
    const namespace = disk.resident().namespaces.find(({ name }) => name === ARCHIVE_NAMESPACE);
    if (namespace === undefined) return null;
    const { id: namespaceId, generation } = namespace;
    const record = this.someRecord(namespaceId, generation, random);
    if (record === null) return null;
    const damaged = { namespaceId, generation, ...changed(record, random) };
    if (this.done.some((other) => isSame(other, damaged))) return null;
    // No crash takes back the write of what is damaged, which would leave the disk in a state that never was.
    disk.checkpoint();
    disk.corruptRecord(damaged);
    this.done.push(damaged);
    return damaged;
  }

  private someRecord(namespaceId: number, generation: number, random: Random): StoredRecord | null {
    const records = this.disk.generation(namespaceId, generation);
    const found: StoredRecord[] = [];
    let after: string | null = null;
    for (;;) {
      after = records.next({ after, start: "", end: null, reverse: false });
      if (after === null) break;
      const record = records.get(after, Number.MAX_SAFE_INTEGER);
      if (record !== null) found.push(record);
    }
    return found[random.below(Math.max(1, found.length))] ?? null;
  }

  private isThere({ namespaceId, generation, key, value }: DamagedRecord): boolean {
    const record = this.disk.generation(namespaceId, generation).get(byteKey(key), Number.MAX_SAFE_INTEGER);
    if (record === null || value === null) return record === null && value === null;
    return byteKey(record.value) === byteKey(value);
  }
}

function changed(
  { key, value }: StoredRecord,
  random: Random,
): { readonly key: Uint8Array; readonly value: Uint8Array | null } {
  switch (random.below(4)) {
    case 0:
      return { key, value: null };
    case 1:
      return { key: utf8Encode(`never ${random.below(1_000_000)}`), value };
    default: {
      const flipped = value.slice();
      const at = random.below(Math.max(1, flipped.length));
      flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
      return { key, value: flipped };
    }
  }
}

function isSame(left: DamagedRecord, right: DamagedRecord): boolean {
  return byteKey(left.key) === byteKey(right.key);
}
