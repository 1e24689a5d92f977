import {
  configurationOf,
  EMPTY_HARD_STATE,
  type Entry,
  type EntryId,
  type HardState,
  type MemberId,
  type Message,
  Raft,
  type RaftConfig,
  type ReadState,
  type Ready,
} from "@quorate/services/raft";
import { seededRandom } from "@quorate/services/std";
import { MemoryLog } from "./memory-log";

export const ELECTION_TICKS = 10;
export const HEARTBEAT_TICKS = 1;

export function text(data: string): Uint8Array {
  return Uint8Array.from(data, (char) => char.charCodeAt(0));
}

export function textOf(entry: Entry): string {
  return String.fromCharCode(...entry.data);
}

/** An entry whose command is its own id, so that entries of different leaders differ. */
export function entry(term: number, index: number, data = `${term}/${index}`): Entry {
  return { term, index, kind: "normal", data: text(data) };
}

export function idOf(ready: Ready): EntryId | null {
  const last = ready.entries.at(-1);
  return last === undefined ? null : { term: last.term, index: last.index };
}

/** A config whose log is in memory. */
export interface NodeConfig extends RaftConfig {
  readonly log: MemoryLog;
}

export function configOf(
  id: MemberId,
  voters: readonly MemberId[],
  changes: Partial<NodeConfig> = {},
): NodeConfig {
  return {
    id,
    configuration: configurationOf(voters),
    hardState: EMPTY_HARD_STATE,
    appliedIndex: 0,
    log: new MemoryLog(),
    electionTicks: ELECTION_TICKS,
    heartbeatTicks: HEARTBEAT_TICKS,
    preVote: false,
    checkQuorum: false,
    inflightMessagesMax: 256,
    inflightBytesMax: Number.POSITIVE_INFINITY,
    appendBytesMax: Number.POSITIVE_INFINITY,
    committedBytesPerReadyMax: Number.POSITIVE_INFINITY,
    uncommittedBytesMax: Number.POSITIVE_INFINITY,
    waitingReadsMax: 64,
    appliesOnlyDurable: false,
    tellsCommitAtOnce: true,
    readsAsk: "all",
    random: seededRandom(Number(id.slice(1))),
    lease: null,
    ...changes,
  };
}

/** A member with its disk: stores and applies each Ready in the order that its contract asks for. */
export class Node {
  raft: Raft;
  readonly log: MemoryLog;
  hardState: HardState;
  applied: Entry[] = [];
  readStates: ReadState[] = [];

  constructor(private readonly config: NodeConfig) {
    this.raft = new Raft(config);
    this.log = config.log;
    this.hardState = config.hardState;
  }

  get id(): MemberId {
    return this.config.id;
  }

  /** Handles one Ready and returns what it sends, in order. */
  handleReady(): readonly Message[] {
    const ready = this.raft.takeReady();
    this.log.store(ready.entries);
    this.hardState = ready.hardState ?? this.hardState;
    this.readStates.push(...ready.readStates);
    this.raft.persisted({ readyNumber: ready.number, last: idOf(ready) });
    this.applied.push(...ready.committedEntries);
    const last = ready.committedEntries.at(-1);
    if (last !== undefined) this.raft.applied(last.index);
    return [...ready.messages, ...ready.messagesAfterPersist];
  }

  /** Loses all that is not on disk. */
  restart(): void {
    this.raft = new Raft({ ...this.config, hardState: this.hardState });
    this.applied = [];
    this.readStates = [];
  }
}

/** Members and the messages between them. Nothing moves by itself. */
export class Group {
  readonly nodes: ReadonlyMap<MemberId, Node>;
  inTransit: Message[] = [];
  /** Messages for which it is true are lost. */
  loses: (message: Message) => boolean = () => false;

  constructor(
    size: number,
    changes: Partial<NodeConfig> = {},
    changesOf: (id: MemberId) => Partial<NodeConfig> = () => ({}),
  ) {
    const ids = memberIds(size);
    this.nodes = new Map(
      ids.map((id) => [id, new Node(configOf(id, ids, { ...changes, ...changesOf(id) }))]),
    );
  }

  node(id: MemberId): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`the group has no ${id}`);
    return node;
  }

  raft(id: MemberId): Raft {
    return this.node(id).raft;
  }

  isolate(...ids: MemberId[]): void {
    this.loses = ({ from, to }) => ids.includes(from) !== ids.includes(to);
  }

  heal(): void {
    this.loses = () => false;
  }

  handleReadys(): void {
    for (const node of this.nodes.values()) {
      while (node.raft.hasReady()) {
        this.inTransit.push(...node.handleReady().filter((message) => !this.loses(message)));
      }
    }
  }

  /** Handles Readys and delivers messages until nothing is left to do. */
  settle(): void {
    for (let round = 0; round < 10_000; round += 1) {
      this.handleReadys();
      if (this.inTransit.length === 0) return;
      for (const message of this.inTransit.splice(0)) this.raft(message.to).step(message);
    }
    throw new Error("the group does not come to rest");
  }

  /** Lets time pass on these members, at rest in between. */
  tick(count: number, ...ids: MemberId[]): void {
    const ticking = ids.length === 0 ? [...this.nodes.keys()] : ids;
    for (let tick = 0; tick < count; tick += 1) {
      for (const id of ticking) this.raft(id).tick();
      this.settle();
    }
  }

  /** Makes that member leader. */
  elect(id: MemberId): void {
    this.raft(id).campaign();
    this.settle();
  }

  propose(id: MemberId, ...data: string[]): void {
    for (const command of data) this.raft(id).propose([text(command)]);
    this.settle();
  }

  leaders(): MemberId[] {
    return [...this.nodes.values()].filter(({ raft }) => raft.status().role === "leader").map(({ id }) => id);
  }

  commands(id: MemberId): string[] {
    return this.node(id)
      .applied.map(textOf)
      .filter((command) => command !== "");
  }
}

/** A member alone, whose messages and Readys a test handles itself. */
export function member(id: MemberId, size: number, changes: Partial<NodeConfig> = {}): Node {
  return new Node(configOf(id, memberIds(size), changes));
}

function memberIds(size: number): MemberId[] {
  return Array.from({ length: size }, (_, at) => `n${at + 1}`);
}

/** What a follower says to a heartbeat of n1. */
export function heartbeatAnswer(from: MemberId, term: number, lowOnSpace = false): Message {
  return { kind: "heartbeat_response", from, to: "n1", term, readSequence: 0, lowOnSpace };
}

/** A stored log that holds an entry of each of these terms, from index 1 on. */
export function logOf(...terms: number[]): MemoryLog {
  const log = new MemoryLog();
  log.store(terms.map((term, at) => entry(term, at + 1)));
  return log;
}
