import type { TraceEvent, TraceMessage } from "@quorate/services/raft";

/*
 * The model that Traceetcdraft.tla of etcd-io/raft holds a trace against, as far as a fixed membership needs it: each
 * line must be a step that the model can take, from the state that the lines before have led to. It is written after
 * that specification, action by action, so that a test can say what a model checker would say.
 */

interface ModelMessage {
  readonly type: string;
  readonly term: number;
  readonly from: string;
  readonly to: string;
  /** Of the last entry of a candidate, or of the entry before those that are sent. */
  readonly index: number;
  readonly logTerm: number;
  /** The terms of the entries. */
  readonly entries: readonly number[];
  readonly commit: number;
  readonly granted: boolean;
}

interface DurableState {
  readonly term: number;
  readonly vote: string;
  readonly length: number;
  readonly commit: number;
}

interface Server {
  term: number;
  role: string;
  vote: string;
  log: number[];
  commit: number;
  responded: Set<string>;
  granted: Set<string>;
  match: Map<string, number>;
  durable: DurableState;
}

/** A bag of messages. */
class Bag {
  private readonly counts = new Map<string, number>();

  add(message: ModelMessage): void {
    const name = JSON.stringify(message);
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  /** Takes one that fits, or null when there is none. */
  take(fits: (message: ModelMessage) => boolean): ModelMessage | null {
    for (const [name, count] of this.counts) {
      const message = JSON.parse(name) as ModelMessage;
      if (!fits(message)) continue;
      if (count === 1) this.counts.delete(name);
      else this.counts.set(name, count - 1);
      return message;
    }
    return null;
  }
}

const blank = { index: 0, logTerm: 0, entries: [] as readonly number[], commit: 0, granted: false };

/** Reads a trace line by line and throws at the first that no step of the model explains. */
export class TraceModel {
  private readonly servers = new Map<string, Server>();
  private readonly messages = new Bag();
  private readonly pending = new Map<string, ModelMessage[]>();
  private readonly lastEvent = new Map<string, TraceEvent>();
  private lines = 0;

  read(event: TraceEvent): void {
    this.lines += 1;
    const known = this.servers.get(event.nid);
    if (known === undefined) this.bootstrap(event);
    else this.follow(event, known);
    this.lastEvent.set(event.nid, event);
  }

  private bootstrap(event: TraceEvent): void {
    this.check(event.name === "InitState", event, "a member begins with InitState");
    const { term, vote, commit } = event.state;
    const log = new Array<number>(event.log).fill(1);
    this.servers.set(event.nid, {
      term,
      vote,
      role: event.role,
      log,
      commit,
      responded: new Set(),
      granted: new Set(),
      match: new Map(),
      durable: { term, vote, length: log.length, commit },
    });
    this.pending.set(event.nid, []);
  }

  private follow(event: TraceEvent, server: Server): void {
    switch (event.name) {
      case "InitState":
        this.restart(event, server);
        return;
      case "BecomeCandidate":
        this.check(server.role !== "StateLeader", event, "a leader does not time out");
        Object.assign(server, { role: "StateCandidate", term: server.term + 1, vote: event.nid });
        server.responded = new Set();
        server.granted = new Set();
        this.checkState(event, server);
        return;
      case "BecomeLeader":
        this.check(server.role === "StateCandidate", event, "only a candidate becomes leader");
        this.check(this.isQuorum(event, server.granted.size), event, "a leader has the votes of a quorum");
        server.role = "StateLeader";
        server.match = new Map([[event.nid, server.log.length]]);
        this.checkState(event, server);
        return;
      case "BecomeFollower":
        if (this.isPartOfReceiving(event)) return;
        this.check(server.role !== "StateFollower", event, "only a leader or candidate steps down");
        server.role = "StateFollower";
        this.checkState(event, server);
        return;
      case "Replicate":
        this.check(server.role === "StateLeader", event, "only a leader replicates");
        server.log.push(server.term);
        return;
      case "Commit":
        this.commit(event, server);
        return;
      case "Ready":
        this.ready(event.nid, server);
        return;
      case "SendRequestVoteRequest":
      case "SendRequestVoteResponse":
      case "SendAppendEntriesRequest":
      case "SendAppendEntriesResponse":
        this.send(event, server, this.messageOf(event));
        return;
      case "ReceiveRequestVoteRequest":
      case "ReceiveRequestVoteResponse":
      case "ReceiveAppendEntriesRequest":
      case "ReceiveAppendEntriesResponse":
        this.receive(event, server, this.messageOf(event));
        return;
    }
  }

