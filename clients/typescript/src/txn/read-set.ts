import { QuorateError } from "#client/errors";
import type { KvRecord } from "#client/record";
import { type Comparison, compare } from "./comparison";
import { nameOf } from "./pending-writes";

/** How many comparisons a server takes in one Txn: what a transaction may have read at most. */
export const TRANSACTION_READS_MAX = 128;

/** How many of them may be ranges. */
export const TRANSACTION_RANGES_MAX = 64;

/** The smallest key there can be. */
const FIRST_KEY = Uint8Array.of(0);

interface ReadKey {
  readonly key: Uint8Array;
  readonly record: KvRecord | undefined;
}

interface ReadRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

/** What a transaction has read, and the comparisons that hold as long as it would read the same again. */
export class ReadSet {
  readonly #keys = new Map<string, ReadKey>();
  readonly #ranges: ReadRange[] = [];

  /** How many comparisons there is still room for. */
  get room(): number {
    return TRANSACTION_READS_MAX - this.#keys.size - this.#ranges.length;
  }

  find(key: Uint8Array): ReadKey | undefined {
    return this.#keys.get(nameOf(key));
  }

  /** @throws QuorateError TOO_LARGE where more was read than one Txn can compare */
  addKey(key: Uint8Array, record: KvRecord | undefined): void {
    this.#keys.set(nameOf(key), { key, record });
    this.#check();
  }

  /** That the range held nothing but the records which were added one by one. */
  addRange(start: Uint8Array, end: Uint8Array): void {
    const first = start.length === 0 ? FIRST_KEY : start;
    // Cut at its very first key: there is no room for another before that, and a server refuses such a range.
    if (end.length > 0 && Buffer.compare(first, end) >= 0) return;
    this.#ranges.push({ start: first, end });
    this.#check();
  }

  /** @param revision the one that everything was read at */
  comparisons(revision: number): readonly Comparison[] {
    return [
      ...[...this.#keys.values()].map(({ key, record }) =>
        compare.modRevision(key).equals(record?.modRevision ?? 0),
      ),
      // A deletion is seen by the key's own comparison, a new key by this one.
      ...this.#ranges.map((range) => compare.modRevision(range).less(revision + 1)),
    ];
  }

  #check(): void {
    if (this.room < 0 || this.#ranges.length > TRANSACTION_RANGES_MAX) throw tooManyReads();
  }
}

/** The failure of a transaction that reads more than can be validated. */
export function tooManyReads(): QuorateError {
  return new QuorateError(
    `a transaction can validate ${TRANSACTION_READS_MAX} reads (each key, and each range besides its keys, of which at most ${TRANSACTION_RANGES_MAX}), and this one needs more: read less, or give its scans a limit`,
    { code: "RESOURCE_EXHAUSTED", reason: "TOO_LARGE", outcome: "not_applied" },
  );
}
