import {
  type ChangedConfiguration,
  type Configuration,
  changedConfiguration,
  type Entry,
  type EntryId,
  type LeaseClock,
  type LeaseTerms,
  leftConfiguration,
  type MemberChange,
  type MemberId,
  type Message,
  Raft,
  type RaftConfig,
  type ReadState,
  raftConfigFault,
  type SnapshotOffer,
  type Tracer,
  type Transition,
} from "@quorate/services/raft";
import { assert, type Random, utf8Decode, utf8Encode } from "@quorate/services/std";
import { configurationOfText, configurationText } from "./configuration-text";
import { StoredLog } from "./stored-log";
import { memberIdOf, numberOf } from "./vocabulary";

/** What happened in the course of a directive, for its printed outcome. */
export type ScenarioEvent =
  | { readonly kind: "sent" | "received" | "dropped"; readonly message: Message }
  | { readonly kind: "read"; readonly node: number; readonly read: ReadState }
  | { readonly kind: "refused"; readonly node: number; readonly what: string }
  /** The node takes part in another configuration now. */
  | { readonly kind: "configured"; readonly node: number; readonly configuration: Configuration }
  /** The node has the state of another one now. */
  | { readonly kind: "installed"; readonly node: number; readonly from: MemberId; readonly last: EntryId };

/** The settings of `add-nodes` that differ from script to script. */
export interface NodeSettings {
  readonly configuration: Configuration;
  /** The nodes begin with a snapshot of term 1 at this index; 0 for no snapshot and no members. */
  readonly snapshotIndex: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  /** A node's clock shows a millisecond for each of its ticks. */
  readonly readsByLease: boolean;
  readonly inflightMessagesMax: number;
  readonly committedBytesPerReadyMax: number;
  readonly appendBytesMax: number;
}

/** A node of a script: the core, its disk, and how far its state machine is. */
export interface ScenarioNode {
  readonly id: number;
  readonly settings: NodeSettings;
  raft: Raft;
  stored: StoredLog;
  applied: number;
  /** Who takes part, from the entry on that made it so; the last one is in force. */
  readonly configurations: { readonly since: number; readonly configuration: Configuration }[];
}

/** Whose messages to deliver, or to drop. */
export interface Recipient {
  readonly id: number;
  readonly drop: boolean;
}

/** Election and heartbeat ticks of etcd's interaction tests: `tick-election` ticks this often. */
export const electionTicks = 3;
export const heartbeatTicks = 1;

/** A leader goes by what it was pledged one tick less than its followers do. */
const leaseTerms: LeaseTerms = { pledgeMs: electionTicks, leaseMs: electionTicks - 1, pledgedMs: 0 };

/** Beyond this many rounds a `stabilize` is taken for one that never ends. */
const stabilizeRoundsMax = 1_000;

/**
 * Nodes joined by a network that a script moves by hand: what a node sends waits in `messages`, in order, until it is
 * delivered or dropped. The semantics are those of the InteractionEnv of etcd-io/raft (rafttest).
 */
export class Environment {
  readonly nodes: ScenarioNode[] = [];
  messages: Message[] = [];
  #events: ScenarioEvent[] = [];
  /** By node, since it was added. */
  readonly #ticks = new Map<number, number>();
  readonly #tracer: Tracer | null;

  constructor(tracer: Tracer | null = null) {
    this.#tracer = tracer;
  }

  /** Hands over the events since the last call. */
  takeEvents(): readonly ScenarioEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Adds nodes with the next free numbers. Returns what is wrong with the settings, or null. */
  addNodes(count: number, settings: NodeSettings): string | null {
    for (let added = 0; added < count; added++) {
      const id = this.nodes.length + 1;
      const { snapshotIndex } = settings;
      const stored = new StoredLog({ index: snapshotIndex, term: snapshotIndex === 0 ? 0 : 1 });
      const config = this.#configOf(id, settings, settings.configuration, stored, snapshotIndex);
      const fault = raftConfigFault(config);
      if (fault !== null) return `${fault.field} ${fault.problem}`;
      const { configuration } = settings;
      const configurations = [{ since: snapshotIndex, configuration }];
      this.nodes.push({
        id,
        settings,
        raft: new Raft(config),
        stored,
        applied: snapshotIndex,
        configurations,
      });
    }
    return null;
  }

  /** Replaces a node's disk, as if it had lived through other terms before the script began, and starts it anew. */
  setLog(node: ScenarioNode, terms: readonly number[], term: number): void {
    const { snapshot } = node.stored;
    const entries = terms.map(
      (entryTerm, position): Entry => ({
        term: entryTerm,
        index: snapshot.index + 1 + position,
        kind: "normal",
        data: new Uint8Array(),
      }),
    );
    node.stored = new StoredLog(snapshot, entries);
    node.stored.hardState = { term, vote: null, commit: snapshot.index };
    node.applied = snapshot.index;
    this.restart(node);
  }

