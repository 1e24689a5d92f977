import { type Compare as CompareMessage, CompareOperator } from "@quorate/proto/kv";
import { type BytesLike, toBytes } from "#client/bytes";
import { invalidArgument } from "#client/errors";
import { toCount } from "#client/numbers";
import { type KeyRange, rangeFields } from "#client/range";

/** A condition of a Txn. Made by {@link compare}. */
export interface Comparison {
  /** As it is sent. */
  readonly message: CompareMessage;
}

/** What one property of a key, or of each key of a range, is compared with. */
export interface ComparisonOf<Value> {
  /** It is this. */
  equals(value: Value): Comparison;
  /** It is anything else. */
  notEquals(value: Value): Comparison;
  /** It is less; values are compared bytewise. */
  less(value: Value): Comparison;
  /** It is greater; values are compared bytewise. */
  greater(value: Value): Comparison;
}

/** One key, or all keys of a prefix or range. */
export type ComparisonTarget = BytesLike | KeyRange;

/**
 * Conditions for a Txn: on one key, or on each key that there is in a prefix or range. A missing key has the version, the
 * revisions and the lease 0, and no comparison with its value holds. A range without keys fulfils every condition.
 *
 * @example
 * compare.version("job/7").equals(0); // there is no such key
 * compare.modRevision({ prefix: "config/" }).less(101); // nothing there was written after revision 100
 */
export const compare = {
  /** The value. */
  value: (target: ComparisonTarget) =>
    comparisonOf<BytesLike>(target, (value) => ({ $case: "value", value: toBytes(value) })),
  /** How often the key was written since it came into being. */
  version: (target: ComparisonTarget) =>
    comparisonOf<number>(target, (version) => ({ $case: "version", value: toCount(version, "the version") })),
  /** The revision at which the key came into being. */
  createRevision: (target: ComparisonTarget) =>
    comparisonOf<number>(target, (revision) => ({
      $case: "createRevision",
      value: toCount(revision, "the revision"),
    })),
  /** The revision of the key's last change. */
  modRevision: (target: ComparisonTarget) =>
    comparisonOf<number>(target, (revision) => ({
      $case: "modRevision",
      value: toCount(revision, "the revision"),
    })),
  /** The lease that the key is attached to; 0n for none. */
  lease: (target: ComparisonTarget) => comparisonOf<bigint>(target, (value) => ({ $case: "leaseId", value })),
  /** There is such a key. */
  exists: (key: BytesLike): Comparison => compare.version(key).notEquals(0),
  /** There is no such key, or none in the range. */
  missing: (target: ComparisonTarget): Comparison => compare.version(target).equals(0),
};

function comparisonOf<Value>(
  target: ComparisonTarget,
  property: (value: Value) => NonNullable<CompareMessage["target"]>,
): ComparisonOf<Value> {
  const fields = targetFields(target);
  const by = (operator: CompareOperator) => (value: Value) => ({
    message: { ...fields, operator, target: property(value) },
  });
  return {
    equals: by(CompareOperator.EQUAL),
    notEquals: by(CompareOperator.NOT_EQUAL),
    less: by(CompareOperator.LESS),
    greater: by(CompareOperator.GREATER),
  };
}

function targetFields(target: ComparisonTarget): Pick<CompareMessage, "key" | "start" | "end" | "prefix"> {
  if (typeof target !== "string" && !(target instanceof Uint8Array)) {
    return { key: new Uint8Array(0), ...rangeFields(target) };
  }
  const key = toBytes(target);
  // An empty key would be sent as "no key", which is the range of all of them.
  if (key.length === 0) throw invalidArgument("the key of a comparison must not be empty");
  return { key, ...rangeFields({}) };
}
