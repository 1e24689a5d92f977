import type { Command } from "@quorate/proto/log";
import { unreachable } from "#std";
import { TIME_MS_MAX } from "./limits";
import { namespaceNameFault } from "./namespace-name";

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
      return (
        keyFault(operation.value.key) ??
        boundFault("value_bytes_max", operation.value.valueBytesMax, 0n, MAX_SAFE) ??
        requestIdFault(command)
      );
    case "deleteRange":
      return boundFault("keys_max", operation.value.keysMax, 0n, MAX_SAFE - 1n) ?? requestIdFault(command);
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
      return "a txn is of no known kind";
    case "openSession":
      return boundFault("ttl_ms", operation.value.ttlMs, 1n, TIME_MAX);
    case "closeSession":
      return null;
    case "tick":
      return boundFault("elapsed_ms", operation.value.elapsedMs, 0n, TIME_MAX);
    case "recordStore":
      if (operation.value.memberId === "") return "member_id is empty";
      return operation.value.storeId === "" ? "store_id is empty" : null;
    default:
      return unreachable(operation);
  }
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const TIME_MAX = BigInt(TIME_MS_MAX);

function requestIdFault(command: Command): string | null {
  const id = command.requestId;
  if (id === undefined) return null;
  return (
    boundFault("client_id", id.clientId, 1n, MAX_SAFE) ??
    boundFault("sequence", id.sequence, 1n, MAX_SAFE) ??
    boundFault("first_unanswered", id.firstUnanswered, 0n, id.sequence)
  );
}

function keyFault(key: Uint8Array): string | null {
  return key.length === 0 ? "key is empty" : null;
}

function boundFault(field: string, number: bigint, min: bigint, max: bigint): string | null {
  return number >= min && number <= max ? null : `${field} is ${number}, not in ${min} to ${max}`;
}
