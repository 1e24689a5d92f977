import { bytesEqual } from "#std";
import { KeyMap } from "./key-map";
import type { StoredRecord } from "./record";

/** What the command in hand does to one key. */
export interface StagedKey {
  readonly key: Uint8Array;
  /** As the command found it; null where there was none. */
  readonly before: StoredRecord | null;
  /** As the command leaves it so far; null where there is none. */
  after: StoredRecord | null;
}

/**
 * What the command in hand does, kept apart until the whole of it is known to be right. Most commands touch one key, so
 * the first has a field of its own and the others stay empty.
 */
export class Stage {
  private first: StagedKey | null = null;
  /** The others, in the order in which they were first touched. */
  private readonly others: StagedKey[] = [];
  private readonly byKey = new KeyMap<StagedKey>();
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
  find(key: Uint8Array): StagedKey | undefined {
    const { first } = this;
    if (first === null) return undefined;
    if (first.key === key || bytesEqual(first.key, key)) return first;
    return this.others.length === 0 ? undefined : this.byKey.get(key);
  }

  /** @param now the record of the key as the command sees it */
  write(key: Uint8Array, now: StoredRecord | null, after: StoredRecord | null): void {
    if (now !== null) this.count(-1, now);
    if (after !== null) this.count(1, after);
    const known = this.find(key);
    if (known !== undefined) {
      known.after = after;
      return;
    }
    const staged = { key, before: now, after };
    if (this.first === null) {
      this.first = staged;
      return;
    }
    this.others.push(staged);
    this.byKey.set(key, staged);
  }

  /** Visits the keys in the order in which they were first touched. */
  each(visit: (staged: StagedKey) => void): void {
    if (this.first === null) return;
    visit(this.first);
    for (const staged of this.others) visit(staged);
  }

  clear(): void {
    this.first = null;
    if (this.others.length > 0) {
      this.others.length = 0;
      this.byKey.clear();
    }
    this.keyCount = 0;
    this.byteCount = 0;
  }

  private count(sign: 1 | -1, record: StoredRecord): void {
    this.keyCount += sign;
    this.byteCount += sign * (record.key.length + record.valueBytes);
  }
}
