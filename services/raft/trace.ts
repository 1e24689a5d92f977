import type { Configuration } from "./configuration";
import type { Index, MemberId, Term } from "./entry";
import type { Member } from "./member";
import { type Message, type MessageKind, messageKindNames } from "./message";
import type { RoleName } from "./status";

/*
 * The transitions of the core as the public TLA+ trace specification of etcd-io/raft reads them (its tla folder,
 * Traceetcdraft.tla; field names as in its state_trace.go), so that a model checker can validate a run.
 *
 * That model asks of a run:
 * - at most one change of the configuration an entry, and no joint one;
 * - no pre-vote and no check-quorum: it knows neither, nor the loyalty that comes with them;
 * - members that begin with committed entries of term 1, as etcd's do: a heartbeat moves no commit index of 0 in it;
 * - crashes only where no Ready is outstanding or due: it takes a Ready to be durable as soon as it is taken, and
 *   remembers of a durable log only its length;
 * - no message that arrives twice, and no request for a vote from a member that lost the election to a leader which the
 *   receiver has heard of: it is refused here, as in etcd-io/raft, and granted in the model.
 */

export type TraceEventName =
  | "InitState"
  | "BecomeFollower"
  | "BecomeCandidate"
  | "BecomeLeader"
  | "Replicate"
  | "Commit"
  | "ChangeConf"
  | "ApplyConfChange"
  | "Ready"
  | MessageEventName;

type MessageEventName =
  | "SendAppendEntriesRequest"
  | "ReceiveAppendEntriesRequest"
  | "SendAppendEntriesResponse"
  | "ReceiveAppendEntriesResponse"
  | "SendRequestVoteRequest"
  | "ReceiveRequestVoteRequest"
  | "SendRequestVoteResponse"
  | "ReceiveRequestVoteResponse";

/** A message of an event. Fields that its kind has not are 0 or false. */
export interface TraceMessage {
  readonly type: string;
  readonly term: Term;
  readonly from: MemberId;
  readonly to: MemberId;
  /** How many. */
  readonly entries: number;
  readonly logTerm: Term;
  readonly index: Index;
  readonly commit: Index;
  readonly reject: boolean;
  readonly rejectHint: Index;
}

/** One transition, with the state of its member after it; before it where a message was received. */
export interface TraceEvent {
  readonly name: TraceEventName;
  readonly nid: MemberId;
  /** A vote for nobody is "0". */
  readonly state: { readonly term: Term; readonly vote: string; readonly commit: Index };
  readonly role: string;
  /** The index of the last entry. */
  readonly log: Index;
  /** The voters, and the outgoing ones of a joint configuration. */
  readonly conf: readonly [readonly MemberId[], readonly MemberId[]];
  readonly msg?: TraceMessage;
  /** Of ChangeConf, what it changes; of ApplyConfChange, who votes from now on. */
  readonly prop?: { readonly cc: TraceChange };
}

export interface TraceChange {
  readonly changes: readonly { readonly nid: MemberId; readonly action: string }[];
  readonly newconf: readonly MemberId[];
}

/** Told of each transition, in order, while it happens: it may not call the core. */
export type Tracer = (event: TraceEvent) => void;

/**
 * One line of a trace file. The validating script sorts lines by their third field between colons, so it is a number of
 * fixed width that counts up.
 *
 * @param number of the event, over all members of the run, from 1
 */
export function traceLine(number: number, event: TraceEvent): string {
  const ts = 1_000_000_000 + number;
  return JSON.stringify({ level: "debug", ts, msg: "trace", tag: "trace", event });
}

export function traceEventOf(member: Member, name: TraceEventName, message: Message | null): TraceEvent {
  const { id, term, vote, log, role, membership } = member;
  const { voters, votersOutgoing } = membership.configuration;
  return {
    name,
    nid: id,
    state: { term, vote: vote ?? "0", commit: log.commit },
    role: roleNames[role.name],
    log: log.lastIndex,
    conf: [voters, votersOutgoing],
    ...(message === null ? {} : { msg: traceMessageOf(message) }),
  };
}

/** An entry that makes `next` the configuration, as the model has it: a list of single changes. */
export function traceChangeOf(current: Configuration, next: Configuration): TraceChange {
  const added = next.voters.filter((id) => !current.voters.includes(id));
  const learning = next.learners.filter((id) => !current.learners.includes(id));
  const stay = [...next.voters, ...next.learners, ...next.learnersNext];
  const removed = [...current.voters, ...current.learners].filter((id) => !stay.includes(id));
  return {
    changes: [
      ...added.map((nid) => ({ nid, action: "AddNewServer" })),
      ...learning.map((nid) => ({ nid, action: "AddLearner" })),
      ...removed.map((nid) => ({ nid, action: "RemoveServer" })),
    ],
    newconf: [],
  };
}

const roleNames = {
  follower: "StateFollower",
  pre_candidate: "StatePreCandidate",
  candidate: "StateCandidate",
  leader: "StateLeader",
} as const satisfies Record<RoleName, string>;

/** Which events a message makes where it is sent and received; null for kinds that the model leaves out. */
export const messageEventNames = {
  append: { sent: "SendAppendEntriesRequest", received: "ReceiveAppendEntriesRequest" },
  append_response: { sent: "SendAppendEntriesResponse", received: "ReceiveAppendEntriesResponse" },
  heartbeat: { sent: "SendAppendEntriesRequest", received: "ReceiveAppendEntriesRequest" },
  heartbeat_response: { sent: "SendAppendEntriesResponse", received: "ReceiveAppendEntriesResponse" },
  vote: { sent: "SendRequestVoteRequest", received: "ReceiveRequestVoteRequest" },
  vote_response: { sent: "SendRequestVoteResponse", received: "ReceiveRequestVoteResponse" },
  pre_vote: null,
  pre_vote_response: null,
  propose: null,
  read_index: null,
  read_index_response: null,
  transfer_leadership: null,
  timeout_now: null,
  snapshot: { sent: "SendAppendEntriesRequest", received: "ReceiveAppendEntriesRequest" },
} as const satisfies Record<
  MessageKind,
  { readonly sent: MessageEventName; readonly received: MessageEventName } | null
>;

function traceMessageOf(message: Message): TraceMessage {
  const { from, to, term } = message;
  const blank = { entries: 0, logTerm: 0, index: 0, commit: 0, reject: false, rejectHint: 0 };
  const envelope = { type: messageKindNames[message.kind], term, from, to, ...blank };
  switch (message.kind) {
    case "append": {
      const { previous, entries } = message;
      // What the receiver may make of it: the model cuts the commit index off at the last entry that is sent along.
      const commit = Math.min(message.commit, previous.index + entries.length);
      return { ...envelope, entries: entries.length, logTerm: previous.term, index: previous.index, commit };
    }
    case "append_response": {
      const { index, hint } = message;
      if (hint === null) return { ...envelope, index };
      return { ...envelope, index, reject: true, rejectHint: hint.index, logTerm: hint.term };
    }
    case "heartbeat":
      return { ...envelope, commit: message.commit };
    case "snapshot":
      // The model sends the log from its beginning.
      return { ...envelope, entries: message.last.index, commit: message.last.index };
    case "vote":
      return { ...envelope, logTerm: message.last.term, index: message.last.index };
    case "vote_response":
      return { ...envelope, reject: message.rejected };
    default:
      return envelope;
  }
}
