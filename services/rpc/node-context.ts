import type { ByteCall, ClientConnection, LeaderDirectory, Log } from "#forward";
import type { Limits } from "#kv";
import type { MemberId } from "#raft";
import type { Digest, Replica, StateStore, SubmitOutcome } from "#replica";
import type { RepairMemberOutcome, VerificationStatus, VerifyOutcome } from "#verification";
import type { WatchHub } from "#watch";
import type { AlarmBoard } from "./alarms";
import type { CallCounters } from "./call-counters";
import type { LeaderWait } from "./leader-wait";
import type { WriteOrder } from "./write-order";

/** The part of a replica that its services need. */
export type ServedReplica = Pick<
  Replica,
  | "enqueue"
  | "readPoint"
  | "transferLeadership"
  | "status"
  | "memberStore"
  | "namespaces"
  | "meta"
  | "lease"
  | "leasesOf"
  | "leaseKeys"
  | "leader"
  | "membership"
  | "changeMembership"
  | "takeSnapshot"
> & { readonly state: Pick<StateStore, "records" | "scan"> };

/** A member's addresses, host:port each. */
export interface MemberAddresses {
  readonly id: MemberId;
  readonly clientAddress: string;
  readonly peerAddress: string;
}

/** What the process knows of itself beside its replica. */
export interface ProcessFacts {
  uptimeMs(): number;
  memoryBytes(): number;
  diskBytes(): Promise<number>;
  /** On the file system of the data directory; null while it is not known. */
  diskFreeBytes(): number | null;
  /** Whether a store failed: the node then serves nothing that needs it. */
  hasFailed(): boolean;
}

/** Is told of each command that a call brings, and of how it ends. */
export interface CommandObserver {
  submitted(command: Uint8Array, call: ByteCall): (outcome: SubmitOutcome) => void;
}

/** What compares replicas, as far as operators ask for it. */
export interface ServedVerification {
  status(): VerificationStatus;
  /** Compares all members now; on the leader. */
  verify(): Promise<VerifyOutcome>;
  /** Compares all members now, and waits until this one has put itself right; on the leader. */
  repairMember(memberId: MemberId): Promise<RepairMemberOutcome>;
}

/** What an operator may do to the process. */
export interface Administration {
  /**
   * A backup of the whole state as it is when the first piece is asked for, in pieces of at most 1 MiB. What it holds is let
   * go of when the iteration ends. null where there are no backups.
   */
  readonly backup: (() => AsyncIterable<Uint8Array>) | null;
  /** Cuts the connection of a client. @returns whether there was one from that address */
  dropClient(address: string): boolean;
  /** @returns the level before */
  setLogLevel(level: LogLevel): LogLevel;
}

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;

export type LogLevel = (typeof logLevels)[number];

/** Everything that the handlers of a node's calls work with. */
export interface NodeContext {
  readonly clusterId: string;
  readonly memberId: MemberId;
  readonly storeId: string;
  readonly softwareVersion: string;
  /** Where the members are reached as far as this node knows, which may be ahead of what the cluster has recorded. */
  readonly members: readonly MemberAddresses[];
  readonly replica: ServedReplica;
  readonly watches: Pick<WatchHub, "open" | "watchesMax" | "size">;
  /** Kept up to date from the replica by the node. */
  readonly directory: LeaderDirectory;
  /** Where calls wait for a leader; without it they are refused while none is known. Told by the node of each change. */
  readonly leaderWait?: LeaderWait | undefined;
  /** Where writes wait for the one that they follow; without it they do not. Told by the node of each change of who leads. */
  readonly writeOrder?: WriteOrder | undefined;
  readonly limits: Limits;
  readonly digest: Digest;
  readonly counters: CallCounters;
  readonly facts: ProcessFacts;
  readonly alarms: Pick<AlarmBoard, "observe" | "list">;
  /** null where replicas are not compared. */
  readonly verification: ServedVerification | null;
  readonly administration: Administration;
  readonly log: Log;
  readonly commands?: CommandObserver | undefined;
  /** Whether calls that belong to the leader are forwarded to it. */
  readonly forwarding: boolean;
  /** The connections of clients, oldest first. */
  clients(): readonly ClientConnection[];
  /** Milliseconds since 1970, for display only. */
  wallMs(): number;
}
