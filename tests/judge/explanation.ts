import type { HistoryRecord } from "./history";
import type { DescribedState } from "./key-search";

const OPERATIONS_BEFORE_MAX = 12;
const VALUE_SHOWN_CHARACTERS_MAX = 60;

/** Several lines for people: what cannot be, what would have been possible, and the operations around it. */
export function explainViolation(
  key: string,
  records: readonly HistoryRecord[],
  found: { readonly culprit: HistoryRecord; readonly statesBefore: readonly DescribedState[] },
): string {
  const { culprit, statesBefore } = found;
  const originNs = records.reduce((least, { invoke }) => smaller(least, BigInt(invoke)), endOf(culprit));
  const around = operationsAround(records, culprit);
  const left = records.filter((record) => BigInt(record.invoke) <= endOf(culprit)).length - around.length;
  return [
    `key ${JSON.stringify(key)} is not linearizable: no order of its operations explains`,
    `  ${describeOperation(culprit, originNs)}`,
    `Just before it the key could be: ${statesBefore.map(describeState).join(", or ") || "nothing that fits"}.`,
    ...originOf(records, culprit),
    `Operations around it, in the order of their invocation${left > 0 ? ` (${left} earlier ones left out)` : ""}:`,
    ...around.map((record) => `${record === culprit ? "> " : "  "}${describeOperation(record, originNs)}`),
  ].join("\n");
}

/** One line: who, what, the answer, and from when to when in milliseconds since the origin. */
export function describeOperation(record: HistoryRecord, originNs: bigint): string {
  const from = milliseconds(BigInt(record.invoke) - originNs);
  const to = record.return === undefined ? "..." : milliseconds(BigInt(record.return) - originNs);
  return `${record.client.padEnd(6)} ${callText(record)} -> ${answerText(record)}  [${from} ms to ${to}${record.return === undefined ? "" : " ms"}]`;
}

function callText(record: HistoryRecord): string {
  switch (record.op) {
    case "get":
    case "delete":
      return record.op;
    case "put":
    case "append":
      return `${record.op} ${valueText(record.args.value)}`;
    case "cas":
      return `cas ${valueText(record.args.expect)} to ${valueText(record.args.value)}`;
    case "incr":
      return `incr by ${record.args.by}`;
  }
}

function answerText(record: HistoryRecord): string {
  if (record.status === "fail") return "failed, so nothing was done";
  if (record.status === "unknown") return "unknown";
  const rev = record.result?.rev === undefined ? "" : ` at revision ${record.result.rev}`;
  switch (record.op) {
    case "put":
      return `ok${rev}`;
    case "delete":
      return `${record.result?.deleted === true ? "deleted" : "no such key"}${rev}`;
    case "cas":
      return `${record.result?.swapped === true ? "swapped" : "not swapped"}${rev}`;
    case "get":
    case "append":
      return `${valueText(record.result?.value ?? null)}${rev}`;
    case "incr":
      return `${record.result?.value}${rev}`;
  }
}

/** Where a value that was read can come from at all. */
function originOf(records: readonly HistoryRecord[], culprit: HistoryRecord): string[] {
  if (culprit.op !== "get" || culprit.result === null || culprit.result.value === null) return [];
  const { value } = culprit.result;
  if (records.some(({ op, status }) => status === "unknown" && (op === "append" || op === "incr"))) return [];
  const writers = records.filter((record) => writtenBy(record) === value);
  const possible = writers.filter(({ status }) => status !== "fail");
  const shown = valueText(value);
  if (writers.length === 0) return [`No operation wrote ${shown}.`];
  if (possible.length === 0) return [`Only an operation that failed would have written ${shown}.`];
  if (possible.every(({ invoke }) => BigInt(invoke) > endOf(culprit))) {
    return [`${shown} was only written after it had been read.`];
  }
  return [];
}

/** null: nothing, or not known. */
function writtenBy(record: HistoryRecord): string | null {
  switch (record.op) {
    case "get":
    case "delete":
      return null;
    case "put":
      return record.args.value;
    case "cas":
      return record.result?.swapped === false ? null : record.args.value;
    case "incr":
      return record.result === null ? null : String(record.result.value);
    case "append":
      return record.result === null ? null : record.result.value;
  }
}

/** The culprit, what overlaps it, what came last before it, and what wrote the value that it read. */
function operationsAround(records: readonly HistoryRecord[], culprit: HistoryRecord): HistoryRecord[] {
  const [start, end] = [BigInt(culprit.invoke), endOf(culprit)];
  const byInvocation = records
    .filter((record) => BigInt(record.invoke) <= end)
    .sort((left, right) => compare(BigInt(left.invoke), BigInt(right.invoke)));
  const isOverlapping = (record: HistoryRecord) =>
    record === culprit || (record.return !== undefined && BigInt(record.return) >= start);
  const earlier = byInvocation.filter((record) => !isOverlapping(record)).slice(-OPERATIONS_BEFORE_MAX);
  const seen = culprit.op === "get" ? (culprit.result?.value ?? null) : null;
  const writers = seen === null ? [] : byInvocation.filter((record) => writtenBy(record) === seen);
  const shown = new Set([
    ...earlier,
    ...writers.slice(-OPERATIONS_BEFORE_MAX),
    ...byInvocation.filter(isOverlapping),
  ]);
  return byInvocation.filter((record) => shown.has(record));
}

function describeState({ value, rev }: DescribedState): string {
  const at = rev === null ? "" : ` at revision ${rev}`;
  if (value === null) return "absent";
  return value === "other" ? `some value that no result names${at}` : `${valueText(value.text)}${at}`;
}

function valueText(value: string | null): string {
  if (value === null) return "absent";
  if (value.length <= VALUE_SHOWN_CHARACTERS_MAX) return JSON.stringify(value);
  const half = VALUE_SHOWN_CHARACTERS_MAX / 2;
  // Of a long list the end tells most, for that is where appends differ.
  return `${JSON.stringify(value.slice(0, half))}...${JSON.stringify(value.slice(-half))} (${value.length} characters)`;
}

function milliseconds(ns: bigint): string {
  return (Number(ns) / 1e6).toFixed(3);
}

function endOf(record: HistoryRecord): bigint {
  return BigInt(record.return ?? record.invoke);
}

function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function compare(left: bigint, right: bigint): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
