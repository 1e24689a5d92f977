import type { Command } from "@quorate/proto/log";
import type { SessionRequest } from "./session-table";
import type { ChangeCause, ChangeOrigin } from "./state";

type Operation = NonNullable<Command["operation"]>;

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

/** A time that a store cannot keep, or before 1970, is not worth a refusal, for it is shown to people only. */
export function originOf(
  command: Command,
  operation: ChangingOperation,
  request: SessionRequest | null,
): ChangeOrigin {
  const wallTimeMs = Number(command.wallTimeMs);
  return {
    cause: operation.$case === "append" && operation.value.atStart ? "prepend" : causes[operation.$case],
    wallTimeMs: Number.isSafeInteger(wallTimeMs) && wallTimeMs >= 0 ? wallTimeMs : 0,
    requestId: request === null ? null : { clientId: request.clientId, sequence: request.sequence },
  };
}
