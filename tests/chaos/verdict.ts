import { type HistoryRecord, judgeKeys, oracleOfHistory, type ViolationMark, verdictOf } from "../judge";

/** What the history of a run says about the cluster. */
export interface Verdict {
  readonly text: string;
  /** Each is a wrong answer, or what could not be shown to be a right one. */
  readonly faults: readonly ViolationMark[];
}

/** What all keys held after the run. */
export interface LastLook {
  /** A key that is missing was absent. */
  readonly found: ReadonlyMap<string, string>;
  /** The same as reads of a history, one for each key. */
  readonly reads: readonly HistoryRecord[];
  readonly endedAtNs: bigint;
}

/**
 * Judges what clients saw, and what was there when the cluster had become whole: no acknowledged write may be gone then,
 * and nothing there that was refused; and all of it, with the last look, must be linearizable.
 */
export function judge(operations: readonly HistoryRecord[], lastLook: LastLook): Verdict {
  const judgements = judgeKeys([...operations, ...lastLook.reads]);
  const verdict = verdictOf(judgements);
  const count = (status: HistoryRecord["status"]) =>
    operations.filter((record) => record.status === status).length;
  const faults = oracleOfHistory(operations)
    .foundAll(lastLook.found)
    .map(({ kind, key, found, detail }) => ({
      atNs: lastLook.endedAtNs,
      text: `${kind}: key ${JSON.stringify(key)} holds ${JSON.stringify(found)}: ${detail}`,
    }));
  if (verdict.kind === "violation") {
    const { culprit, explanation } = verdict;
    faults.unshift({ atNs: BigInt(culprit.return ?? culprit.invoke), text: explanation });
  }
  if (verdict.kind === "undecided") {
    const text = `key ${JSON.stringify(verdict.key)} is undecided: ${verdict.reason}`;
    faults.unshift({ atNs: lastLook.endedAtNs, text });
  }
  const states = judgements.reduce((sum, { statesExplored }) => sum + statesExplored, 0);
  const text =
    `${operations.length} operations on ${judgements.length} keys: ${count("ok")} ok, ${count("fail")} failed, ` +
    `${count("unknown")} of unknown outcome; ${verdict.kind} (${states} states searched)`;
  return { text, faults };
}
