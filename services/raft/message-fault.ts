import { unreachable } from "#std";
import type { EntryId, Term } from "./entry";
import type { AppendMessage, Message, PledgeRequest } from "./message";

/**
 * What makes a message that came from outside unfit for step(), in words, or null when it is well-formed. The core
 * asserts these facts, so the transport checks them first: a broken peer must not stop this member.
 */
export function messageFault(message: Message): string | null {
  if (message.from.length === 0 || message.to.length === 0) return "its sender or receiver is empty";
  switch (message.kind) {
    case "propose":
      if (message.proposals.length === 0) return "it proposes nothing";
      return message.term === 0 ? null : "a proposal has no term";
    case "read_index":
      return message.term === 0 ? null : "a read has no term";
    default:
      if (!isWhole(message.term) || message.term === 0) return "its term is not a whole number of at least 1";
  }
  switch (message.kind) {
    case "append":
      return appendFault(message);
    case "append_response":
      if (!isWhole(message.index)) return "its index is not a whole number";
      return message.hint === null || isEntryId(message.hint) ? null : "its hint is not an entry id";
    case "pre_vote":
    case "vote":
      if (!isEntryId(message.last)) return "its last entry is not an entry id";
      return message.last.term <= message.term ? null : "its last entry is newer than its term";
    case "heartbeat":
      if (!isWhole(message.commit)) return "its commit index is not a whole number";
      if (!isWhole(message.readSequence)) return "its read sequence is not a whole number";
      return message.pledge === undefined || isPledgeRequest(message.pledge)
        ? null
        : "its pledge is not one of a round and a time";
    case "snapshot":
      if (!isEntryId(message.last) || message.last.index === 0) return "its last entry is not an entry id";
      return message.last.term <= message.term ? null : "its last entry is newer than its term";
    case "heartbeat_response":
      if (!isWhole(message.readSequence)) return "its read sequence is not a whole number";
      return isWhole(message.pledgedRound ?? 0) ? null : "its pledged round is not a whole number";
    case "read_index_response":
      return isWhole(message.index) ? null : "its index is not a whole number";
    case "pre_vote_response":
    case "vote_response":
      if (message.committed === undefined || isEntryId(message.committed)) return null;
      return "its committed entry is not an entry id";
    case "transfer_leadership":
    case "timeout_now":
      return null;
    default:
      return unreachable(message);
  }
}

/**
 * No member that was away comes back to a group this far ahead: at ten elections a second it is 13 years. A term is taken over
 * for ever, so one absurd number would leave the whole group none to campaign in.
 */
const TERM_LEAP_MAX = 2 ** 32;

/** What makes a well-formed message unfit for a member in that term, in words, or null. */
export function termLeapFault({ term }: Message, ownTerm: Term): string | null {
  return term - ownTerm > TERM_LEAP_MAX ? `its term is ${term}, far beyond ${ownTerm}` : null;
}

function appendFault({ previous, entries, commit, term }: AppendMessage): string | null {
  if (!isEntryId(previous)) return "its previous entry is not an entry id";
  if (!isWhole(commit)) return "its commit index is not a whole number";
  let last = previous;
  for (const entry of entries) {
    if (entry.index !== last.index + 1) return "its entries have a gap";
    if (!isWhole(entry.term) || entry.term < last.term) return "the terms of its entries fall";
    last = entry;
  }
  return last.term <= term ? null : "it holds an entry newer than its term";
}

function isEntryId({ term, index }: EntryId): boolean {
  return isWhole(term) && isWhole(index);
}

function isPledgeRequest({ round, ms }: PledgeRequest): boolean {
  return isWhole(round) && round > 0 && isWhole(ms) && ms > 0;
}

function isWhole(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
