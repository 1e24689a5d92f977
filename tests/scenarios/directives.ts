import { configurationFault, type Message, type MessageKind, messageKindNames } from "@quorate/services/raft";
import { utf8Encode } from "@quorate/services/std";
import type { Arguments } from "./arguments";
import { memberChangesOf, transitions } from "./configuration-text";
import { describeEntry, describeNode, describeProgress } from "./describe";
import { type Environment, electionTicks, heartbeatTicks, type ScenarioNode } from "./environment";
import { memberIdOf } from "./vocabulary";

/** How much a directive prints: `debug` nodes and messages, `none` nothing, those between them nodes only. */
export const logLevels = ["debug", "info", "warn", "error", "fatal", "none"] as const;
export type LogLevel = (typeof logLevels)[number];

/** What a directive works on. */
export interface Stage {
  readonly environment: Environment;
  /** For this directive and those after it. */
  level: LogLevel;
  /** For this directive only. */
  levelOnce: LogLevel | null;
}

/** Carries a directive out and returns lines to print besides what changed. */
type Perform = (stage: Stage, given: Arguments) => readonly string[];

const directives = {
  "add-nodes": addNodes,
  campaign: (stage, given) => {
    given.allowOnly();
    theNode(stage, given).raft.campaign();
    return [];
  },
  propose,
  "propose-conf-change": proposeChanges,
  compact,
  "send-snapshot": (stage, given) => {
    given.allowOnly();
    const [from = 0, to = 0] = given.exactIntegers("node", "to");
    stage.environment.sendSnapshot(nodeOf(stage, given, from), nodeOf(stage, given, to).id);
    return [];
  },
  "tick-election": (stage, given) => tick(stage, given, electionTicks),
  "tick-heartbeat": (stage, given) => tick(stage, given, heartbeatTicks),
  "set-randomized-election-timeout": setRandomizedElectionTimeout,
  "deliver-msgs": deliverMessages,
  "process-ready": processReady,
  stabilize,
  "transfer-leadership": transferLeadership,
  "forget-leader": (stage, given) => {
    given.allowOnly();
    theNode(stage, given).raft.forgetLeader();
    return [];
  },
  "report-unreachable": (stage, given) => {
    given.allowOnly();
    const [reporter = 0, reported = 0] = given.exactIntegers("node", "unreachable node");
    nodeOf(stage, given, reporter).raft.reportUnreachable(memberIdOf(nodeOf(stage, given, reported).id));
    return [];
  },
  "report-reset": (stage, given) => {
    given.allowOnly();
    const [reporter = 0, reported = 0] = given.exactIntegers("node", "node that it was connected to");
    nodeOf(stage, given, reporter).raft.reportReset(memberIdOf(nodeOf(stage, given, reported).id));
    return [];
  },
  "raft-log": (stage, given) => {
    given.allowOnly();
    const { id, stored } = theNode(stage, given);
    if (stored.all.length > 0) return stored.all.map((entry) => `n${id}: ${describeEntry(entry)}`);
    return [`n${id}: no entries after ${stored.snapshot.index}@${stored.snapshot.term}`];
  },
  "raft-state": (stage, given) => {
    given.allowOnly();
    given.exactIntegers();
    return stage.environment.nodes.map(describeNode);
  },
  status: (stage, given) => {
    given.allowOnly();
    const node = theNode(stage, given);
    return [describeNode(node), ...(node.raft.status().progress ?? []).map(describeProgress)];
  },
  "log-level": (stage, given) => {
    given.allowOnly();
    const [level = "", ...others] = given.words();
    if (others.length > 0) given.fail("takes one level");
    stage.level = toLevel(given, level);
    return [];
  },
  "read-index": readIndex,
  restart: (stage, given) => {
    given.allowOnly();
    stage.environment.restart(theNode(stage, given));
    return [];
  },
  "set-log": setLog,
} as const satisfies Record<string, Perform>;

type DirectiveName = keyof typeof directives;

/** Directives of the interaction tests of etcd-io/raft that have no meaning here, and why. */
const foreignDirectives: Readonly<Record<string, string>> = {
  "process-append-thread": "storage is always written within process-ready",
  "process-apply-thread": "entries are always applied within process-ready",
};

/** The directives whose following lines, up to ----, are their input. */
export const directivesWithInput: ReadonlySet<string> = new Set(["propose-conf-change"]);