  /** Starts a node from what it stored; what it had not handed out yet is lost, messages on their way are not. */
  restart(node: ScenarioNode): void {
    const { id, settings, stored, applied } = node;
    node.raft = new Raft(this.#configOf(id, settings, configurationAt(node, applied), stored, applied));
  }

  tick(node: ScenarioNode, count: number): void {
    for (let ticked = 0; ticked < count; ticked++) {
      this.#ticks.set(node.id, (this.#ticks.get(node.id) ?? 0) + 1);
      node.raft.tick();
    }
  }

  /** A client's proposal on any node: one that does not lead forwards it as MsgProp. */
  propose(node: ScenarioNode, data: Uint8Array): void {
    const id = memberIdOf(node.id);
    const outcome = node.raft.step({
      kind: "propose",
      from: id,
      to: id,
      term: 0,
      proposals: [{ kind: "normal", data }],
    });
    if (outcome !== "stepped") this.#refuse(node.id, `the proposal (${outcome})`);
  }

  /** Changes of the configuration, on the leader; none at all leaves a joint one. */
  proposeChanges(node: ScenarioNode, changes: readonly MemberChange[], transition: Transition): void {
    const current = node.raft.status().configuration;
    const isLeaving = changes.length === 0 && current.votersOutgoing.length > 0;
    const changed: ChangedConfiguration = isLeaving
      ? { kind: "changed", configuration: leftConfiguration(current) }
      : changedConfiguration(current, changes, transition);
    if (changed.kind === "fault") {
      this.#refuse(node.id, `the change (${changed.fault})`);
      return;
    }
    const { configuration } = changed;
    const outcome = node.raft.proposeConfiguration(
      configuration,
      utf8Encode(configurationText(configuration)),
    );
    if (outcome.kind === "accepted") return;
    const why = outcome.kind === "configuration_fault" ? outcome.fault : outcome.kind;
    this.#refuse(node.id, `the change (${why})`);
  }

  /** Sends the message that offers a state, whether or not anyone needs it. */
  sendSnapshot(node: ScenarioNode, to: number): void {
    const index = node.applied;
    const term = node.stored.term(index);
    assert(typeof term === "number", "the log knows the applied entry");
    const message: Message = {
      kind: "snapshot",
      from: memberIdOf(node.id),
      to: memberIdOf(to),
      term: node.raft.status().term,
      last: { term, index },
    };
    this.messages.push(message);
    this.#events.push({ kind: "sent", message });
  }

  readIndex(node: ScenarioNode, context: string): void {
    const { kind } = node.raft.readIndex(context);
    if (kind !== "accepted") this.#refuse(node.id, `the read ${context} (${kind})`);
  }

  transferLeadership(node: ScenarioNode, target: number): void {
    const { kind } = node.raft.transferLeadership(memberIdOf(target));
    if (kind !== "started" && kind !== "forwarded") {
      this.#refuse(node.id, `the transfer to n${target} (${kind})`);
    }
  }

  /** Takes one Ready and carries it out whole: store, send, report as durable, apply. */
  processReady(node: ScenarioNode): void {
    const ready = node.raft.takeReady();
    if (ready.hardState !== null) node.stored.hardState = ready.hardState;
    node.stored.store(ready.entries);
    for (const message of [...ready.messages, ...ready.messagesAfterPersist]) {
      this.messages.push(message);
      this.#events.push({ kind: "sent", message });
    }
    for (const read of ready.readStates) this.#events.push({ kind: "read", node: node.id, read });
    const lastStored = ready.entries.at(-1);
    node.raft.persisted({
      readyNumber: ready.number,
      last: lastStored === undefined ? null : { term: lastStored.term, index: lastStored.index },
    });
    for (const entry of ready.committedEntries) this.#apply(node, entry);
    const lastApplied = ready.committedEntries.at(-1);
    if (lastApplied !== undefined) {
      node.applied = lastApplied.index;
      node.raft.applied(lastApplied.index);
    }
    if (ready.snapshotOffer !== null) this.#install(node, ready.snapshotOffer);
  }

  /** Delivers or drops what waits for one recipient. Returns how many messages that were. */
  deliver(recipient: Recipient, kind: Message["kind"] | null): number {
    const [taken, rest] = this.#split(recipient, kind);
    this.messages = rest;
    for (const message of taken) {
      this.#events.push({ kind: recipient.drop ? "dropped" : "received", message });
      if (recipient.drop) continue;
      const node = this.nodes[recipient.id - 1];
      assert(node !== undefined, "messages are delivered to nodes that exist");
      const outcome = node.raft.step(message);
      if (outcome !== "stepped") this.#refuse(node.id, `${message.kind} from ${message.from} (${outcome})`);
    }
    return taken.length;
  }

  /** Whether anything waits for that recipient. */
  hasMessagesFor(id: number, kind: Message["kind"] | null): boolean {
    return this.#split({ id, drop: false }, kind)[0].length > 0;
  }

  /**
   * Handles Readys and delivers messages among `nodes` until nothing is left to do: each round first every Ready, then
   * every node's mail, both in the order given. Returns false when that does not end.
   */
  stabilize(nodes: readonly ScenarioNode[]): boolean {
    for (let round = 0; round < stabilizeRoundsMax; round++) {
      let isDone = true;
      for (const node of nodes) {
        if (!node.raft.hasReady()) continue;
        this.processReady(node);
        isDone = false;
      }
      for (const node of nodes) {
        if (this.deliver({ id: node.id, drop: false }, null) > 0) isDone = false;
      }
      if (isDone) return true;
    }
    return false;
  }

  #apply(node: ScenarioNode, { kind, data, index }: Entry): void {
    if (kind === "normal") return;
    const configuration =
      data.length === 0
        ? leftConfiguration(node.raft.status().configuration)
        : configurationOfText(utf8Decode(data) ?? "");
    node.configurations.push({ since: index, configuration });
    this.#events.push({ kind: "configured", node: node.id, configuration });
    node.raft.applyConfiguration(configuration);
  }