  private restart(event: TraceEvent, server: Server): void {
    const { term, vote, length, commit } = server.durable;
    Object.assign(server, { role: "StateFollower", term, vote, commit, log: server.log.slice(0, length) });
    server.responded = new Set();
    server.granted = new Set();
    server.match = new Map();
    this.pending.set(event.nid, []);
    this.checkState(event, server);
  }

  private commit(event: TraceEvent, server: Server): void {
    this.check(server.role === "StateLeader", event, "only a leader counts");
    let agreed = 0;
    for (let index = 1; index <= server.log.length; index += 1) {
      const holders = [...server.match.values()].filter((match) => match >= index).length;
      if (this.isQuorum(event, holders)) agreed = index;
    }
    if (server.log[agreed - 1] === server.term) server.commit = Math.max(server.commit, agreed);
    this.checkState(event, server);
  }

  private ready(id: string, server: Server): void {
    const { term, vote, log, commit } = server;
    server.durable = { term, vote, length: log.length, commit };
    for (const message of this.pending.get(id) ?? []) this.messages.add(message);
    this.pending.set(id, []);
  }

  private send(event: TraceEvent, server: Server, msg: TraceMessage): void {
    const isToSelf = msg.from === msg.to;
    const envelope = { type: msg.type, term: server.term, from: event.nid, to: msg.to, ...blank };
    switch (event.name) {
      case "SendRequestVoteRequest":
        this.check(server.role === "StateCandidate", event, "only a candidate asks for votes");
        this.check(!server.responded.has(msg.to), event, "nobody is asked who has answered");
        this.put(event, server, { ...envelope, index: server.log.length, logTerm: server.log.at(-1) ?? 0 });
        return;
      case "SendRequestVoteResponse":
        // An answer to another member is a part of the step that received the request.
        if (isToSelf) this.put(event, server, { ...envelope, granted: true });
        return;
      case "SendAppendEntriesResponse":
        if (!isToSelf) return;
        this.check(server.role === "StateLeader", event, "only a leader acknowledges to itself");
        this.put(event, server, { ...envelope, index: server.log.length, granted: true });
        return;
      default:
        this.sendEntries(event, server, msg);
        return;
    }
  }

  private sendEntries(event: TraceEvent, server: Server, msg: TraceMessage): void {
    this.check(server.role === "StateLeader" && !sameMember(msg), event, "only a leader sends entries");
    const envelope = { type: msg.type, term: server.term, from: event.nid, to: msg.to, ...blank };
    const match = server.match.get(msg.to) ?? 0;
    if (msg.type === "MsgHeartbeat") {
      this.put(event, server, { ...envelope, commit: Math.min(server.commit, match) });
      return;
    }
    this.check(msg.index >= match, event, "nothing is sent again that is known to match");
    this.check(msg.index + msg.entries <= server.log.length, event, "only entries of the log are sent");
    const last = msg.index + msg.entries;
    this.put(event, server, {
      ...envelope,
      index: msg.index,
      logTerm: server.log[msg.index - 1] ?? 0,
      entries: server.log.slice(msg.index, last),
      commit: Math.min(server.commit, last),
    });
  }

  /** The model sends that message: the line must say the same, and the state too. */
  private put(event: TraceEvent, server: Server, message: ModelMessage): void {
    this.check(fits(message, this.messageOf(event)), event, `the model sends ${JSON.stringify(message)}`);
    this.pending.get(event.nid)?.push(message);
    this.checkState(event, server);
  }

  private receive(event: TraceEvent, server: Server, msg: TraceMessage): void {
    this.checkState(event, server);
    const message = this.messages.take((candidate) => fits(candidate, msg));
    if (message === null) this.fail(event, "no such message is on its way");
    if (message.term > server.term)
      Object.assign(server, { term: message.term, role: "StateFollower", vote: "0" });
    switch (event.name) {
      case "ReceiveRequestVoteRequest":
        this.onVote(event, server, message);
        return;
      case "ReceiveRequestVoteResponse":
        if (message.term < server.term) return;
        server.responded.add(message.from);
        if (message.granted) server.granted.add(message.from);
        return;
      case "ReceiveAppendEntriesResponse":
        if (message.term < server.term || !message.granted) return;
        server.match.set(message.from, Math.max(server.match.get(message.from) ?? 0, message.index));
        return;
      default:
        this.onEntries(event, server, message);
        return;
    }
  }

