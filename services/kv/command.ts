import { Command, encodePutCommand as encodePut, type Member, type Txn } from "@quorate/proto/log";
import { EMPTY_BYTES } from "#std";
import { encoderOf } from "./encoder";
import type { KeyRange } from "./key-range";
import type { ConfigurationState, MemberInfo } from "./membership";
import type { Quota } from "./namespace";

/** Names a write within its session, so that it is applied once. */
export interface WriteId {
  readonly clientId: number;
  /** From 1. */
  readonly sequence: number;
  /** The client has every answer below this sequence; at most `sequence`. */
  readonly firstUnanswered: number;
  /** The write of the session that must have its answer first, 0 for none; left out where the order is of no matter. */
  readonly follows?: number;
}

/** What all writes say about themselves. */
export interface CommandSource {
  /** Empty means "default". */
  readonly namespace: string;
  readonly requestId: WriteId | null;
  /** The leader's wall clock, since 1970; for display only. */
  readonly wallTimeMs: number;
}

/** A condition and a lease id are the caller's own int64, so they stay as they came: a number would round them. */
export interface PutArguments {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** 0 for none. */
  readonly leaseId: bigint;
  readonly returnPrevious: boolean;
  /** null for no condition; 0 for a key that must not exist. */
  readonly expectedModRevision: bigint | null;
}

export type DeleteArguments = Pick<PutArguments, "key" | "returnPrevious" | "expectedModRevision">;

export interface AppendArguments {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Before the value instead of behind it. */
  readonly atStart: boolean;
  /** The limit of the leader that takes the command; see Limits. */
  readonly valueBytesMax: number;
}

type Operation = NonNullable<Command["operation"]>;

const encode = encoderOf(Command, {
  wallTimeMs: 0n,
  requestId: undefined,
  namespace: "",
  operation: undefined,
});

/** The bytes of a log entry. */
export function encodeCommand(command: Command): Uint8Array {
  return encode(command);
}

/**
 * The same as encodeCommand(putCommand(…)), at half the cost: by hand, without making a Command, and in memory that it shares
 * with the puts before and after it.
 */
export function encodePutCommand(source: CommandSource, put: PutArguments): Uint8Array {
  return encodePut(source, put);
}

/** The command that the bytes of a log entry stand for; null as of readCommand(). Byte fields share memory with `bytes`. */
export function decodeCommand(bytes: Uint8Array): Command | null {
  let command: Command;
  try {
    command = Command.decode(bytes);
  } catch {
    // The reader throws for any malformed input, and says nothing that the refusal could add.
    return null;
  }
  return command.operation === undefined ? null : command;
}

export function putCommand(source: CommandSource, put: PutArguments): Command {
  return commandOf(source, {
    $case: "put",
    value: {
      key: put.key,
      value: put.value,
      leaseId: put.leaseId,
      returnPrevious: put.returnPrevious,
      expectedModRevision: put.expectedModRevision ?? undefined,
    },
  });
}

export function deleteCommand(source: CommandSource, deletion: DeleteArguments): Command {
  return commandOf(source, {
    $case: "delete",
    value: {
      key: deletion.key,
      returnPrevious: deletion.returnPrevious,
      expectedModRevision: deletion.expectedModRevision ?? undefined,
    },
  });
}

/** @param keysMax the limit of the leader that takes the command: a range with more keys is refused */
export function deleteRangeCommand(source: CommandSource, range: KeyRange, keysMax: number): Command {
  return commandOf(source, {
    $case: "deleteRange",
    value: { start: range.start, end: range.end ?? EMPTY_BYTES, keysMax: BigInt(keysMax) },
  });
}

export function incrementCommand(source: CommandSource, key: Uint8Array, delta: bigint): Command {
  return commandOf(source, { $case: "increment", value: { key, delta } });
}

/** Append and Prepend. */
export function appendCommand(source: CommandSource, append: AppendArguments): Command {
  return commandOf(source, {
    $case: "append",
    value: {
      key: append.key,
      value: append.value,
      atStart: append.atStart,
      valueBytesMax: BigInt(append.valueBytesMax),
    },
  });
}

export function truncateCommand(source: CommandSource): Command {
  return commandOf(source, { $case: "truncate", value: {} });
}

/** @param txn with the limits of the leader that takes the command */
export function txnCommand(source: CommandSource, txn: Txn): Command {
  return commandOf(source, { $case: "txn", value: txn });
}

/** @param ttlMs in replicated time, already within the bounds that callers are held to */
export function grantLeaseCommand(source: CommandSource, ttlMs: number): Command {
  return commandOf(source, { $case: "grantLease", value: { ttlMs: BigInt(ttlMs) } });
}

