import type { Random } from "@quorate/services/std";
import { utf8Encode } from "@quorate/services/std";
import {
  appendOf,
  compare,
  deleteOf,
  deleteRangeOf,
  getOf,
  incrementOf,
  nestedOf,
  OPERATORS,
  putOf,
  rangeOf,
  refusedOf,
  type Txn,
  type TxnCompare,
  type TxnOperation,
  txnOf,
} from "./txn-parts";

const OPERATIONS_MAX = 5;
const OPERATOR_NAMES = Object.keys(OPERATORS) as (keyof typeof OPERATORS)[];

/** A Txn of any shape: every compare, every operation, one within another, and now and then one that is refused. */
export function mixedTxn(random: Random, key: () => string, leaseId: bigint): Txn {
  return new Mixed(random, key, leaseId).txn("outermost");
}

class Mixed {
  constructor(
    private readonly random: Random,
    private readonly key: () => string,
    private readonly leaseId: bigint,
  ) {}

  txn(depth: "outermost" | "nested"): Txn {
    const { random } = this;
    return txnOf({
      compares: Array.from({ length: random.below(3) }, () => this.compare()),
      success: this.branch(depth),
      failure: this.branch(depth),
    });
  }

  private branch(depth: "outermost" | "nested"): TxnOperation[] {
    const { random } = this;
    const operations = Array.from({ length: random.below(OPERATIONS_MAX + 1) }, () => this.operation());
    if (depth === "outermost" && random.below(4) === 0) operations.push(nestedOf(this.txn("nested")));
    if (random.below(12) === 0) operations.push(refusedOf(this.key()));
    // What comes behind a nested one must see what it did.
    if (random.below(3) === 0) operations.push(this.operation());
    return operations;
  }

  private compare(): TxnCompare {
    const { random } = this;
    const operator = OPERATOR_NAMES[random.below(OPERATOR_NAMES.length)] as keyof typeof OPERATORS;
    const what = random.below(3) === 0 ? this.range() : this.key();
    const number = BigInt(random.below(4));
    switch (random.below(5)) {
      case 0:
        return compare(what, operator, { $case: "value", value: utf8Encode(String(random.below(1000))) });
      case 1:
        return compare(what, operator, { $case: "version", value: number });
      case 2:
        return compare(what, operator, { $case: "createRevision", value: number });
      case 3:
        return compare(what, operator, { $case: "modRevision", value: number });
      default:
        return compare(what, operator, {
          $case: "leaseId",
          value: random.below(2) === 0 ? 0n : this.leaseId,
        });
    }
  }

  private operation(): TxnOperation {
    const { random } = this;
    const key = this.key();
    const value = String(random.below(1000));
    switch (random.below(10)) {
      case 0:
      case 1:
        return putOf(key, value, { returnPrevious: random.below(2) === 0 });
      case 2:
        return putOf(key, value, { leaseId: this.leaseId });
      case 3:
        return deleteOf(key, random.below(2) === 0);
      case 4:
        return deleteRangeOf(...this.range(), random.below(4) === 0 ? 1 : 100);
      case 5:
        return incrementOf(key, BigInt(random.below(5)));
      case 6:
        return appendOf(key, value, random.below(2) === 0);
      case 7:
        return getOf(key);
      default: {
        const countOnly = random.below(3) === 0;
        const keysOnly = !countOnly && random.below(3) === 0;
        return rangeOf(...this.range(), { limit: 1 + random.below(4), countOnly, keysOnly });
      }
    }
  }

  private range(): [start: string, end: string] {
    const [one, other] = [this.key(), this.key()];
    return one <= other ? [one, this.random.below(4) === 0 ? "" : other] : [other, one];
  }
}
