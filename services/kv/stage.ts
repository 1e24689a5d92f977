import type { StoredRecord } from "./record";

/** What the command in hand does to one key. */
export interface StagedKey {
  /** The byteKey of the key. */
  readonly id: string;
  /** As the command found it; null where there was none. */
  readonly before: StoredRecord | null;
  /** As the command leaves it so far; null where there is none. */
  after: StoredRecord | null;
}

/**
 * What the command in hand does, kept apart until the whole of it is known to be right. Most commands touch one key, so
 * the first has a field of its own and the map stays empty.
 */
export class Stage {
  private first: StagedKey | null = null;
  private readonly others = new Map<string, StagedKey>();
  private keyCount = 0;
  private byteCount = 0;

  /** How many keys there are more, or fewer, than before the command. */
  get keysDelta(): number {
    return this.keyCount;
  }

  /** By how much the bytes of keys and newest values grew. */
  get bytesDelta(): number {
    return this.byteCount;
  }

  get isEmpty(): boolean {
    return this.first === null;
  }

  /** Undefined for a key that the command has not touched. */
  find(id: string): StagedKey | undefined {
    if (this.first === null) return undefined;
    return this.first.id === id ? this.first : this.others.get(id);
  }

  /** @param now the record of the key as the command sees it */
  write(id: string, now: StoredRecord | null, after: StoredRecord | null): void {
    if (now !== null) this.count(-1, now);
    if (after !== null) this.count(1, after);
    const known = this.find(id);
    if (known !== undefined) {
      known.after = after;
      return;
    }
    const staged = { id, before: now, after };
    if (this.first === null) this.first = staged;
    else this.others.set(id, staged);
  }

  /** Visits the keys in the order in which they were first touched. */
  each(visit: (staged: StagedKey) => void): void {
    if (this.first === null) return;
    visit(this.first);
    if (this.others.size === 0) return;
    for (const staged of this.others.values()) visit(staged);
  }

  clear(): void {
    this.first = null;
    if (this.others.size > 0) this.others.clear();
    this.keyCount = 0;
    this.byteCount = 0;
  }

  private count(sign: 1 | -1, record: StoredRecord): void {
    this.keyCount += sign;
    this.byteCount += sign * (record.key.length + record.valueBytes);
  }
}
