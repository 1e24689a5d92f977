import { checkSessions, type SessionEvent, type SessionFault } from "../../judge/session-guarantees";
import { broken, type InvariantName } from "./invariant";

const NAMES = {
  min_revision: "a session never goes back",
  "goes back": "a session never goes back",
  "applied twice": "applied once",
  "another answer": "the same answer",
} as const satisfies Record<SessionFault["rule"], InvariantName>;

/** Judges what clients were told, one after another (invariants 6 and 7). */
export function checkSessionEvents(events: readonly SessionEvent[]): void {
  const [fault] = checkSessions(events, []);
  if (fault !== undefined) broken(NAMES[fault.rule], fault.detail);
}
