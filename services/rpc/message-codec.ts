import {
  EntryType,
  MessageType,
  type Entry as WireEntry,
  type Message as WireMessage,
} from "@quorate/proto/raft";
import type { Entry, EntryId, EntryKind, Message, MessageKind, PledgeRequest, Proposal } from "#raft";
import { EMPTY_BYTES, unreachable } from "#std";

/** The one Raft group of today; a later version hosts several. */
export const GROUP_ID = 1;

export const typesByKind = {
  propose: MessageType.PROPOSE,
  append: MessageType.APPEND,
  append_response: MessageType.APPEND_RESPONSE,
  vote: MessageType.VOTE,
  vote_response: MessageType.VOTE_RESPONSE,
  pre_vote: MessageType.PRE_VOTE,
  pre_vote_response: MessageType.PRE_VOTE_RESPONSE,
  heartbeat: MessageType.HEARTBEAT,
  heartbeat_response: MessageType.HEARTBEAT_RESPONSE,
  read_index: MessageType.READ_INDEX,
  read_index_response: MessageType.READ_INDEX_RESPONSE,
  transfer_leadership: MessageType.TRANSFER_LEADER,
  timeout_now: MessageType.TIMEOUT_NOW,
  snapshot: MessageType.SNAPSHOT,
} as const satisfies Record<MessageKind, MessageType>;

export const entryTypesByKind = {
  normal: EntryType.UNSPECIFIED,
  conf_change: EntryType.CONF_CHANGE,
  conf_change_v2: EntryType.CONF_CHANGE_V2,
} as const satisfies Record<EntryKind, EntryType>;

/**
 * Under which trace an entry came into the log, while that is known: it travels with the entry and is not stored. What is
 * noted is forgotten by whoever keeps it.
 */
export interface EntryTraces {
  /** A W3C traceparent; empty for none. */
  traceparentOf(entry: Entry): string;
  note(entry: EntryId, traceparent: string): void;
}

/** The wire form of a message. Entry data is not copied. */
export function messageToWire(message: Message, traces: EntryTraces | null = null): WireMessage {
  const wire: WireMessage = {
    groupId: GROUP_ID,
    type: typesByKind[message.kind],
    to: message.to,
    from: message.from,
    term: BigInt(message.term),
    logTerm: 0n,
    index: 0n,
    entries: [],
    commit: 0n,
    reject: false,
    rejectHint: 0n,
    context: "",
    transfer: false,
    readSequence: 0n,
    lowOnSpace: false,
    pledgeRound: 0n,
    pledgeMs: 0n,
  };
  switch (message.kind) {
    case "propose":
      wire.entries = message.proposals.map(proposalToWire);
      return wire;
    case "append":
      setPlace(wire, message.previous);
      wire.entries = message.entries.map((entry) => entryToWire(entry, traces?.traceparentOf(entry) ?? ""));
      wire.commit = BigInt(message.commit);
      return wire;
    case "append_response":
      wire.index = BigInt(message.index);
      if (message.hint !== null) {
        wire.reject = true;
        wire.rejectHint = BigInt(message.hint.index);
        wire.logTerm = BigInt(message.hint.term);
      }
      return wire;
    case "vote":
      setPlace(wire, message.last);
      wire.transfer = message.transfer;
      return wire;
    case "pre_vote":
      setPlace(wire, message.last);
      return wire;
    case "vote_response":
    case "pre_vote_response":
      wire.reject = message.rejected;
      if (message.committed !== undefined) setPlace(wire, message.committed);
      return wire;
    case "heartbeat":
      wire.commit = BigInt(message.commit);
      wire.readSequence = BigInt(message.readSequence);
      if (message.pledge !== undefined) {
        wire.pledgeRound = BigInt(message.pledge.round);
        wire.pledgeMs = BigInt(message.pledge.ms);
      }
      return wire;
    case "heartbeat_response":
      wire.readSequence = BigInt(message.readSequence);
      wire.lowOnSpace = message.lowOnSpace;
      wire.pledgeRound = BigInt(message.pledgedRound ?? 0);
      return wire;
    case "read_index":
      wire.context = message.context;
      return wire;
    case "read_index_response":
      wire.index = BigInt(message.index);
      wire.context = message.context;
      return wire;
    case "snapshot":
      setPlace(wire, message.last);
      return wire;
    case "transfer_leadership":
    case "timeout_now":
      return wire;
    default:
      return unreachable(message);
  }
}

/**
 * The message of a wire form, or null when it is of a kind that this version does not know or makes no sense. Entry
 * data is copied, since what was decoded views the whole frame and would keep it in memory.
 */
