import type { ErrorReason } from "@quorate/client/generated";
import type { CodeName, Reply, TestCluster } from "#support";

/** What the nodes of the cluster are started with, so that a range over the limit is quickly filled. */
export const BATCH_RECORDS_MAX = 100;

/** A way to provoke a failure. */
export interface ErrorRow {
  readonly what: string;
  readonly code: CodeName;
  readonly reason: keyof typeof ErrorReason;
  readonly message?: RegExp;
  /** Of a read nothing is said about what became of it. */
  readonly isRead?: true;
  provoke(c: TestCluster): Promise<Reply<unknown>>;
}
