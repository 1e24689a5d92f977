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

/**
 * How many bytes of kept answers a session may hold before its next write is refused like one beyond the window. An
 * answer may be as large as a value, so the count alone would let one session take a gigabyte on each replica.
 */
export const SESSION_ANSWER_BYTES_MAX = 32 * 1024 * 1024;

/** No replicated time or time to live is longer, so that their sums stay safe integers. About 8,900 years. */
export const TIME_MS_MAX = 2 ** 48;

/** How many namespaces there may be. Part of the replicated state machine, so the same everywhere. */
export const NAMESPACES_MAX = 10_000;

/** How many sessions there may be. Part of the replicated state machine, so the same everywhere. */
export const SESSIONS_MAX = 100_000;

/** How many bytes of answers all sessions together may keep; see SessionTable for what gives way. */
export const SESSIONS_ANSWER_BYTES_MAX = 256 * 1024 * 1024;

/** What a kept answer counts for in that bound besides its own bytes: most are short, and what holds them is not. */
export const SESSION_ANSWER_OVERHEAD_BYTES = 256;

/** How many sessions one Tick ends at most: all that ends at once, with the answers, is one batch. */
export const SESSIONS_ENDED_MAX = 10_000;

/** How many leases there may be. Part of the replicated state machine, so the same everywhere. */
export const LEASES_MAX = 100_000;

/** How many keys a lease may have, and how many one Tick deletes at most: what ends at once is one batch. */
export const LEASE_KEYS_MAX = 10_000;

/** Records that one range of a Txn may answer with. */
export const TXN_RANGE_RECORDS_MAX = 1_000;

/** Keys that one count of a Txn may count. */
export const TXN_COUNT_MAX = 10_000;

/**
 * How many ranges a Txn may hold, those of compares, of both branches and of a nested Txn together. What an entry needs
 * is read at once, so this bounds the memory that one takes on each replica.
 */
export const TXN_RANGES_MAX = 64;

/**
 * What the ranges of one Txn may read together, in bytes of keys and RANGE_RECORD_OVERHEAD_BYTES a record, each range an
 * equal share: it is held at once on each replica.
 */
export const TXN_RANGE_KEY_BYTES_MAX = 64 * 1024 * 1024;

/** What a record that is read without its value takes besides its key, nearly. */
export const RANGE_RECORD_OVERHEAD_BYTES = 512;

/** Keys that the ranges of one Txn may delete together: what goes at once is one batch. */
export const TXN_RANGE_DELETIONS_MAX = 10_000;