/** What is wrong with a directive's name, or null. */
export function directiveFault(name: string): string | null {
  if (isDirective(name)) return null;
  const reason = foreignDirectives[name];
  return reason === undefined ? `unknown directive ${name}` : `directive ${name} is not supported: ${reason}`;
}

export function perform(name: string, stage: Stage, given: Arguments): readonly string[] {
  if (!isDirective(name)) given.fail("unknown directive");
  return directives[name](stage, given);
}

function isDirective(name: string): name is DirectiveName {
  return Object.hasOwn(directives, name);
}

function addNodes(stage: Stage, given: Arguments): readonly string[] {
  given.allowOnly(
    "voters",
    "learners",
    "index",
    "content",
    "inflight",
    "prevote",
    "checkquorum",
    "max-committed-size-per-ready",
    "read-only",
    "async-storage-writes",
    "disable-conf-change-validation",
    "step-down-on-removal",
    "append-bytes",
  );
  const [count = 0] = given.exactIntegers("count");
  if (count < 1) given.fail("adds at least one node");
  if (given.flag("async-storage-writes")) {
    given.fail("argument async-storage-writes: storage is always written within process-ready");
  }
  if (given.flag("disable-conf-change-validation")) {
    given.fail("argument disable-conf-change-validation: changes of the configuration are always checked");
  }
  // A leader that is removed always steps down.
  given.flag("step-down-on-removal");
  const configuration = {
    voters: given.numbers("voters").map(memberIdOf),
    votersOutgoing: [],
    learners: given.numbers("learners").map(memberIdOf),
    learnersNext: [],
    autoLeave: false,
  };
  if (given.numbers("voters").includes(0)) given.fail("argument voters: ids count from 1");
  const snapshotIndex = given.number("index") ?? 0;
  const knowsNothing =
    snapshotIndex === 0 && configuration.voters.length + configuration.learners.length === 0;
  const membersFault = knowsNothing ? null : configurationFault(configuration);
  if (membersFault !== null) given.fail(`arguments voters and learners: ${membersFault}`);
  if (snapshotIndex <= 1 && !knowsNothing)
    given.fail("argument index: must be greater than 1, for nodes with members begin with a snapshot");
  const fault = stage.environment.addNodes(count, {
    configuration,
    snapshotIndex,
    preVote: given.flag("prevote"),
    checkQuorum: given.flag("checkquorum"),
    readsByLease: isLeaseBased(given, given.text("read-only") ?? "safe"),
    inflightMessagesMax: given.number("inflight") ?? 0x7fffffff,
    appendBytesMax: given.number("append-bytes") ?? Number.POSITIVE_INFINITY,
    // Zero stands for no limit there, as in etcd's config.
    committedBytesPerReadyMax: given.number("max-committed-size-per-ready") || Number.POSITIVE_INFINITY,
  });
  return fault === null ? [] : given.fail(fault);
}

function propose(stage: Stage, given: Arguments): readonly string[] {
  given.allowOnly();
  const [id = "", data, ...others] = given.words();
  if (data === undefined || others.length > 0) given.fail("takes <node> <data>");
  const node = nodeOf(stage, given, given.toInteger("node", id));
  stage.environment.propose(node, utf8Encode(data));
  return [];
}

function proposeChanges(stage: Stage, given: Arguments): readonly string[] {
  given.allowOnly("v1", "transition");
  const node = theNode(stage, given);
  const changes = memberChangesOf(given.input);
  if (changes === null) given.fail(`changes read v4, l4 or r4, not "${given.input}"`);
  const word = given.text("transition") ?? "auto";
  const transition = transitions.find((name) => name === word);
  if (transition === undefined) given.fail(`argument transition is one of ${transitions.join(", ")}`);
  if (given.flag("v1") && (changes.length !== 1 || transition !== "auto")) {
    given.fail("argument v1: such a change is a single one, made in one step");
  }
  stage.environment.proposeChanges(node, changes, transition);
  return [];
}

function compact(stage: Stage, given: Arguments): readonly string[] {
  given.allowOnly();
  const [id = 0, index = 0] = given.exactIntegers("node", "index");
  const { stored, applied } = nodeOf(stage, given, id);
  if (index < stored.snapshot.index || index > applied) {
    given.fail(`the log can be cut at ${stored.snapshot.index} to ${applied}, not at ${index}`);
  }
  stored.compact(index);
  return [];
}

function tick(stage: Stage, given: Arguments, count: number): readonly string[] {
  given.allowOnly();
  stage.environment.tick(theNode(stage, given), count);
  return [];
}