  /** Brings the state that was offered, as of the entry that was named, and puts it in the place of the node's own. */
  #install(node: ScenarioNode, { from, last }: SnapshotOffer): void {
    const sender = this.nodes[numberOf(from) - 1];
    assert(sender !== undefined, "a state is offered by a node that exists");
    const configuration = configurationAt(sender, last.index);
    node.stored.continueAfter(last);
    node.applied = last.index;
    node.configurations.push({ since: last.index, configuration });
    this.#events.push({ kind: "installed", node: node.id, from, last });
    const outcome = node.raft.restore({ last, configuration });
    assert(outcome === "restored", "what was offered is beyond what was committed");
  }

  /** A message of a node to itself (a transfer to the leader, by way of a follower) crosses no network: it stays. */
  #split(recipient: Recipient, kind: Message["kind"] | null): [Message[], Message[]] {
    const to = memberIdOf(recipient.id);
    const taken: Message[] = [];
    const rest: Message[] = [];
    for (const message of this.messages) {
      const isLost = recipient.drop && message.from === message.to;
      const isTaken = message.to === to && !isLost && (kind === null || message.kind === kind);
      (isTaken ? taken : rest).push(message);
    }
    return [taken, rest];
  }

  #configOf(
    id: number,
    settings: NodeSettings,
    configuration: Configuration,
    stored: StoredLog,
    applied: number,
  ): RaftConfig {
    const nowMs = (): number => this.#ticks.get(id) ?? 0;
    const clock = { monotonicMs: nowMs, wallMs: nowMs };
    const config = configOf(id, settings, configuration, stored, applied, clock);
    return this.#tracer === null ? config : { ...config, tracer: this.#tracer };
  }

  #refuse(node: number, what: string): void {
    this.#events.push({ kind: "refused", node, what });
  }
}

/** Who takes part when the entry at that index, or none after it, is applied. */
function configurationAt(node: ScenarioNode, index: number): Configuration {
  const found = node.configurations.findLast(({ since }) => since <= index);
  assert(found !== undefined, "a node knows its configuration from its first index on");
  return found.configuration;
}

function configOf(
  id: number,
  settings: NodeSettings,
  configuration: Configuration,
  stored: StoredLog,
  applied: number,
  clock: LeaseClock,
): RaftConfig {
  return {
    id: memberIdOf(id),
    configuration,
    hardState: stored.hardState,
    appliedIndex: applied,
    log: stored,
    electionTicks,
    heartbeatTicks,
    preVote: settings.preVote,
    checkQuorum: settings.checkQuorum,
    lease: settings.readsByLease ? { ...leaseTerms, clock } : null,
    inflightMessagesMax: settings.inflightMessagesMax,
    inflightBytesMax: Number.POSITIVE_INFINITY,
    appendBytesMax: settings.appendBytesMax,
    committedBytesPerReadyMax: settings.committedBytesPerReadyMax,
    uncommittedBytesMax: Number.POSITIVE_INFINITY,
    waitingReadsMax: 1_024,
    appliesOnlyDurable: false,
    tellsCommitAtOnce: true,
    readsAsk: "all",
    random: shortestTimeout,
  };
}

/**
 * Draws the least number always, so that an election timeout is `electionTicks` until a script sets another: a golden
 * transcript must not hang on a seed.
 */
const shortestTimeout: Random = {
  nextUint32: () => 0,
  below: () => 0,
  float: () => 0,
  fork: () => shortestTimeout,
};
