import { assert } from "#std";
import type { EntryId, MemberId } from "./entry";
import type { Member } from "./member";
import type { PreVoteMessage, PreVoteResponseMessage, VoteMessage, VoteResponseMessage } from "./message";

/**
 * How an election begins: by asking whether it could be won, for real, or for real at the bidding of the leader, which
 * hands over (thesis 9.6, 3.10).
 */
export type CampaignKind = "pre_election" | "election" | "transfer";

/** A tick of a follower or candidate: without a leader for the randomized timeout it campaigns (Raft paper, 5.2). */
export function tickElection(member: Member): void {
  member.electionElapsedTicks += 1;
  if (member.electionElapsedTicks < member.randomizedElectionTicks) return;
  // It has promised to wait, by the clock: the tick after that will do.
  if (member.isPledged && member.isPromotable) return;
  member.electionElapsedTicks = 0;
  // A hint is good for one try: whoever else has lost the leader tries as well, and chance decides from then on.
  if (member.isHasty) member.drawElectionTimeout();
  if (!member.isPromotable) {
    // It cannot look for another, but it knows as little as any that there is one: it may be cut off, or removed.
    member.leaderId = null;
    return;
  }
  startElection(member, member.config.preVote ? "pre_election" : "election");
}

/**
 * Between the campaigns of two followers that have lost their leader at the same time: enough that the first has asked,
 * campaigned and been heard, however their ticks fall, before the second begins.
 */
const HASTE_STEP_TICKS = 2;

/**
 * Cuts the election timeout short, for the leader is probably gone. The voters that are left take turns in the order of
 * their ids: all lose a dead leader in the same moment, and chance in so short a time would let two of them share the votes.
 */
export function hasten(member: Member, lost: MemberId): void {
  takeTurn(
    member,
    member.membership.voterIds.filter((id) => id !== lost),
    1,
  );
}

/**
 * Cuts the first election timeout of a member short that has just started: a leader is heard of within two heartbeats, or
 * there is none, as where the whole group was started. Only a question is asked, so a leader that was not heard of yet is
 * not disturbed.
 */
export function hastenFirst(member: Member): void {
  const { preVote, lease, heartbeatTicks } = member.config;
  // A leader that reads by its lease counts on all it heard from to wait for an election timeout, started anew or not.
  if (!preVote || lease !== null || member.role.name !== "follower" || member.leaderId !== null) return;
  takeTurn(member, member.membership.voterIds, 2 * heartbeatTicks);
}

function takeTurn(member: Member, voterIds: readonly MemberId[], firstTicks: number): void {
  const turn = voterIds.indexOf(member.id);
  if (turn < 0) return;
  member.isHasty = true;
  member.electionElapsedTicks = 0;
  member.randomizedElectionTicks = Math.min(
    member.randomizedElectionTicks,
    firstTicks + HASTE_STEP_TICKS * turn,
  );
}

/**
 * Answers whoever lost the leader first and asked then: it need not ask again. It counts only where it still waits for that,
 * and promises nothing, as no pre-vote does.
 */
export function answerPutOff(member: Member): void {
  const request = member.putOffPreVote;
  member.putOffPreVote = null;
  if (request !== null && request.term > member.term) onVoteRequest(member, request);
}

/** Campaigns, unless this member leads, may not, or does not know the configuration that it would campaign in. */
export function startElection(member: Member, kind: CampaignKind): void {
  if (member.role.name === "leader" || !member.isPromotable) return;
  if (member.isPledged && kind !== "transfer") return;
  if (member.log.hasUnappliedConfigurationChange()) return;
  campaign(member, kind);
}

export function campaign(member: Member, kind: CampaignKind): void {
  assert(member.isPromotable, "only a voter campaigns");
  assert(kind === "transfer" || !member.isPledged, "whoever is pledged campaigns for its leader only");
  const isPre = kind === "pre_election";
  if (isPre) member.becomePreCandidate();
  else member.becomeCandidate();
  const term = isPre ? member.term + 1 : member.term;
  const last = member.log.last;
  const from = member.id;
  for (const to of member.membership.voterIds) {
    if (to === from) {
      const answer = isPre ? "pre_vote_response" : "vote_response";
      member.outbox.send({ kind: answer, from, to, term, rejected: false });
    } else if (isPre) {
      member.outbox.send({ kind: "pre_vote", from, to, term, last });
    } else {
      member.outbox.send({ kind: "vote", from, to, term, last, transfer: kind === "transfer" });
    }
  }
}

/**
 * Whether to refuse even to look at a request for a vote: this member hears from a leader, so the candidate is the one
 * that is cut off, or was removed (thesis 4.2.3). Only groups whose leaders step down without a quorum can afford that.
 */
export function isLoyal(member: Member, request: VoteMessage | PreVoteMessage): boolean {
  if (request.kind === "vote" && request.transfer) return false;
  return (
    member.config.checkQuorum &&
    member.leaderId !== null &&
    member.electionElapsedTicks < member.config.electionTicks
  );
}

/**
 * Whether not to look at a request for a vote for the sake of a lease. Whatever the terms say: a leader of any term before may
 * count on it. Only where that leader calls for the election itself has it given its lease up before.
 */
export function isPledgedAgainst(member: Member, request: VoteMessage | PreVoteMessage): boolean {
  return member.isPledged && !(request.kind === "vote" && request.transfer);
}

/**
 * A candidate that needs the vote of a member which was removed may be refused for its log although the entry that
 * removed that member is committed: all that it lacks is to know so (tikv/raft-rs, maybe_commit_by_vote).
 */
export function onRefusal(member: Member, { committed }: PreVoteResponseMessage | VoteResponseMessage): void {
  const { log } = member;
  if (committed === undefined || committed.index <= log.commit || !log.matches(committed)) return;
  // Everything else the next leader finds out by itself.
  if (log.hasConfigurationChange(log.commit + 1, committed.index)) log.commitTo(committed.index);
}

/**
 * Grants or refuses a vote of this term, or a pre-vote of this or a later one (Raft paper, 5.2 and 5.4.1). Learners vote
 * too: one may have been promoted without having heard of it.
 */
export function onVoteRequest(member: Member, request: VoteMessage | PreVoteMessage): void {
  const isPre = request.kind === "pre_vote";
  const isFree =
    member.vote === request.from ||
    (member.vote === null && member.leaderId === null) ||
    (isPre && request.term > member.term);
  const isGranted = isFree && member.log.isUpToDate(request.last);
  member.outbox.send({
    kind: isPre ? "pre_vote_response" : "vote_response",
    from: member.id,
    to: request.from,
    // A granted pre-vote names the future term that was asked for, or a member that fell behind would ignore it.
    term: isGranted ? request.term : member.term,
    rejected: !isGranted,
    ...(isGranted ? {} : knownCommitted(member)),
  });
  if (isGranted && !isPre) {
    assert(request.term === member.term, "a vote is cast in the term of the voter");
    member.restartElectionTimeout();
    member.vote = request.from;
  }
}

function knownCommitted({ log }: Member): { readonly committed?: EntryId } {
  const index = log.commit;
  const term = log.term(index);
  return index === 0 || typeof term !== "number" ? {} : { committed: { term, index } };
}
