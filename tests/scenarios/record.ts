import { type Entry, type Message, messageKindNames } from "@quorate/services/raft";
import { unreachable, utf8Encode } from "@quorate/services/std";
import type { Environment, ScenarioNode } from "./environment";
import { entryKindNames, numberOf, progressStateNames, roleNames } from "./vocabulary";

/** The line that `--json` prints after a directive. Ids are integers, 0 for none; data is base64. */
export interface DirectiveRecord {
  readonly file: string;
  readonly directive: string;
  readonly nodes: readonly NodeRecord[];
  /** In flight, in the order in which they were sent. */
  readonly messages: readonly MessageRecord[];
}

export interface NodeRecord {
  readonly id: number;
  readonly role: string;
  readonly term: number;
  readonly vote: number;
  readonly lead: number;
  readonly commit: number;
  readonly applied: number;
  readonly voters: readonly number[];
  readonly outgoing: readonly number[];
  readonly learners: readonly number[];
  readonly learnersNext: readonly number[];
  readonly log: readonly EntryRecord[];
  /** By member id; empty on a node that does not lead. */
  readonly progress: Readonly<Record<string, ProgressRecord>>;
}

export interface EntryRecord {
  readonly index: number;
  readonly term: number;
  readonly type: string;
  readonly data: string;
}

export interface ProgressRecord {
  readonly match: number;
  readonly next: number;
  readonly state: string;
}

export interface MessageRecord {
  readonly type: string;
  readonly from: number;
  readonly to: number;
  readonly term: number;
  readonly logTerm: number;
  readonly index: number;
  readonly commit: number;
  readonly reject: boolean;
  readonly hint: number;
  readonly entries: readonly EntryRecord[];
}

export function recordOf(file: string, directive: string, environment: Environment): DirectiveRecord {
  return {
    file,
    directive,
    nodes: environment.nodes.map(nodeRecordOf),
    messages: environment.messages.map(messageRecordOf),
  };
}

function nodeRecordOf(node: ScenarioNode): NodeRecord {
  const status = node.raft.status();
  const { voters, votersOutgoing, learners, learnersNext } = status.configuration;
  const progress: Record<string, ProgressRecord> = {};
  for (const { id, match, next, state } of status.progress ?? []) {
    progress[numberOf(id)] = { match, next, state: progressStateNames[state] };
  }
  return {
    id: node.id,
    role: roleNames[status.role],
    term: status.term,
    vote: numberOf(status.vote),
    lead: numberOf(status.leaderId),
    commit: status.commit,
    applied: status.applied,
    voters: sortedNumbers(voters),
    outgoing: sortedNumbers(votersOutgoing),
    learners: sortedNumbers(learners),
    learnersNext: sortedNumbers(learnersNext),
    log: node.raft.logEntries().map(entryRecordOf),
    progress,
  };
}

/** The fields of etcd's one message type: what a kind of ours does not have is 0, false or empty there. */
export function messageRecordOf(message: Message): MessageRecord {
  const blank: MessageRecord = {
    type: messageKindNames[message.kind],
    from: numberOf(message.from),
    to: numberOf(message.to),
    term: message.term,
    logTerm: 0,
    index: 0,
    commit: 0,
    reject: false,
    hint: 0,
    entries: [],
  };
  switch (message.kind) {
    case "append":
      return {
        ...blank,
        logTerm: message.previous.term,
        index: message.previous.index,
        commit: message.commit,
        entries: message.entries.map(entryRecordOf),
      };
    case "append_response":
      return {
        ...blank,
        index: message.index,
        logTerm: message.hint?.term ?? 0,
        reject: message.hint !== null,
        hint: message.hint?.index ?? 0,
      };
    case "pre_vote":
    case "vote":
    case "snapshot":
      return { ...blank, logTerm: message.last.term, index: message.last.index };
    case "pre_vote_response":
    case "vote_response":
      return { ...blank, reject: message.rejected };
    case "heartbeat":
      return { ...blank, commit: message.commit };
    case "propose":
      return {
        ...blank,
        entries: message.proposals.map((proposal) => unplaced(proposal.kind, proposal.data)),
      };
    case "read_index":
      return { ...blank, entries: [unplaced("normal", utf8Encode(message.context))] };
    case "read_index_response":
      return { ...blank, index: message.index, entries: [unplaced("normal", utf8Encode(message.context))] };
    case "heartbeat_response":
    case "transfer_leadership":
    case "timeout_now":
      return blank;
    default:
      return unreachable(message);
  }
}

function entryRecordOf({ index, term, kind, data }: Entry): EntryRecord {
  return { index, term, type: entryKindNames[kind], data: Buffer.from(data).toString("base64") };
}

/** A proposal or a read's context travels as an entry without a place in a log. */
function unplaced(kind: Entry["kind"], data: Uint8Array): EntryRecord {
  return entryRecordOf({ index: 0, term: 0, kind, data });
}

function sortedNumbers(ids: readonly string[]): number[] {
  return ids.map(numberOf).sort((left, right) => left - right);
}