function setRandomizedElectionTimeout(stage: Stage, given: Arguments): readonly string[] {
  given.allowOnly("timeout");
  const ticks = given.requiredNumber("timeout");
  if (ticks === 0) given.fail("argument timeout: must be at least 1 tick");
  theNode(stage, given).raft.setRandomizedElectionTicks(ticks);
  return [];
}

function deliverMessages(stage: Stage, given: Arguments): readonly string[] {
  given.allowOnly("drop", "type");
  const type = given.text("type");
  const kind = type === undefined ? null : toMessageKind(given, type);
  const delivered = new Set(given.integers());
  const { environment } = stage;
  let count = 0;
  for (const { key, values } of given.all()) {
    if (key === "type") continue;
    const drop = key === "drop";
    for (const id of drop
      ? values.map((value) => given.toInteger(key, value))
      : [given.toInteger(key, key)]) {
      if (drop && delivered.has(id)) given.fail(`messages to n${id} are either delivered or dropped`);
      if (!drop && environment.hasMessagesFor(id, kind)) nodeOf(stage, given, id);
      count += environment.deliver({ id, drop }, kind);
    }
  }
  return count === 0 ? ["no messages"] : [];
}

function processReady(stage: Stage, given: Arguments): readonly string[] {
  given.allowOnly();
  for (const id of given.integers()) stage.environment.processReady(nodeOf(stage, given, id));
  return [];
}

function stabilize(stage: Stage, given: Arguments): readonly string[] {
  given.allowOnly("log-level");
  const level = given.text("log-level");
  if (level !== undefined) stage.levelOnce = toLevel(given, level);
  const ids = given.integers();
  const { environment } = stage;
  const nodes = ids.length === 0 ? environment.nodes : ids.map((id) => nodeOf(stage, given, id));
  return environment.stabilize(nodes) ? [] : given.fail("the nodes go on sending messages without end");
}

function transferLeadership(stage: Stage, given: Arguments): readonly string[] {
  given.allowOnly("from", "to");
  const from = nodeOf(stage, given, given.requiredNumber("from"));
  const to = nodeOf(stage, given, given.requiredNumber("to"));
  stage.environment.transferLeadership(from, to.id);
  return [];
}

function readIndex(stage: Stage, given: Arguments): readonly string[] {
  given.allowOnly();
  const [id = "", context, ...others] = given.words();
  if (context === undefined || others.length > 0) given.fail("takes <node> <context>");
  stage.environment.readIndex(nodeOf(stage, given, given.toInteger("node", id)), context);
  return [];
}

function setLog(stage: Stage, given: Arguments): readonly string[] {
  given.allowOnly("terms", "term");
  const terms = given.numbers("terms");
  const node = theNode(stage, given);
  const lastTerm = terms.at(-1) ?? node.stored.snapshot.term;
  const rises = [node.stored.snapshot.term, ...terms].every(
    (term, at, all) => at === 0 || term >= (all[at - 1] ?? 0),
  );
  if (!rises) given.fail("argument terms: terms never fall along a log");
  const term = given.number("term") ?? lastTerm;
  if (term < lastTerm) given.fail(`argument term: the log already has an entry of term ${lastTerm}`);
  stage.environment.setLog(node, terms, term);
  return [];
}

/** The one node that a directive names. */
function theNode(stage: Stage, given: Arguments): ScenarioNode {
  const [id = 0] = given.exactIntegers("node");
  return nodeOf(stage, given, id);
}

function nodeOf(stage: Stage, given: Arguments, id: number): ScenarioNode {
  const { nodes } = stage.environment;
  return nodes[id - 1] ?? given.fail(`there is no node ${id}, only ${nodes.length} were added`);
}

function toLevel(given: Arguments, word: string): LogLevel {
  const level = logLevels.find((name) => name === word.toLowerCase());
  return level ?? given.fail(`a log level is one of ${logLevels.join(", ")}, not "${word}"`);
}

function isLeaseBased(given: Arguments, word: string): boolean {
  if (word === "safe") return false;
  if (word === "lease-based") return true;
  return given.fail(`argument read-only is safe or lease-based, not "${word}"`);
}

function toMessageKind(given: Arguments, name: string): Message["kind"] {
  const kinds = Object.keys(messageKindNames) as MessageKind[];
  const kind = kinds.find((candidate) => messageKindNames[candidate] === name);
  return kind ?? given.fail(`argument type: unknown kind of message ${name}`);
}
