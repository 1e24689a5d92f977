import type { HistoryRecord } from "../../judge/history";
import { checkLinearizable, type LinearizabilityVerdict } from "../../judge/linearizable";
import { broken } from "./invariant";

/** Judges what the clients of a run recorded (invariant 5). Undecided is not a pass. */
export function checkHistory(history: readonly HistoryRecord[]): void {
  const verdict = checkAnswers(history);
  if (verdict.kind === "undecided")
    broken("linearizable", `undecided for key ${verdict.key}: ${verdict.reason}`);
}

/** As checkHistory, for a run that has failed already: only what is certainly wrong counts. */
export function checkAnswers(
  history: readonly HistoryRecord[],
): Exclude<LinearizabilityVerdict, { readonly kind: "violation" }> {
  const verdict = checkLinearizable(history);
  return verdict.kind === "violation" ? broken("linearizable", verdict.explanation) : verdict;
}
