import { explainViolation } from "./explanation";
import type { HistoryRecord } from "./history";
import { searchKey } from "./key-search";

export interface LinearizabilityOptions {
  /**
   * How many states the search of one key may visit, beyond one for each of its operations, before it gives up. A count,
   * not a time, so that the same history gets the same verdict on every machine. Default 200,000.
   */
  readonly statesMax?: number;
}

export type LinearizabilityVerdict =
  | { readonly kind: "linearizable" }
  | {
      readonly kind: "violation";
      readonly key: string;
      /** The first operation to return whose result no order explains, given all that was invoked by then. */
      readonly culprit: HistoryRecord;
      /** How many operations of the key the smallest failing prefix has: those invoked before the culprit returned. */
      readonly prefixLength: number;
      /** What happened, with the operations around it: several lines for people. */
      readonly explanation: string;
    }
  | { readonly kind: "undecided"; readonly key: string; readonly reason: string };

export interface KeyJudgement {
  readonly key: string;
  /** Operations by their status. */
  readonly operations: { readonly ok: number; readonly fail: number; readonly unknown: number };
  readonly statesExplored: number;
  readonly verdict: LinearizabilityVerdict;
}

export const STATES_MAX_DEFAULT = 200_000;

/** Judges every key by itself, which is sound: a history is linearizable if and only if that of each key is. */
export function checkLinearizable(
  records: readonly HistoryRecord[],
  options: LinearizabilityOptions = {},
): LinearizabilityVerdict {
  return verdictOf(judgeKeys(records, options));
}

/** A violation counts more than what is undecided. Of several, that whose culprit returned first. */
export function verdictOf(judgements: readonly KeyJudgement[]): LinearizabilityVerdict {
  let first: Extract<LinearizabilityVerdict, { kind: "violation" }> | null = null;
  for (const { verdict } of judgements) {
    if (verdict.kind !== "violation") continue;
    if (first === null || endOf(verdict.culprit) < endOf(first.culprit)) first = verdict;
  }
  const undecided = judgements.find(({ verdict }) => verdict.kind === "undecided");
  return first ?? undecided?.verdict ?? { kind: "linearizable" };
}

/** One judgement a key, in the order in which the keys first appear. */
export function judgeKeys(
  records: readonly HistoryRecord[],
  options: LinearizabilityOptions = {},
): KeyJudgement[] {
  const byKey = new Map<string, HistoryRecord[]>();
  for (const record of records) {
    const ofKey = byKey.get(record.key);
    if (ofKey === undefined) byKey.set(record.key, [record]);
    else ofKey.push(record);
  }
  return [...byKey].map(([key, ofKey]) => judgeKey(key, ofKey, options.statesMax ?? STATES_MAX_DEFAULT));
}

function judgeKey(key: string, records: readonly HistoryRecord[], statesMax: number): KeyJudgement {
  const operations = { ok: 0, fail: 0, unknown: 0 };
  for (const { status } of records) operations[status] += 1;
  const result = searchKey(records, statesMax);
  const judged = { key, operations, statesExplored: result.statesExplored };
  switch (result.kind) {
    case "linearizable":
      return { ...judged, verdict: { kind: "linearizable" } };
    case "undecided": {
      const { client, op, invoke } = result.culprit;
      const reason =
        `no order was found within ${result.statesExplored} states; ` +
        `the search went no further than the ${op} of ${client} invoked at ${invoke} ns`;
      return { ...judged, verdict: { kind: "undecided", key, reason } };
    }
    case "violation": {
      const { culprit } = result;
      const end = endOf(culprit);
      const prefixLength = records.filter(({ invoke }) => BigInt(invoke) <= end).length;
      const explanation = explainViolation(key, records, result);
      return { ...judged, verdict: { kind: "violation", key, culprit, prefixLength, explanation } };
    }
  }
}

/** A culprit has returned. */
function endOf(record: HistoryRecord): bigint {
  return BigInt(record.return ?? record.invoke);
}
