import type { EntryId, Message } from "@quorate/services/raft";

/** Such as "n1>n2 append t2 after 5/1 +3 commit 4", without the data of entries. */
export function messageText(message: Message): string {
  return `${message.from}>${message.to} ${message.kind} t${message.term}${details(message)}`;
}

function details(message: Message): string {
  switch (message.kind) {
    case "append":
      return ` after ${idText(message.previous)} +${message.entries.length} commit ${message.commit}`;
    case "append_response":
      return message.hint === null
        ? ` ${message.index}`
        : ` not ${message.index} hint ${idText(message.hint)}`;
    case "pre_vote":
      return ` last ${idText(message.last)}`;
    case "vote":
      return ` last ${idText(message.last)}${message.transfer ? " transfer" : ""}`;
    case "pre_vote_response":
    case "vote_response":
      return message.rejected ? " no" : " yes";
    case "heartbeat":
      return ` commit ${message.commit} read ${message.readSequence}${pledgeText(message.pledge?.round)}`;
    case "heartbeat_response":
      return ` read ${message.readSequence}${message.lowOnSpace ? " low on space" : ""}${pledgeText(message.pledgedRound)}`;
    case "snapshot":
      return ` of ${idText(message.last)}`;
    case "propose":
      return ` +${message.proposals.length}`;
    case "read_index":
      return ` ${message.context}`;
    case "read_index_response":
      return ` ${message.context} ${message.index}`;
    case "transfer_leadership":
    case "timeout_now":
      return "";
  }
}

function pledgeText(round: number | undefined): string {
  return round === undefined ? "" : ` pledge ${round}`;
}

function idText({ term, index }: EntryId): string {
  return `${index}/${term}`;
}
