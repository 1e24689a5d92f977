import type { ByteCall, ClientConnection, LeaderDirectory, Log } from "#forward";
import type { Limits } from "#kv";
import type { MemberId } from "#raft";
import type { Digest, Replica, StateStore, SubmitOutcome } from "#replica";
import type { WatchHub } from "#watch";
import type { CallCounters } from "./call-counters";

/** The part of a replica that its services need. */
export type ServedReplica = Pick<
  Replica,
  | "submit"
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
  /** Whether a store failed: the node then serves nothing that needs it. */
  hasFailed(): boolean;
}

/** Is told of each command that a call brings, and of how it ends. */
export interface CommandObserver {
  submitted(command: Uint8Array, call: ByteCall): (outcome: SubmitOutcome) => void;
}

/** Everything that the handlers of a node's calls work with. */
export interface NodeContext {
  readonly clusterId: string;
  readonly memberId: MemberId;
  readonly storeId: string;
  readonly softwareVersion: string;
  /** Sorted by id, this node included. */
  readonly members: readonly MemberAddresses[];
  readonly replica: ServedReplica;
  readonly watches: Pick<WatchHub, "open" | "watchesMax">;
  /** Kept up to date from the replica by the node. */
  readonly directory: LeaderDirectory;
  readonly limits: Limits;
  readonly digest: Digest;
  readonly counters: CallCounters;
  readonly facts: ProcessFacts;
  readonly log: Log;
  readonly commands?: CommandObserver | undefined;
  /** Whether calls that belong to the leader are forwarded to it. */
  readonly forwarding: boolean;
  /** The connections of clients, oldest first. */
  clients(): readonly ClientConnection[];
  /** Milliseconds since 1970, for display only. */
  wallMs(): number;
}
