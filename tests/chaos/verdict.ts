import type { HistoryRecord } from "../judge/history";
import { judgeKeys, verdictOf } from "../judge/linearizable";

/** What the history of a run says about the cluster. */
export interface Verdict {
  readonly text: string;
  /** Each is a wrong answer, or what could not be shown to be a right one. */
  readonly faults: readonly string[];
}

/**
 * Judges a history that ends with a read of every key after the cluster has become whole: a lost write, or one that was
 * refused and yet done, is then a read that no order of the operations explains.
 */
export function judge(history: readonly HistoryRecord[]): Verdict {
  const judgements = judgeKeys(history);
  const verdict = verdictOf(judgements);
  const count = (status: HistoryRecord["status"]) =>
    history.filter((record) => record.status === status).length;
  const searched = judgements.reduce((sum, { statesExplored }) => sum + statesExplored, 0);
  const text =
    `${history.length} operations on ${judgements.length} keys: ${count("ok")} ok, ${count("fail")} failed, ` +
    `${count("unknown")} of unknown outcome; ${verdict.kind} (${searched} states searched)`;
  switch (verdict.kind) {
    case "linearizable":
      return { text, faults: [] };
    case "violation":
      return { text, faults: [verdict.explanation] };
    case "undecided":
      return { text, faults: [`key ${JSON.stringify(verdict.key)} is undecided: ${verdict.reason}`] };
  }
}
