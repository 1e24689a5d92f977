import type { StoredRecord } from "#kv";

/** What a key was from `revision` on; null for a deletion. */
export interface Version {
  readonly revision: number;
  readonly record: StoredRecord | null;
}

/** All versions of the keys of one generation of a namespace. Keys are texts of byteKey(), which order as bytes do. */
export class Generation {
  private readonly keys: string[] = [];
  private readonly versions = new Map<string, Version[]>();

  /** Returns how to undo it; undone in the opposite order of the writes. */
  put(key: string, revision: number, record: StoredRecord | null): () => void {
    const versions = this.versions.get(key);
    if (versions === undefined) {
      this.keys.splice(this.positionOf(key), 0, key);
      this.versions.set(key, [{ revision, record }]);
      return () => {
        this.keys.splice(this.positionOf(key), 1);
        this.versions.delete(key);
      };
    }
    const last = versions.at(-1);
    if (last !== undefined && last.revision === revision) versions.pop();
    versions.push({ revision, record });
    return () => {
      versions.pop();
      if (last !== undefined && last.revision === revision) versions.push(last);
    };
  }

  /** Makes a record the newest version, or a key one that is not there. Versions before it stay. Returns how to undo it. */
  repair(key: string, record: StoredRecord | null): () => void {
    // Always the same list, for what undoes earlier writes goes on with it.
    const versions = this.versions.get(key) ?? [];
    const before = [...versions];
    const floor = record?.modRevision ?? before.at(-1)?.revision ?? 0;
    const kept = before.filter(({ revision }) => revision < floor);
    if (record !== null || kept.length > 0) kept.push({ revision: floor, record });
    this.replace(key, versions, kept);
    return () => this.replace(key, versions, before);
  }

  /** The versions of all keys, in the order of keys and revisions. */
  *rows(): Generator<readonly [key: string, version: Version]> {
    for (const key of this.keys) {
      for (const version of this.versions.get(key) as Version[]) yield [key, version];
    }
  }

  /** The newest version up to a revision, or null where the key was not there. */
  get(key: string, revision: number): StoredRecord | null {
    return this.versions.get(key)?.findLast((version) => version.revision <= revision)?.record ?? null;
  }

  /** The key that follows `after` in the order asked for, within [start, end); null past the last. */
  next(range: {
    readonly after: string | null;
    readonly start: string;
    readonly end: string | null;
    readonly reverse: boolean;
  }): string | null {
    const { after, start, end, reverse } = range;
    if (reverse) {
      const bound = after ?? end;
      const key = this.keys[(bound === null ? this.keys.length : this.positionOf(bound)) - 1];
      return key === undefined || key < start ? null : key;
    }
    const from = after === null ? this.positionOf(start) : this.positionOf(after) + 1;
    const key = this.keys[from];
    return key === undefined || (end !== null && key >= end) ? null : key;
  }

  /**
   * The same without what nobody reads at `floor` or later. A copy: those who read the generation as it is go on with it,
   * and this one takes its place.
   */
  since(floor: number): Generation {
    const kept = new Generation();
    for (const key of this.keys) {
      const versions = this.versions.get(key) as Version[];
      const first = versions.findLastIndex((version) => version.revision <= floor);
      const remaining = versions.slice(Math.max(0, first));
      if (first >= 0 && remaining[0]?.record === null) remaining.shift();
      if (remaining.length === 0) continue;
      kept.keys.push(key);
      kept.versions.set(key, remaining);
    }
    return kept;
  }

  private replace(key: string, versions: Version[], content: readonly Version[]): void {
    const wasThere = this.versions.has(key);
    versions.splice(0, versions.length, ...content);
    if (content.length === 0) {
      if (wasThere) this.keys.splice(this.positionOf(key), 1);
      this.versions.delete(key);
      return;
    }
    if (!wasThere) this.keys.splice(this.positionOf(key), 0, key);
    this.versions.set(key, versions);
  }

  /** Of the key itself, or where it would be put in. */
  private positionOf(key: string): number {
    let low = 0;
    let high = this.keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.keys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
