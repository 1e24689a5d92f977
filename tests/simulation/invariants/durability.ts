import { type CrashEvent, checkDurability } from "../../judge/durability-check";
import type { HistoryRecord } from "../../judge/history";
import { broken } from "./invariant";

/** Judges what the clients' reads found of what had to survive, crash by crash (invariant 10). */
export function checkSurvival(history: readonly HistoryRecord[], crashes: readonly CrashEvent[]): void {
  const [finding] = checkDurability(history, crashes);
  if (finding === undefined) return;
  const { kind, key, found, cycle, detail } = finding;
  const value = found === null ? "nothing" : JSON.stringify(found);
  broken("acknowledged writes survive", `${kind}: ${key} holds ${value} after ${cycle.name}: ${detail}`);
}