export function messageFromWire(wire: WireMessage, traces: EntryTraces | null = null): Message | null {
  const { from, to } = wire;
  const term = Number(wire.term);
  const index = Number(wire.index);
  const place: EntryId = { term: Number(wire.logTerm), index };
  if (from === "" || to === "" || !areSafe(term, index, place.term)) return null;
  switch (wire.type) {
    case MessageType.PROPOSE: {
      const proposals = allOrNull(wire.entries.map(proposalFromWire));
      return proposals === null ? null : { kind: "propose", from, to, term: 0, proposals };
    }
    case MessageType.APPEND: {
      const entries = allOrNull(wire.entries.map(entryFromWire));
      const commit = Number(wire.commit);
      if (entries === null || !areSafe(commit)) return null;
      if (traces !== null) noteTraces(wire.entries, traces);
      return { kind: "append", from, to, term, previous: place, entries, commit };
    }
    case MessageType.APPEND_RESPONSE: {
      const hint = wire.reject ? { term: place.term, index: Number(wire.rejectHint) } : null;
      if (hint !== null && !areSafe(hint.index)) return null;
      return { kind: "append_response", from, to, term, index, hint };
    }
    case MessageType.VOTE:
      return { kind: "vote", from, to, term, last: place, transfer: wire.transfer };
    case MessageType.PRE_VOTE:
      return { kind: "pre_vote", from, to, term, last: place };
    case MessageType.VOTE_RESPONSE:
      return { kind: "vote_response", from, to, term, rejected: wire.reject, ...committedAt(place) };
    case MessageType.PRE_VOTE_RESPONSE:
      return { kind: "pre_vote_response", from, to, term, rejected: wire.reject, ...committedAt(place) };
    case MessageType.HEARTBEAT: {
      const commit = Number(wire.commit);
      const readSequence = Number(wire.readSequence);
      const pledge: PledgeRequest = { round: Number(wire.pledgeRound), ms: Number(wire.pledgeMs) };
      if (!areSafe(commit, readSequence, pledge.round, pledge.ms)) return null;
      return { kind: "heartbeat", from, to, term, commit, readSequence, ...askedFor(pledge) };
    }
    case MessageType.HEARTBEAT_RESPONSE: {
      const readSequence = Number(wire.readSequence);
      const pledgedRound = Number(wire.pledgeRound);
      const { lowOnSpace } = wire;
      if (!areSafe(readSequence, pledgedRound)) return null;
      return {
        kind: "heartbeat_response",
        from,
        to,
        term,
        readSequence,
        lowOnSpace,
        ...pledgedIn(pledgedRound),
      };
    }
    case MessageType.READ_INDEX:
      return { kind: "read_index", from, to, term: 0, context: wire.context };
    case MessageType.READ_INDEX_RESPONSE:
      return { kind: "read_index_response", from, to, term, index, context: wire.context };
    case MessageType.TRANSFER_LEADER:
      return { kind: "transfer_leadership", from, to, term };
    case MessageType.TIMEOUT_NOW:
      return { kind: "timeout_now", from, to, term };
    case MessageType.SNAPSHOT:
      return { kind: "snapshot", from, to, term, last: place };
    case MessageType.UNSPECIFIED:
      return null;
    default:
      // A newer peer may send kinds that this version does not know; Raft bears the loss of any message.
      return null;
  }
}

/** What a vote's answer says to be committed; a member of an earlier version says nothing of it. */
function committedAt(place: EntryId): { readonly committed?: EntryId } {
  return place.index === 0 ? {} : { committed: place };
}

/** What a heartbeat asks for; a leader that wants nothing, or is of an earlier version, names no round. */
function askedFor(pledge: PledgeRequest): { readonly pledge?: PledgeRequest } {
  return pledge.round === 0 ? {} : { pledge };
}

/** The same of its answer. */
function pledgedIn(pledgedRound: number): { readonly pledgedRound?: number } {
  return pledgedRound === 0 ? {} : { pledgedRound };
}

function setPlace(wire: WireMessage, { term, index }: EntryId): void {
  wire.logTerm = BigInt(term);
  wire.index = BigInt(index);
}

function noteTraces(entries: readonly WireEntry[], traces: EntryTraces): void {
  for (const { term, index, traceparent } of entries) {
    if (traceparent !== "") traces.note({ term: Number(term), index: Number(index) }, traceparent);
  }
}

function entryToWire(entry: Entry, traceparent: string): WireEntry {
  return {
    term: BigInt(entry.term),
    index: BigInt(entry.index),
    type: entryTypesByKind[entry.kind],
    data: entry.data,
    traceparent,
  };
}

function entryFromWire(wire: WireEntry): Entry | null {
  const kind = entryKind(wire.type);
  const term = Number(wire.term);
  const index = Number(wire.index);
  if (kind === null || !areSafe(term, index)) return null;
  return { term, index, kind, data: ownCopy(wire.data) };
}

function proposalToWire(proposal: Proposal): WireEntry {
  return {
    term: 0n,
    index: 0n,
    type: entryTypesByKind[proposal.kind],
    data: proposal.data,
    traceparent: "",
  };
}

function proposalFromWire(wire: WireEntry): Proposal | null {
  const kind = entryKind(wire.type);
  return kind === null ? null : { kind, data: ownCopy(wire.data) };
}

function entryKind(type: EntryType): EntryKind | null {
  switch (type) {
    case EntryType.UNSPECIFIED:
      return "normal";
    case EntryType.CONF_CHANGE:
      return "conf_change";
    case EntryType.CONF_CHANGE_V2:
      return "conf_change_v2";
    default: {
      return null;
    }
  }
}

function ownCopy(bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? EMPTY_BYTES : new Uint8Array(bytes);
}

function areSafe(...numbers: readonly number[]): boolean {
  return numbers.every(Number.isSafeInteger);
}

function allOrNull<T>(items: readonly (T | null)[]): readonly T[] | null {
  return items.includes(null) ? null : (items as readonly T[]);
}
