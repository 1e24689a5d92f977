import type { HistoryRecord } from "../../judge/history";
import { checkLinearizable } from "../../judge/linearizable";
import { broken } from "./invariant";

/** Judges what the clients of a run recorded (invariant 5). Undecided is not a pass. */
export function checkHistory(history: readonly HistoryRecord[]): void {
  const verdict = checkLinearizable(history);
  if (verdict.kind === "violation") broken("linearizable", verdict.explanation);
  if (verdict.kind === "undecided")
    broken("linearizable", `undecided for key ${verdict.key}: ${verdict.reason}`);
}