export function revokeLeaseCommand(source: CommandSource, leaseId: bigint): Command {
  return commandOf(source, { $case: "revokeLease", value: { leaseId } });
}

/** Renewing twice does no harm, so a request id is not looked at. */
export function renewLeasesCommand(source: CommandSource, leaseIds: readonly bigint[]): Command {
  return commandOf(source, { $case: "renewLeases", value: { leaseIds: [...leaseIds] } });
}

/** @param revision the oldest one that can be read afterwards */
export function compactCommand(source: CommandSource, revision: number): Command {
  return commandOf(source, { $case: "compact", value: { revision: BigInt(revision), allNamespaces: false } });
}

/** @param revision the oldest one that can be read afterwards, in any namespace */
export function compactAllCommand(revision: number, wallTimeMs: number): Command {
  const value = { revision: BigInt(revision), allNamespaces: true };
  return commandOf(ofTheCluster(wallTimeMs), { $case: "compact", value });
}

/** The source's namespace is the one whose session the request id is of; so with the next two. */
export function createNamespaceCommand(
  source: CommandSource,
  name: string,
  quota: Quota = { keysMax: null, bytesMax: null },
): Command {
  return commandOf(source, { $case: "createNamespace", value: { name, ...boundsOf(quota) } });
}

export function deleteNamespaceCommand(source: CommandSource, name: string): Command {
  return commandOf(source, { $case: "deleteNamespace", value: { name } });
}

export function setQuotaCommand(source: CommandSource, name: string, quota: Quota): Command {
  return commandOf(source, { $case: "setQuota", value: { name, ...boundsOf(quota) } });
}

/** @param ttlMs in replicated time, already within the bounds that callers are held to */
export function openSessionCommand(source: CommandSource, ttlMs: number): Command {
  return commandOf(source, { $case: "openSession", value: { ttlMs: BigInt(ttlMs) } });
}

export function closeSessionCommand(source: CommandSource, clientId: bigint): Command {
  return commandOf(source, { $case: "closeSession", value: { clientId } });
}

/** @param elapsedMs the leader's monotonic time since its previous Tick, 0 for the first of its term */
export function tickCommand(elapsedMs: number, wallTimeMs: number): Command {
  return commandOf(ofTheCluster(wallTimeMs), { $case: "tick", value: { elapsedMs: BigInt(elapsedMs) } });
}

export function recordStoreCommand(memberId: string, storeId: string, wallTimeMs: number): Command {
  return commandOf(ofTheCluster(wallTimeMs), { $case: "recordStore", value: { memberId, storeId } });
}

/** The only operation of an entry that changes the configuration. */
export function changeMembershipCommand(
  configuration: ConfigurationState,
  members: readonly MemberInfo[],
  wallTimeMs: number,
): Command {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = configuration;
  return commandOf(ofTheCluster(wallTimeMs), {
    $case: "changeMembership",
    value: {
      configuration: {
        voters: [...voters],
        votersOutgoing: [...votersOutgoing],
        learners: [...learners],
        learnersNext: [...learnersNext],
        autoLeave,
      },
      members: members.map(memberOf),
    },
  });
}

export function updateMemberCommand(member: MemberInfo, wallTimeMs: number): Command {
  return commandOf(ofTheCluster(wallTimeMs), { $case: "updateMember", value: { member: memberOf(member) } });
}

/** Begins a round of comparing replicas. */
export function verifyCommand(wallTimeMs: number): Command {
  return commandOf(ofTheCluster(wallTimeMs), { $case: "verify", value: {} });
}

function memberOf(member: MemberInfo): Member {
  const { memberId, clientAddress, peerAddress, priority, promoteWhenCaughtUp, replaces } = member;
  return { memberId, clientAddress, peerAddress, storeId: "", priority, promoteWhenCaughtUp, replaces };
}

function boundsOf(quota: Quota): { keysMax: bigint; bytesMax: bigint } {
  return { keysMax: BigInt(quota.keysMax ?? 0), bytesMax: BigInt(quota.bytesMax ?? 0) };
}

/** A command that concerns no namespace and no caller. */
function ofTheCluster(wallTimeMs: number): CommandSource {
  return { namespace: "", requestId: null, wallTimeMs };
}

function commandOf(source: CommandSource, operation: Operation): Command {
  const { requestId } = source;
  return {
    wallTimeMs: BigInt(source.wallTimeMs),
    requestId:
      requestId === null
        ? undefined
        : {
            clientId: BigInt(requestId.clientId),
            sequence: BigInt(requestId.sequence),
            firstUnanswered: BigInt(requestId.firstUnanswered),
            follows: requestId.follows === undefined ? undefined : BigInt(requestId.follows),
          },
    namespace: source.namespace,
    operation,
  };
}
