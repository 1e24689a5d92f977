import type { ChangeMembership, Command, Member } from "@quorate/proto/log";
import { unreachable } from "#std";
import { boundFault, keyFault, MAX_SAFE } from "./field-faults";
import { TIME_MS_MAX } from "./limits";
import { namespaceNameFault } from "./namespace-name";
import { appendFault, deleteRangeFault, txnFault } from "./txn-fault";

/**
 * What is wrong with a command whatever the state, in a sentence for people, or null. Callers are checked before a
 * command is made, so this speaks of entries that another program or version wrote.
 */
export function commandFault(command: Command): string | null {
  const { operation } = command;
  if (operation === undefined) return "the command names no operation that this version knows";
  switch (operation.$case) {
    case "put":
    case "delete":
    case "increment":
      return keyFault(operation.value.key) ?? requestIdFault(command);
    case "append":
      return appendFault(operation.value) ?? requestIdFault(command);
    case "deleteRange":
      return deleteRangeFault(operation.value) ?? requestIdFault(command);
    case "truncate":
      return requestIdFault(command);
    case "createNamespace":
    case "setQuota":
      return (
        namespaceNameFault(operation.value.name) ??
        boundFault("keys_max", operation.value.keysMax, 0n, MAX_SAFE) ??
        boundFault("bytes_max", operation.value.bytesMax, 0n, MAX_SAFE) ??
        requestIdFault(command)
      );
    case "deleteNamespace":
      return namespaceNameFault(operation.value.name) ?? requestIdFault(command);
    case "grantLease":
      return boundFault("ttl_ms", operation.value.ttlMs, 1n, TIME_MAX) ?? requestIdFault(command);
    case "revokeLease":
      return requestIdFault(command);
    case "renewLeases":
      return null;
    case "compact":
      return boundFault("revision", operation.value.revision, 0n, MAX_SAFE) ?? requestIdFault(command);
    case "txn":
      return txnFault(operation.value) ?? requestIdFault(command);
    case "openSession":
      return boundFault("ttl_ms", operation.value.ttlMs, 1n, TIME_MAX);
    case "closeSession":
      return null;
    case "tick":
      return boundFault("elapsed_ms", operation.value.elapsedMs, 0n, TIME_MAX);
    case "verify":
      return null;
    case "changeMembership":
      return membershipFault(operation.value);
    case "updateMember":
      return operation.value.member === undefined ? "member is not set" : memberFault(operation.value.member);
    case "recordStore":
      if (operation.value.memberId === "") return "member_id is empty";
      return operation.value.storeId === "" ? "store_id is empty" : null;
    default:
      return unreachable(operation);
  }
}

function membershipFault({ configuration, members }: ChangeMembership): string | null {
  if (configuration === undefined) return "configuration is not set";
  if (configuration.voters.length === 0) return "configuration.voters is empty";
  for (const member of members) {
    const fault = memberFault(member);
    if (fault !== null) return fault;
  }
  return null;
}

function memberFault(member: Member): string | null {
  if (member.memberId === "") return "member_id is empty";
  if (member.clientAddress === "" || member.peerAddress === "") return "a member has no address";
  return null;
}

const TIME_MAX = BigInt(TIME_MS_MAX);

function requestIdFault(command: Command): string | null {
  const id = command.requestId;
  if (id === undefined) return null;
  return (
    boundFault("client_id", id.clientId, 1n, MAX_SAFE) ??
    boundFault("sequence", id.sequence, 1n, MAX_SAFE) ??
    boundFault("first_unanswered", id.firstUnanswered, 0n, id.sequence) ??
    (id.follows === undefined ? null : boundFault("follows", id.follows, 0n, id.sequence - 1n))
  );
}
