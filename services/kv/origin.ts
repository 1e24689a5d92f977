import type { CheckedCommand } from "./checked-command";
import type { SessionRequest } from "./session-table";
import type { ChangeCause, ChangeOrigin } from "./state";

type Operation = CheckedCommand["operation"];

/** What the changes of each operation say of their cause; null for those that change no record. */
const causes = {
  put: "put",
  delete: "delete",
  deleteRange: "delete_range",
  increment: "increment",
  append: "append",
  truncate: "truncate",
  txn: "txn",
  tick: "lease_ended",
  revokeLease: "lease_ended",
  deleteNamespace: "namespace_deleted",
  createNamespace: null,
  setQuota: null,
  compact: null,
  grantLease: null,
  renewLeases: null,
  openSession: null,
  closeSession: null,
  recordStore: null,
  changeMembership: null,
  updateMember: null,
  verify: null,
} as const satisfies Record<Operation["$case"], ChangeCause | null>;

type Changing = {
  [Case in Operation["$case"]]: (typeof causes)[Case] extends null ? never : Case;
}[Operation["$case"]];

/** The operations that change records. */
export type ChangingOperation = Extract<Operation, { $case: Changing }>;

export function originOf(
  { wallTimeMs }: CheckedCommand,
  operation: ChangingOperation,
  requestId: SessionRequest | null,
): ChangeOrigin {
  return {
    cause: operation.$case === "append" && operation.value.atStart ? "prepend" : causes[operation.$case],
    wallTimeMs,
    requestId: requestId === null ? null : { clientId: requestId.clientId, sequence: requestId.sequence },
  };
}
