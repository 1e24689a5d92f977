import type { Txn, TxnCompare, TxnOperation } from "@quorate/proto/log";
import { assert } from "#std";
import { rangeOf } from "./command-reads";
import { rangeIsEmpty } from "./key-range";
import { TXN_COUNT_MAX, TXN_RANGE_DELETIONS_MAX, TXN_RANGE_KEY_BYTES_MAX } from "./limits";
import type { Namespace } from "./namespace";
import { rangesIn } from "./txn-fault";
import type { RangeRead } from "./view";

type Operation = NonNullable<TxnOperation["operation"]>;
type OperationOf<Case extends Operation["$case"]> = Extract<Operation, { $case: Case }>["value"];

/** A range that a Txn declares; null stands for one that no key can be in, of which nothing is declared. */
export interface PlannedRange {
  readonly read: RangeRead;
  /** In StateReads.ranges. */
  readonly position: number;
}

/** A Txn with the ranges that it needs: the same plan is made where reads are declared and where they are used. */
export interface TxnPlan {
  readonly compares: readonly PlannedCompare[];
  readonly success: readonly PlannedOperation[];
  readonly failure: readonly PlannedOperation[];
}

export type PlannedCompare =
  | { readonly kind: "key"; readonly compare: TxnCompare }
  | { readonly kind: "range"; readonly compare: TxnCompare; readonly range: PlannedRange | null };

export type PlannedOperation =
  | {
      readonly kind: "single";
      readonly operation: Exclude<Operation, { $case: "deleteRange" | "range" | "txn" }>;
    }
  | {
      readonly kind: "deleteRange";
      readonly deletion: OperationOf<"deleteRange">;
      readonly range: PlannedRange | null;
    }
  | { readonly kind: "range"; readonly wanted: OperationOf<"range">; readonly range: PlannedRange | null }
  | { readonly kind: "txn"; readonly plan: TxnPlan };

export function planTxn(
  namespace: Namespace,
  txn: Txn,
): { readonly plan: TxnPlan; readonly ranges: readonly RangeRead[] } {
  const planner = new Planner(namespace, {
    keyBytesMax: Math.floor(TXN_RANGE_KEY_BYTES_MAX / Math.max(1, rangesIn(txn))),
    valueBytesMax: Number(txn.answerBytesMax),
  });
  const { plan } = planner.txn(txn, { single: 0, ranged: 0 });
  return { plan, ranges: planner.ranges };
}

/** How many keys earlier operations of the branch may have deleted, at most. */
interface Deletions {
  /** One by one. */
  readonly single: number;
  /** By ranges. */
  readonly ranged: number;
}

/**
 * A range is read as it was before the Txn, and keys that earlier operations delete make room for others. So more is
 * read by as many keys as may be deleted by then: what is left is enough, whatever they were.
 */
class Planner {
  readonly ranges: RangeRead[] = [];

  constructor(
    private readonly namespace: Namespace,
    private readonly bounds: Pick<RangeRead, "keyBytesMax" | "valueBytesMax">,
  ) {}

  txn(txn: Txn, before: Deletions): { readonly plan: TxnPlan; readonly after: Deletions } {
    const compares = txn.compares.map((compare) => this.compare(compare, before));
    const success = this.branch(txn.success, before);
    const failure = this.branch(txn.failure, before);
    const plan = { compares, success: success.operations, failure: failure.operations };
    const single = Math.max(success.after.single, failure.after.single);
    const ranged = Math.max(success.after.ranged, failure.after.ranged);
    return { plan, after: { single, ranged } };
  }

  private branch(
    operations: readonly TxnOperation[],
    before: Deletions,
  ): { readonly operations: readonly PlannedOperation[]; readonly after: Deletions } {
    const planned: PlannedOperation[] = [];
    let after = before;
    for (const { operation } of operations) {
      assert(operation !== undefined, "a well-formed Txn names its operations");
      switch (operation.$case) {
        case "txn": {
          const nested = this.txn(operation.value, after);
          planned.push({ kind: "txn", plan: nested.plan });
          after = nested.after;
          break;
        }
        case "deleteRange": {
          const deletion = operation.value;
          const keysMax = Math.min(Number(deletion.keysMax), TXN_RANGE_DELETIONS_MAX);
          const range = this.range(deletion, keysMax, false, after);
          planned.push({ kind: "deleteRange", deletion, range });
          after = { ...after, ranged: Math.min(after.ranged + keysMax, TXN_RANGE_DELETIONS_MAX) };
          break;
        }
        case "range": {
          const wanted = operation.value;
          const withValues = !wanted.keysOnly && !wanted.countOnly;
          const range = this.range(wanted, Number(wanted.limit), withValues, after);
          planned.push({ kind: "range", wanted, range });
          break;
        }
        case "delete":
          planned.push({ kind: "single", operation });
          after = { ...after, single: after.single + 1 };
          break;
        default:
          planned.push({ kind: "single", operation });
      }
    }
    return { operations: planned, after };
  }

  private compare(compare: TxnCompare, before: Deletions): PlannedCompare {
    if (compare.key.length > 0) return { kind: "key", compare };
    const withValues = compare.target?.$case === "value";
    return { kind: "range", compare, range: this.range(compare, TXN_COUNT_MAX, withValues, before) };
  }

  /** @param recordsMax one record more than this is read, to tell whether there are more */
  private range(
    bounds: { readonly start: Uint8Array; readonly end: Uint8Array },
    recordsMax: number,
    withValues: boolean,
    before: Deletions,
  ): PlannedRange | null {
    const range = rangeOf(bounds);
    if (rangeIsEmpty(range)) return null;
    const { id: namespaceId, generation } = this.namespace;
    const limit = recordsMax + 1 + before.single + before.ranged;
    const { keyBytesMax } = this.bounds;
    const valueBytesMax = withValues ? this.bounds.valueBytesMax : 0;
    const read = { namespaceId, generation, ...range, limit, keyBytesMax, withValues, valueBytesMax };
    const position = this.ranges.push(read) - 1;
    return { read, position };
  }
}
