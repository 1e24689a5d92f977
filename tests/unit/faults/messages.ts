import type {
  HeartbeatMessage,
  MemberId,
  Message,
  SnapshotMessage,
  VoteMessage,
} from "@quorate/services/raft";

export function heartbeat(from: MemberId, to: MemberId, term = 1): HeartbeatMessage {
  return { kind: "heartbeat", from, to, term, commit: 0, readSequence: 0 };
}

export function vote(from: MemberId, to: MemberId, term = 1): VoteMessage {
  return { kind: "vote", from, to, term, last: { term: 0, index: 0 }, transfer: false };
}

export function snapshot(from: MemberId, to: MemberId, term = 1): SnapshotMessage {
  return { kind: "snapshot", from, to, term, last: { term: 1, index: 7 } };
}

/** Heartbeats that can be told apart by their term: 1, 2, 3, … */
export function numbered(count: number, direction = { from: "n1", to: "n2" }): Message[] {
  return Array.from({ length: count }, (_, at) => heartbeat(direction.from, direction.to, at + 1));
}