  private onVote(event: TraceEvent, server: Server, message: ModelMessage): void {
    const lastTerm = server.log.at(-1) ?? 0;
    const isUpToDate =
      message.logTerm > lastTerm || (message.logTerm === lastTerm && message.index >= server.log.length);
    const isFree = server.vote === "0" || server.vote === message.from;
    const granted = message.term === server.term && isUpToDate && isFree;
    if (granted) server.vote = message.from;
    const answer = { ...blank, type: "MsgVoteResp", term: server.term, granted };
    this.pending.get(event.nid)?.push({ ...answer, from: event.nid, to: message.from });
  }

  private onEntries(event: TraceEvent, server: Server, message: ModelMessage): void {
    const isHeartbeat = message.type === "MsgHeartbeat";
    const answer = {
      ...blank,
      type: isHeartbeat ? "MsgHeartbeatResp" : "MsgAppResp",
      term: server.term,
      from: event.nid,
      to: message.from,
    };
    const reply = (granted: boolean, index: number): void => {
      this.pending.get(event.nid)?.push({ ...answer, granted, index });
    };
    if (message.term < server.term) {
      reply(false, 0);
      return;
    }
    if (server.role === "StateCandidate") server.role = "StateFollower";
    this.check(server.role === "StateFollower", event, "one leader a term");
    const matches = message.index === 0 || server.log[message.index - 1] === message.logTerm;
    if (!matches) {
      reply(false, 0);
      return;
    }
    const last = message.index + message.entries.length;
    if (message.index < server.commit) {
      if (isHeartbeat) server.commit = Math.max(server.commit, message.commit);
      reply(true, isHeartbeat ? last : server.commit);
      return;
    }
    const conflict = message.entries.findIndex(
      (term, at) => server.log[message.index + at] !== undefined && server.log[message.index + at] !== term,
    );
    if (conflict >= 0) server.log.length = message.index + conflict;
    for (const term of message.entries.slice(server.log.length - message.index)) server.log.push(term);
    server.commit = Math.max(server.commit, Math.min(message.commit, last));
    this.check(server.commit <= server.log.length, event, "only what is in the log is committed");
    reply(true, last);
  }

  /** A step down that a message with a newer term, or of the term's leader, brings about is a part of receiving it. */
  private isPartOfReceiving(event: TraceEvent): boolean {
    const before = this.lastEvent.get(event.nid);
    if (before?.msg === undefined || !before.name.startsWith("Receive")) return false;
    if (before.msg.term !== event.state.term) return false;
    if (before.state.term < before.msg.term) return true;
    const isFromLeader = before.name === "ReceiveAppendEntriesRequest";
    return isFromLeader && before.state.term === before.msg.term && before.role === "StateCandidate";
  }

  private isQuorum(event: TraceEvent, count: number): boolean {
    return count * 2 > event.conf[0].length;
  }

  private messageOf(event: TraceEvent): TraceMessage {
    return event.msg ?? this.fail(event, "it has no message");
  }

  private checkState(event: TraceEvent, server: Server): void {
    const { term, vote, role, commit } = server;
    const model = { term, vote, commit, role, log: server.log.length };
    const traced = { ...event.state, role: event.role, log: event.log };
    for (const name of Object.keys(model) as (keyof typeof model)[]) {
      this.check(model[name] === traced[name], event, `in the model ${name} is ${model[name]}`);
    }
  }

  private check(condition: boolean, event: TraceEvent, sentence: string): void {
    if (!condition) this.fail(event, sentence);
  }

  private fail(event: TraceEvent, sentence: string): never {
    throw new Error(`line ${this.lines}: ${sentence}\n${JSON.stringify(event)}`);
  }
}

function sameMember({ from, to }: TraceMessage): boolean {
  return from === to;
}

/** Whether a line's message is that message of the model, field by field as far as its kind has them. */
function fits(message: ModelMessage, msg: TraceMessage): boolean {
  const { type, term, from, to } = message;
  if (type !== msg.type || term !== msg.term || from !== msg.from || to !== msg.to) return false;
  switch (type) {
    case "MsgApp":
      return (
        message.commit === msg.commit &&
        message.index === msg.index &&
        message.logTerm === msg.logTerm &&
        message.entries.length === msg.entries
      );
    case "MsgHeartbeat":
      return message.commit === msg.commit;
    case "MsgAppResp":
      return message.granted === !msg.reject && (msg.reject || message.index === msg.index);
    case "MsgHeartbeatResp":
      return message.granted === !msg.reject;
    case "MsgVote":
      return message.index === msg.index && message.logTerm === msg.logTerm;
    case "MsgVoteResp":
      return message.granted === !msg.reject;
    default:
      return false;
  }
}
