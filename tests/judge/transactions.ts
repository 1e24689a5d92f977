/*
 * Recorded transactions over lists that only grow. Each value is appended to a key once in the whole history, so a list
 * that was read tells which transactions came before the reader, and in which order.
 */

/** One operation of a transaction, in the order in which they were carried out. */
export type ListOperation =
  | { readonly op: "append"; readonly key: string; readonly value: string }
  /** values null: what was read is not known, as in a transaction of unknown outcome. */
  | { readonly op: "read"; readonly key: string; readonly values: readonly string[] | null };

export interface RecordedTransaction {
  readonly client: string;
  readonly operations: readonly ListOperation[];
  /** fail: the server said that nothing was done. unknown: everything else that did not succeed. */
  readonly status: "ok" | "fail" | "unknown";
  /** Nanoseconds of one monotonic clock, in decimal. */
  readonly invoke: string;
  /** As `invoke`; absent when the status is unknown. */
  readonly return?: string;
}

/** One line: who, what, and from when to when in nanoseconds. */
export function describeTransaction({ client, operations, status, ...at }: RecordedTransaction): string {
  const done = operations.map(describeListOperation).join("; ");
  return `${client} {${done}}${status === "ok" ? "" : ` ${status}`} [${at.invoke} to ${at.return ?? "..."}]`;
}

function describeListOperation(operation: ListOperation): string {
  switch (operation.op) {
    case "append":
      return `append ${operation.key} ${operation.value}`;
    case "read":
      return `read ${operation.key} ${operation.values === null ? "?" : `[${operation.values.join(" ")}]`}`;
  }
}
