import { type Entry, type Message, messageKindNames, type ProgressStatus } from "@quorate/services/raft";
import { unreachable, utf8Decode } from "@quorate/services/std";
import { configurationText } from "./configuration-text";
import type { ScenarioEvent, ScenarioNode } from "./environment";

/** `4@2 "foo"`: index, term and command of an entry; an empty command is left out. */
export function describeEntry({ index, term, kind, data }: Entry): string {
  const mark = kind === "normal" ? "" : ` ${kind}`;
  return `${index}@${term}${mark}${data.length === 0 ? "" : ` ${quoted(data)}`}`;
}

/** One line with all that a node says of itself. */
export function describeNode(node: ScenarioNode): string {
  const { role, term, vote, leaderId, last, commit, applied, transferTarget } = node.raft.status();
  const parts = [
    role.replace("_", "-"),
    `term ${term}`,
    `vote ${vote ?? "none"}`,
    `leader ${leaderId ?? "none"}`,
    `last ${last.index}@${last.term}`,
    `commit ${commit}`,
    `applied ${applied}`,
  ];
  if (transferTarget !== null) parts.push(`handing over to ${transferTarget}`);
  return `n${node.id}: ${parts.join(", ")}`;
}

export function describeProgress(progress: ProgressStatus): string {
  const parts = [`${progress.id}: ${progress.state}`, `match ${progress.match}`, `next ${progress.next}`];
  if (progress.isLearner) parts.push("learner");
  if (!progress.isRecentlyActive) parts.push("silent");
  if (progress.isPaused) parts.push("paused");
  if (progress.isLowOnSpace) parts.push("low on space");
  if (progress.needsSnapshot && progress.state !== "snapshot") parts.push("needs a snapshot");
  if (progress.inflightMessages > 0) parts.push(`${progress.inflightMessages} in flight`);
  return parts.join(", ");
}

export function describeEvent(event: ScenarioEvent): string {
  switch (event.kind) {
    case "sent":
      return `sent     ${describeMessage(event.message)}`;
    case "received":
      return `received ${describeMessage(event.message)}`;
    case "dropped":
      return `dropped  ${describeMessage(event.message)}`;
    case "read":
      return `n${event.node} may serve read ${event.read.context} at ${event.read.index}`;
    case "configured":
      return `n${event.node} takes part in ${configurationText(event.configuration)}`;
    case "installed":
      return `n${event.node} has the state ${event.last.index}@${event.last.term} of ${event.from}`;
    case "refused":
      return `n${event.node} refuses ${event.what}`;
    default:
      return unreachable(event);
  }
}

export function describeMessage(message: Message): string {
  const route = `${message.from}->${message.to} ${messageKindNames[message.kind]}`;
  const details = messageDetails(message);
  const term = message.kind === "propose" || message.kind === "read_index" ? [] : [`term ${message.term}`];
  return `${route} ${[...term, ...details].join(", ")}`;
}

function messageDetails(message: Message): string[] {
  switch (message.kind) {
    case "append": {
      const entries = message.entries.length === 0 ? "nothing" : message.entries.map(describeEntry).join(" ");
      return [
        `after ${message.previous.index}@${message.previous.term}: ${entries}`,
        `commit ${message.commit}`,
      ];
    }
    case "append_response":
      return message.hint === null
        ? [`matched ${message.index}`]
        : [`refused ${message.index}`, `try ${message.hint.index}@${message.hint.term}`];
    case "pre_vote":
    case "vote":
      return [
        `last ${message.last.index}@${message.last.term}`,
        ...(message.kind === "vote" && message.transfer ? ["by transfer"] : []),
      ];
    case "pre_vote_response":
    case "vote_response":
      return [message.rejected ? "refused" : "granted"];
    case "heartbeat":
      return [`commit ${message.commit}`, ...describeRead(message.readSequence)];
    case "heartbeat_response":
      return [...describeRead(message.readSequence), ...(message.lowOnSpace ? ["low on space"] : [])];
    case "snapshot":
      return [`state ${message.last.index}@${message.last.term}`];
    case "propose":
      return [message.proposals.map(({ data }) => quoted(data)).join(" ")];
    case "read_index":
      return [`read ${message.context}`];
    case "read_index_response":
      return [`read ${message.context} at ${message.index}`];
    case "transfer_leadership":
    case "timeout_now":
      return [];
    default:
      return unreachable(message);
  }
}

function describeRead(sequence: number): string[] {
  return sequence === 0 ? [] : [`confirms reads up to #${sequence}`];
}

function quoted(data: Uint8Array): string {
  return JSON.stringify(utf8Decode(data));
}
