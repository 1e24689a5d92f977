import { type TxnCompare, TxnCompareOperator } from "@quorate/proto/log";
import { assert, compareBytes } from "#std";
import type { StoredRecord } from "./record";

/** Whether an operator holds where the property is before (negative), at (0) or behind the target. */
const operators = {
  [TxnCompareOperator.EQUAL]: (order) => order === 0,
  [TxnCompareOperator.NOT_EQUAL]: (order) => order !== 0,
  [TxnCompareOperator.LESS]: (order) => order < 0,
  [TxnCompareOperator.GREATER]: (order) => order > 0,
} as const satisfies Record<
  Exclude<TxnCompareOperator, TxnCompareOperator.UNSPECIFIED>,
  (order: number) => boolean
>;

/** An entry of a later version may hold any number for an operator. */
export function isKnownOperator(operator: TxnCompareOperator): operator is keyof typeof operators {
  return Object.hasOwn(operators, operator);
}

/** Whether the condition holds for a key. @param record null where there is none; with its value where that is compared */
export function compareHolds({ operator, target }: TxnCompare, record: StoredRecord | null): boolean {
  assert(isKnownOperator(operator), "a well-formed compare has an operator that is known");
  assert(target !== undefined, "a well-formed compare has a target");
  if (target.$case === "value") {
    if (record === null) return false;
    assert(record.value.length === record.valueBytes, "a value that is compared was read");
    return operators[operator](compareBytes(record.value, target.value));
  }
  const property = BigInt(record === null ? 0 : record[target.$case]);
  return operators[operator](property < target.value ? -1 : property > target.value ? 1 : 0);
}
