import type { ErrorRow } from "./error-row";
import { historyErrorRows } from "./history-error-rows";
import { keyErrorRows } from "./key-error-rows";
import { leaseErrorRows } from "./lease-error-rows";
import { memberErrorRows } from "./member-error-rows";
import { namespaceErrorRows } from "./namespace-error-rows";
import { sessionErrorRows } from "./session-error-rows";
import { txnErrorRows } from "./txn-error-rows";

/** Every row of the error table that one call against a healthy cluster can provoke. */
export const errorRows: readonly ErrorRow[] = [
  ...keyErrorRows,
  ...sessionErrorRows,
  ...memberErrorRows,
  ...historyErrorRows,
  ...leaseErrorRows,
  ...txnErrorRows,
  ...namespaceErrorRows,
];
