import { type Command, decodePutCommand, type RequestId } from "@quorate/proto/log";
import { decodeCommand } from "./command";
import type { SessionRequest } from "./session-table";
import { commandFault } from "./well-formed";

/**
 * A command as the machine takes it. Each replica reads each entry, and the machine looks at it more than once: so its form is
 * checked once, and what it says of its call is made numbers once.
 */
export interface CheckedCommand {
  /** 0 where a store cannot keep it, or it is before 1970: it is shown to people only, and not worth a refusal. */
  readonly wallTimeMs: number;
  readonly requestId: SessionRequest | null;
  /** Empty means "default". */
  readonly namespace: string;
  readonly operation: NonNullable<Command["operation"]>;
  /** What is wrong with it whatever the state, in a sentence for people; left out where nothing is. */
  readonly fault?: string;
}

/**
 * The command that the bytes of a log entry stand for, or null when they are malformed or name no known operation:
 * the machine takes null too, and refuses it alike on each replica. Byte fields share memory with `bytes`.
 */
export function readCommand(bytes: Uint8Array): CheckedCommand | null {
  const plainPut = decodePutCommand(bytes);
  if (plainPut !== null && isInForm(plainPut.requestId) && plainPut.operation.value.key.length > 0)
    return plainPut;
  const command = decodeCommand(bytes);
  return command === null ? null : checkedCommand(command);
}

/** null where the command names no operation. */
export function checkedCommand(command: Command): CheckedCommand | null {
  const { namespace, operation, requestId } = command;
  if (operation === undefined) return null;
  const wallTimeMs = Number(command.wallTimeMs);
  const checked = {
    wallTimeMs: Number.isSafeInteger(wallTimeMs) && wallTimeMs >= 0 ? wallTimeMs : 0,
    requestId: requestId === undefined ? null : requestOf(requestId),
    namespace,
    operation,
  };
  const fault = commandFault(command);
  return fault === null ? checked : { ...checked, fault };
}

/** Whether commandFault() finds nothing wrong with it, for those that are whole numbers from 0 already. */
function isInForm(requestId: SessionRequest | null): boolean {
  if (requestId === null) return true;
  const { clientId, sequence, firstUnanswered, follows } = requestId;
  return clientId > 0 && firstUnanswered <= sequence && (follows ?? 0) < sequence;
}

function requestOf({ clientId, sequence, firstUnanswered, follows }: RequestId): SessionRequest {
  return {
    clientId: Number(clientId),
    sequence: Number(sequence),
    firstUnanswered: Number(firstUnanswered),
    follows: follows === undefined ? null : Number(follows),
  };
}
