/** What one call may hold. Bytes, unless named otherwise. */
export interface Limits {
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  readonly requestBytesMax: number;
  readonly txnOperationsMax: number;
  /** Keys that one BatchGet, Exists or DeleteRange may touch. */
  readonly batchRecordsMax: number;
}

export const DEFAULT_LIMITS: Limits = {
  keyBytesMax: 4 * 1024,
  valueBytesMax: 1024 * 1024,
  requestBytesMax: 2 * 1024 * 1024,
  txnOperationsMax: 128,
  batchRecordsMax: 10_000,
};

/** How many requests a session may have open. Part of the replicated state machine, so the same everywhere. */
export const SESSION_WINDOW_MAX = 1024;
