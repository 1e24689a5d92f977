import type { Entry, EntryId, EntryKind, Index, MemberId, Term } from "./entry";

/*
 * What replicas of one group say to each other: the message model of etcd-io/raft, one type a kind, each with only the
 * fields that it needs. The group's id is added outside, by the transport.
 */

interface Envelope {
  readonly from: MemberId;
  readonly to: MemberId;
  /** The sender's term, except in vote messages (see there); 0 in a forwarded proposal or read, which has no term. */
  readonly term: Term;
}

/** A leader's entries, or none, to follow the entry `previous`; `commit` is the leader's commit index (MsgApp). */
export interface AppendMessage extends Envelope {
  readonly kind: "append";
  readonly previous: EntryId;
  readonly entries: readonly Entry[];
  readonly commit: Index;
}

/**
 * The answer to an append (MsgAppResp). Accepted: `hint` is null, and the log equals the leader's up to `index`.
 * Rejected: `index` is the refused `previous.index` and `hint` the follower's best guess of where the logs may meet
 * (term 0 where it does not know the term).
 */
export interface AppendResponseMessage extends Envelope {
  readonly kind: "append_response";
  readonly index: Index;
  readonly hint: EntryId | null;
}

/** Would you vote for me? The term is the one that the sender would campaign in (MsgPreVote; thesis 9.6). */
export interface PreVoteMessage extends Envelope {
  readonly kind: "pre_vote";
  readonly last: EntryId;
}

interface VoteAnswer extends Envelope {
  readonly rejected: boolean;
  /** With a refusal: the last entry that the voter knows to be committed, which the candidate may not. */
  readonly committed?: EntryId;
}

/** Granted: the term of the request. Rejected: the voter's own term (MsgPreVoteResp). */
export interface PreVoteResponseMessage extends VoteAnswer {
  readonly kind: "pre_vote_response";
}

/** `transfer`: the leader asked for this election, so a follower's loyalty to it is no reason to refuse (MsgVote). */
export interface VoteMessage extends Envelope {
  readonly kind: "vote";
  readonly last: EntryId;
  readonly transfer: boolean;
}

export interface VoteResponseMessage extends VoteAnswer {
  readonly kind: "vote_response";
}

/**
 * A sign of life (MsgHeartbeat). `commit` never exceeds what the receiver is known to hold. `readSequence` is the number
 * of the latest read that waits for a quorum, 0 when none does.
 */
export interface HeartbeatMessage extends Envelope {
  readonly kind: "heartbeat";
  readonly commit: Index;
  readonly readSequence: number;
  /** What the leader's lease wants of the receiver; absent where it wants nothing. */
  readonly pledge?: PledgeRequest;
}

/** Vote for no other for so long, from when you hear this, and say so by naming the round (see lease.ts). */
export interface PledgeRequest {
  /** At least 1; grows within a term. */
  readonly round: number;
  /** A whole number above 0. */
  readonly ms: number;
}

/** Echoes the heartbeat's `readSequence` (MsgHeartbeatResp). */
export interface HeartbeatResponseMessage extends Envelope {
  readonly kind: "heartbeat_response";
  readonly readSequence: number;
  /** The sender's disk is nearly full. */
  readonly lowOnSpace: boolean;
  /** The round in which the sender has pledged itself; absent where it has not. */
  readonly pledgedRound?: number;
}

/**
 * The entries that the receiver needs are gone from the leader's log: it is to take the leader's state, which has applied
 * `last` (MsgSnap; the state itself does not come with the message).
 */
export interface SnapshotMessage extends Envelope {
  readonly kind: "snapshot";
  readonly last: EntryId;
}

/** A proposal: an entry before the leader gave it its place. */
export interface Proposal {
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** Proposals on their way to the leader (MsgProp). */
export interface ProposeMessage extends Envelope {
  readonly kind: "propose";
  readonly term: 0;
  readonly proposals: readonly Proposal[];
}

/** A follower's read on its way to the leader (MsgReadIndex). */
export interface ReadIndexMessage extends Envelope {
  readonly kind: "read_index";
  readonly term: 0;
  readonly context: string;
}

/** The commit index that the read of that context must wait for (MsgReadIndexResp). */
export interface ReadIndexResponseMessage extends Envelope {
  readonly kind: "read_index_response";
  readonly index: Index;
  readonly context: string;
}

/** A request to hand leadership to `from`, on its way to the leader (MsgTransferLeader). */
export interface TransferLeadershipMessage extends Envelope {
  readonly kind: "transfer_leadership";
}

/** The leader bids the receiver to campaign at once (MsgTimeoutNow; thesis 3.10). */
export interface TimeoutNowMessage extends Envelope {
  readonly kind: "timeout_now";
}

export type Message =
  | AppendMessage
  | AppendResponseMessage
  | PreVoteMessage
  | PreVoteResponseMessage
  | VoteMessage
  | VoteResponseMessage
  | HeartbeatMessage
  | HeartbeatResponseMessage
  | SnapshotMessage
  | ProposeMessage
  | ReadIndexMessage
  | ReadIndexResponseMessage
  | TransferLeadershipMessage
  | TimeoutNowMessage;

export type MessageKind = Message["kind"];

/** The name of each kind in etcd-io/raft, for comparison with other libraries. */
export const messageKindNames = {
  append: "MsgApp",
  append_response: "MsgAppResp",
  pre_vote: "MsgPreVote",
  pre_vote_response: "MsgPreVoteResp",
  vote: "MsgVote",
  vote_response: "MsgVoteResp",
  heartbeat: "MsgHeartbeat",
  heartbeat_response: "MsgHeartbeatResp",
  snapshot: "MsgSnap",
  propose: "MsgProp",
  read_index: "MsgReadIndex",
  read_index_response: "MsgReadIndexResp",
  transfer_leadership: "MsgTransferLeader",
  timeout_now: "MsgTimeoutNow",
} as const satisfies Record<MessageKind, string>;
