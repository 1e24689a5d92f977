import type { DatabaseHandle } from "./database-handle";
import type { HistoryFloors } from "./history-floors";
import type { RecordSource } from "./record-source";
import type { StateWriter } from "./state-writer";

/** What removing needs. */
export interface RemovalParts {
  readonly handle: DatabaseHandle;
  readonly source: RecordSource;
  readonly floors: HistoryFloors;
  readonly stateWriter: StateWriter;
}

/** Keys that one batch removes, nearly: below a millisecond of work that a write may have to wait for. */
export const KEYS_PER_SLICE = 256;
