import {
  type Configuration,
  type Entry,
  type Message,
  Raft,
  type RaftConfig,
  type ReadState,
  raftConfigFault,
  type Tracer,
} from "@quorate/services/raft";
import { assert, type Random } from "@quorate/services/std";
import { StoredLog } from "./stored-log";
import { memberIdOf } from "./vocabulary";

/** What happened in the course of a directive, for its printed outcome. */
export type ScenarioEvent =
  | { readonly kind: "sent" | "received" | "dropped"; readonly message: Message }
  | { readonly kind: "read"; readonly node: number; readonly read: ReadState }
  | { readonly kind: "refused"; readonly node: number; readonly what: string };

/** The settings of `add-nodes` that differ from script to script. */
export interface NodeSettings {
  readonly configuration: Configuration;
  /** The nodes begin with a snapshot of term 1 at this index; 0 for no snapshot and no members. */
  readonly snapshotIndex: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly readMode: RaftConfig["readMode"];
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
}

/** Whose messages to deliver, or to drop. */
export interface Recipient {
  readonly id: number;
  readonly drop: boolean;
}

/** Election and heartbeat ticks of etcd's interaction tests: `tick-election` ticks this often. */
export const electionTicks = 3;
export const heartbeatTicks = 1;

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
      const config = this.#configOf(id, settings, stored, snapshotIndex);
      const fault = raftConfigFault(config);
      if (fault !== null) return `${fault.field} ${fault.problem}`;
      this.nodes.push({ id, settings, raft: new Raft(config), stored, applied: snapshotIndex });
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
    node.raft = new Raft(this.#configOf(node.id, node.settings, node.stored, node.applied));
  }

  tick(node: ScenarioNode, count: number): void {
    for (let ticked = 0; ticked < count; ticked++) node.raft.tick();
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
    const lastApplied = ready.committedEntries.at(-1);
    if (lastApplied !== undefined) {
      node.applied = lastApplied.index;
      node.raft.applied(lastApplied.index);
    }
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

  #configOf(id: number, settings: NodeSettings, stored: StoredLog, applied: number): RaftConfig {
    const config = configOf(id, settings, stored, applied);
    return this.#tracer === null ? config : { ...config, tracer: this.#tracer };
  }

  #refuse(node: number, what: string): void {
    this.#events.push({ kind: "refused", node, what });
  }
}

function configOf(id: number, settings: NodeSettings, stored: StoredLog, applied: number): RaftConfig {
  return {
    id: memberIdOf(id),
    configuration: settings.configuration,
    hardState: stored.hardState,
    appliedIndex: applied,
    log: stored,
    electionTicks,
    heartbeatTicks,
    preVote: settings.preVote,
    checkQuorum: settings.checkQuorum,
    readMode: settings.readMode,
    inflightMessagesMax: settings.inflightMessagesMax,
    inflightBytesMax: Number.POSITIVE_INFINITY,
    appendBytesMax: settings.appendBytesMax,
    committedBytesPerReadyMax: settings.committedBytesPerReadyMax,
    uncommittedBytesMax: Number.POSITIVE_INFINITY,
    waitingReadsMax: 1_024,
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
