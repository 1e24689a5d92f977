import { isLoyal, isPledgedAgainst, onVoteRequest } from "./election";
import type { Member } from "./member";
import type { Message } from "./message";
import type { StepOutcome } from "./outcome";

/** Gives a message to the member: first the terms are compared (Raft paper, 5.1), then its role has the word. */
export function deliver(member: Member, message: Message): StepOutcome {
  member.traceMessage("received", message);
  // A forwarded proposal or read has no term: it is as good in any.
  if (message.term !== 0) {
    if (message.term < member.term) {
      answerOldTerm(member, message);
      return "stepped";
    }
    const isRequest = message.kind === "vote" || message.kind === "pre_vote";
    if (isRequest && isPledgedAgainst(member, message)) return "stepped";
    if (message.term > member.term && !joinNewerTerm(member, message)) return "stepped";
  }
  switch (message.kind) {
    case "vote":
    case "pre_vote":
      onVoteRequest(member, message);
      return "stepped";
    default:
      return member.role.step(message);
  }
}

/** Takes over a newer term where the message proves that it has begun. False when the message is to be ignored. */
function joinNewerTerm(member: Member, message: Message): boolean {
  switch (message.kind) {
    case "pre_vote":
      // A term that someone merely considers has not begun.
      if (!isLoyal(member, message)) return true;
      member.putOffPreVote = message;
      return false;
    case "pre_vote_response":
      // A granted one names the term that was asked for, a refused one the term that the voter is in.
      if (message.rejected) member.becomeFollower(message.term, null);
      return true;
    case "vote":
      if (isLoyal(member, message)) return false;
      member.becomeFollower(message.term, null);
      return true;
    case "append":
    case "heartbeat":
    case "snapshot":
      member.becomeFollower(message.term, message.from);
      return true;
    default:
      member.becomeFollower(message.term, null);
      return true;
  }
}

/**
 * Most messages of an old term are late and ignored. But where votes are refused out of loyalty, a member that went
 * ahead, as one that was cut off does, could neither win an election nor be heard again: so it shows its term to the
 * old leader, which steps down, and to a pre-candidate, which follows (etcd-io/raft, raft.go).
 */
function answerOldTerm(member: Member, message: Message): void {
  const { config, id: from, outbox, term } = member;
  const to = message.from;
  switch (message.kind) {
    case "append":
    case "heartbeat":
      if (config.checkQuorum || config.preVote) {
        outbox.send({ kind: "append_response", from, to, term, index: 0, hint: null });
      }
      return;
    case "pre_vote":
      outbox.send({ kind: "pre_vote_response", from, to, term, rejected: true });
      return;
    default:
      return;
  }
}
