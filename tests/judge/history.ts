/*
 * Recorded histories, one JSON object a line, written after the operation has ended. The format is a contract: checkers
 * outside this project read it too.
 */

interface Recorded<Op extends string, Args, Result> {
  /** Runs one operation at a time. After an operation of unknown outcome the same caller goes on under a new name. */
  readonly client: string;
  readonly op: Op;
  readonly key: string;
  readonly args: Args;
  /** null unless the status is ok. */
  readonly result: Result | null;
  /** fail: the server said that nothing was done. unknown: everything else that did not succeed. */
  readonly status: "ok" | "fail" | "unknown";
  /** Nanoseconds of one monotonic clock, in decimal. */
  readonly invoke: string;
  /** As `invoke`; absent when the status is unknown, for the operation may still take effect at any later time. */
  readonly return?: string;
}

/** The key's modification revision, where known. */
interface WithRevision {
  readonly rev?: number;
}

export type HistoryRecord =
  | Recorded<"get", Record<string, never>, WithRevision & { readonly value: string | null }>
  | Recorded<"put", { readonly value: string }, WithRevision>
  | Recorded<"delete", Record<string, never>, WithRevision & { readonly deleted: boolean }>
  /** expect null: the key must not exist. */
  | Recorded<
      "cas",
      { readonly expect: string | null; readonly value: string },
      WithRevision & { readonly swapped: boolean }
    >
  | Recorded<"incr", { readonly by: number }, WithRevision & { readonly value: number }>
  | Recorded<"append", { readonly value: string }, WithRevision & { readonly value: string }>;

export type OperationName = HistoryRecord["op"];
