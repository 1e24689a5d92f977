import {
  compactAllCommand,
  encodeCommand,
  type LeaseStatus,
  type NamespaceState,
  recordStoreCommand,
  type StateMeta,
  type StateWrites,
  tickCommand,
} from "#kv";
import {
  type MemberId,
  type Message,
  messageFault,
  Raft,
  type Ready,
  type RoleName,
  raftConfigFault,
  type Term,
} from "#raft";
import { assert, BoundedQueue } from "#std";
import { type AppliedEntry, Applier } from "./applier";
import { HistoryKeeper } from "./history-keeper";
import { LoggedStores } from "./logged-stores";
import { DEFAULT_BOUNDS, type ReplicaBounds, type ReplicaOptions, raftConfigOf } from "./options";
import type { Cancellation, ReadOutcome, ReadRequest, SubmitOutcome, TransferResult } from "./outcome";
import { Persister } from "./persister";
import type { StateStore, StoreFailure } from "./ports";
import { notApplied, Proposals, type QueuedCommand } from "./proposals";
import { ReadPoints } from "./read-points";
import { Reads } from "./reads";
import type { ReplicaStatus } from "./status";
import { StoreRecorder } from "./store-recorder";
import { TimeKeeper } from "./time-keeper";
import { Transfers } from "./transfers";

/** What others may want to hear of. */
export interface ReplicaListener {
  /** Another member, or none, leads now; the term is this member's. */
  leaderChanged?(leaderId: MemberId | null, term: Term): void;
  /** A peer sent what no correct member sends; it was dropped. */
  messageRefused?(from: MemberId, fault: string): void;
  /** The store has written what a batch of commands did; reads may see it from now on. */
  written?(writes: StateWrites): void;
  /** A store failed: everything open was settled, and the replica does nothing more. */
  failed?(failure: StoreFailure): void;
}

/**
 * One member of a Raft group with its state machine: joins the pure cores, raft and kv, to the ports that store and
 * send. All input (messages, commands, reads) is gathered and taken in once a turn of the event loop, so that what came
 * in together is proposed, stored and sent together. See DESIGN.md for the order of things.
 */
export class Replica {
  readonly id: MemberId;
  readonly state: StateStore;
  private readonly bounds: ReplicaBounds;
  private readonly raft: Raft;
  private readonly members: ReadonlySet<MemberId>;
  private readonly inbox: BoundedQueue<Message>;
  private readonly proposals: Proposals;
  private readonly persister: Persister;
  private readonly applier: Applier;
  private readonly reads: Reads;
  private readonly readPoints: ReadPoints;
  private readonly transfers: Transfers;
  private readonly time: TimeKeeper;
  private readonly history: HistoryKeeper;
  private readonly recorder: StoreRecorder;
  private readonly loggedStores: LoggedStores;
  private readonly listeners = new Set<ReplicaListener>();

  private role: RoleName = "follower";
  private leaderId: MemberId | null = null;
  private term: Term;
  private isTurnPlanned = false;
  private condition: "running" | "stopping" | "failed" = "running";

  /**
   * Throws when what was restored does not fit together. The log must not end below the applied index: a log that does
   * is reset before (see LogStore.reset).
   */
  constructor(private readonly options: ReplicaOptions) {
    const { id, log, state, timing } = options;
    this.id = id;
    this.state = state;
    this.bounds = { ...DEFAULT_BOUNDS, ...options.bounds };
    const applied = state.opened.applied;
    assert(log.lastIndex() >= applied.index, "the log reaches the applied state");

    const config = raftConfigOf(options, this.bounds);
    const fault = raftConfigFault(config);
    if (fault !== null) throw new Error(`${fault.field} ${fault.problem}`);
    this.raft = new Raft(config);
    this.term = config.hardState.term;
    this.members = new Set([...options.configuration.voters, ...options.configuration.learners]);
    this.inbox = new BoundedQueue(this.bounds.inboxMessagesMax);
    this.proposals = new Proposals({
      commandsMax: this.bounds.commandsMax,
      bytesMax: this.bounds.queuedBytesMax,
      graceTicks: timing.electionTicks,
    });
    this.persister = new Persister(log, {
      durable: (ready) => this.onDurable(ready),
      settled: () => this.pump(),
      failed: (failure) => this.fail(failure),
    });
    this.applier = new Applier(options.machine, state, applied, {
      written: (writes) => this.onWritten(writes),
      applied: (entries) => this.onApplied(entries),
      failed: (failure) => this.fail(failure),
    });
    this.reads = new Reads({
      nonce: `${id}.${options.random.nextUint32().toString(36)}`,
      waitingMax: this.bounds.readsWaitingMax,
      retryTicks: 2 * timing.heartbeatTicks,
      nowMs: () => options.clock.monotonicMs(),
      ask: (context) => this.raft.readIndex(context),
    });
    this.readPoints = new ReadPoints({
      reads: this.reads,
      visible: this.applier.visible,
      clock: options.clock,
      position: () => ({ term: this.term, appliedIndex: this.applier.applied.index }),
      waitingMax: this.bounds.readsWaitingMax,
    });
    this.transfers = new Transfers(2 * timing.electionTicks);
    this.time = new TimeKeeper();
    this.history = new HistoryKeeper(options.history ?? { revisionsMax: null, ageMsMax: null });
    this.recorder = new StoreRecorder({ memberId: id, storeId: options.storeId });
    this.loggedStores = new LoggedStores(log, applied.index);
  }

  /** To be called at an even pace. */
  tick(): void {
    if (this.condition !== "running") return;
    this.raft.tick();
    this.proposals.tick();
    this.reads.tick();
    this.transfers.tick();
    this.proposeOwnCommands();
    this.pump();
  }

  /** Messages from peers. Drops what is malformed, not between members or not for this one, and what overflows its inbox. */
  receive(messages: readonly Message[]): void {
    if (this.condition === "failed") return;
    for (const message of messages) {
      // The library's own way of sending proposals to the leader is not used: writes are forwarded as calls, which can
      // carry their outcome back.
      if (message.to !== this.id || !this.members.has(message.from) || message.kind === "propose") continue;
      const fault = messageFault(message);
      if (fault !== null) {
        for (const listener of this.listeners) listener.messageRefused?.(message.from, fault);
        continue;
      }
      if (this.inbox.push(message) === "full") break;
    }
    this.planTurn();
  }

  /** A message to this peer could not be delivered. */
  reportUnreachable(peer: MemberId): void {
    if (this.condition === "failed" || !this.members.has(peer)) return;
    this.raft.reportUnreachable(peer);
    this.planTurn();
  }

  /** Replicates an encoded command. Never rejects: what happened is in the outcome. */
  submit(command: Uint8Array): Promise<SubmitOutcome> {
    assert(command.length > 0, "a proposal carries a command");
    if (this.condition !== "running") return Promise.resolve(notApplied("stopping", this.leaderId));
    return new Promise((settle) => {
      if (this.proposals.push({ data: command, settle }) === "full") {
        settle(notApplied("backlog_full", this.leaderId));
        return;
      }
      this.planTurn();
    });
  }

  /** Finds out from where in the state a read may be answered, and waits until it can be. Never rejects. */
  readPoint(request: ReadRequest, cancellation?: Cancellation): Promise<ReadOutcome> {
    if (this.condition === "failed") return Promise.resolve({ kind: "store_lost" });
    if (this.condition === "stopping") return Promise.resolve({ kind: "stopping" });
    const found = this.readPoints.find(request, cancellation);
    if (this.reads.hasWaiting) this.planTurn();
    return found;
  }

  /** Hands leadership to a voter, or to the one that is most up to date. Never rejects. */
  transferLeadership(target: MemberId | null): Promise<TransferResult> {
    if (this.role !== "leader") return Promise.resolve({ kind: "not_leader", leaderId: this.leaderId });
    const to = target ?? this.mostUpToDateVoter();
    if (to === null) return Promise.resolve({ kind: "unknown_member" });
    if (to === this.id) return Promise.resolve({ kind: "transferred", leaderId: this.id, term: this.term });
    // What was submitted before the transfer goes into the log before it.
    this.takeTurn();
    if (!this.isLeader) return Promise.resolve({ kind: "not_leader", leaderId: this.leaderId });
    const outcome = this.raft.transferLeadership(to);
    switch (outcome.kind) {
      case "not_a_voter":
        return Promise.resolve({ kind: "unknown_member" });
      case "no_leader":
      case "forwarded":
        return Promise.resolve({ kind: "not_leader", leaderId: this.leaderId });
      case "already_leader":
        return Promise.resolve({ kind: "transferred", leaderId: to, term: this.term });
      case "started":
      case "in_progress":
        this.planTurn();
        return this.transfers.wait(to);
    }
  }

  status(): ReplicaStatus {
    const { machine, log, state } = this.options;
    const totals = machine.totals;
    return {
      raft: this.raft.status(),
      appliedIndex: this.applier.applied.index,
      revision: this.applier.visible.revision,
      timeMs: machine.meta.timeMs,
      sessions: machine.sessionCount,
      keys: totals.keys,
      bytes: totals.bytes,
      openCommands: this.proposals.size,
      openReads: this.readPoints.size,
      log: log.counters,
      checkpointIndex: state.checkpointIndex,
    };
  }

  /** Who leads, as this member knows. */
  get leader(): { readonly id: MemberId | null; readonly term: Term } {
    return { id: this.leaderId, term: this.term };
  }

  get isLeader(): boolean {
    return this.role === "leader";
  }

  /** A namespace as of the last write to the store; null when there is none of this name. @param name empty for "default" */
  namespace(name: string): NamespaceState | null {
    return this.applier.visible.namespace(name);
  }

  /** All namespaces as of the last write to the store, sorted by name. To be asked for at a ReadPoint. */
  namespaces(): readonly NamespaceState[] {
    return this.applier.visible.list();
  }

  /** The counters of the state as of the last write to the store. */
  get meta(): StateMeta {
    return this.applier.visible.meta;
  }

  /**
   * A lease as the machine has it: at least as of the newest ReadPoint. null when there is no such lease.
   */
  lease(leaseId: number): LeaseStatus | null {
    return this.options.machine.lease(leaseId);
  }

  /** The leases of a namespace, sorted by id. */
  leasesOf(namespaceId: number): readonly LeaseStatus[] {
    return this.options.machine.leasesOf(namespaceId);
  }

  /** The keys of a lease in bytewise order. */
  leaseKeys(leaseId: number): readonly Uint8Array[] {
    return this.options.machine.leaseKeys(leaseId);
  }

  /** The data directory that the cluster has bound to the member; null until it has. */
  memberStore(memberId: MemberId): string | null {
    const { machine } = this.options;
    return machine.memberStore(memberId) ?? this.loggedStores.storeOf(memberId, this.applier.applied.index);
  }

  /** A peer introduced itself; the leader sees to it that its store is recorded. */
  noteStore(memberId: MemberId, storeId: string): void {
    if (this.members.has(memberId)) this.recorder.note(memberId, storeId);
  }

  /** Returns how to end the subscription. */
  subscribe(listener: ReplicaListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Settles everything open and resolves when the stores are no longer used. They are left to their owner to close. */
  async stop(): Promise<void> {
    if (this.condition === "running") {
      this.condition = "stopping";
      this.settleAll("stopping");
    }
    await this.persister.stop();
    await this.applier.stop();
  }

  private planTurn(): void {
    if (this.isTurnPlanned) return;
    this.isTurnPlanned = true;
    this.options.scheduler.afterThisTurn(() => {
      this.isTurnPlanned = false;
      this.takeTurn();
    });
  }

  /** Takes in everything that has come since the last turn. */
  private takeTurn(): void {
    if (this.condition !== "running") return;
    for (let message = this.inbox.shift(); message !== undefined; message = this.inbox.shift()) {
      this.raft.step(message);
    }
    this.propose(this.proposals.takeQueued());
    this.reads.startRound();
    this.pump();
  }

  /** Carries out what the core asks for, until it asks for nothing more. */
  private pump(): void {
    while (this.condition === "running" && this.raft.hasReady()) {
      const ready = this.raft.takeReady();
      // First, so that who leads is known before anything else of this Ready is acted upon.
      this.noteLeadership(ready);
      if (ready.messages.length > 0) this.options.transport.send(ready.messages);
      for (const readState of ready.readStates) this.reads.answered(readState, this.applier.applied.index);
      this.persister.push(ready);
    }
  }

  private onDurable(ready: Ready): void {
    if (ready.messagesAfterPersist.length > 0) this.options.transport.send(ready.messagesAfterPersist);
    const last = ready.entries[ready.entries.length - 1];
    this.raft.persisted({
      readyNumber: ready.number,
      last: last === undefined ? null : { term: last.term, index: last.index },
    });
    this.applier.push(ready.committedEntries);
  }

  private onWritten(writes: StateWrites): void {
    this.history.advanced(writes.meta.timeMs, writes.meta.revision);
    for (const listener of this.listeners) listener.written?.(writes);
  }

  private onApplied(entries: readonly AppliedEntry[]): void {
    if (this.condition !== "running") return;
    for (const { id, answer } of entries) this.proposals.applied(id, answer);
    const appliedIndex = this.applier.applied.index;
    this.raft.applied(appliedIndex);
    this.reads.applied(appliedIndex);
    this.readPoints.applied();
    this.pump();
  }

  private propose(commands: readonly QueuedCommand[]): void {
    let from = 0;
    while (from < commands.length) {
      let bytes = 0;
      let to = from;
      while (
        to < commands.length &&
        (to === from || bytes + commands[to]!.data.length <= this.bounds.proposalBytesMax)
      ) {
        bytes += commands[to]!.data.length;
        to += 1;
      }
      this.proposeTogether(commands.slice(from, to));
      from = to;
    }
  }

  private proposeTogether(commands: readonly QueuedCommand[]): void {
    const outcome = this.raft.propose(commands.map((command) => command.data));
    switch (outcome.kind) {
      case "accepted":
        this.proposals.placed(commands, outcome.first);
        return;
      case "not_leader":
        for (const command of commands) command.settle(notApplied("not_leader", outcome.leaderId));
        return;
      case "full":
        for (const command of commands) command.settle(notApplied("backlog_full", this.leaderId));
        return;
      case "transferring":
        for (const command of commands) command.settle(notApplied("transferring", outcome.target));
        return;
    }
  }

  /** What a leader proposes of itself: the passing of time, the end of old history, and which store belongs to which member. */
  private proposeOwnCommands(): void {
    if (this.role !== "leader") return;
    const nowMs = this.options.clock.monotonicMs();
    const { timeIntervalMs, leaseTimeIntervalMs } = this.bounds;
    const elapsedMs = this.time.due(
      nowMs,
      this.options.machine.leaseCount > 0 ? leaseTimeIntervalMs : timeIntervalMs,
    );
    if (elapsedMs === null) return;
    const wallTimeMs = this.options.clock.wallMs();
    if (this.proposeOwn(encodeCommand(tickCommand(elapsedMs, wallTimeMs))))
      this.time.ticked(nowMs, elapsedMs);
    const oldest = this.history.due(this.applier.visible.meta);
    if (oldest !== null && this.proposeOwn(encodeCommand(compactAllCommand(oldest, wallTimeMs)))) {
      this.history.proposed(oldest);
    }
    for (const { memberId, storeId } of this.recorder.unrecorded((id) => this.memberStore(id))) {
      this.proposeOwn(encodeCommand(recordStoreCommand(memberId, storeId, wallTimeMs)));
    }
  }

  private proposeOwn(data: Uint8Array): boolean {
    return this.raft.propose([data]).kind === "accepted";
  }

  private noteLeadership(ready: Ready): void {
    const termBefore = this.term;
    const leaderBefore = this.leaderId;
    if (ready.hardState !== null) this.term = ready.hardState.term;
    if (ready.softState !== null) {
      const wasLeader = this.role === "leader";
      this.role = ready.softState.role;
      this.leaderId = ready.softState.leaderId;
      if (wasLeader && this.role !== "leader") this.proposals.leadershipLost();
      if (!wasLeader && this.role === "leader") this.proposals.leadershipWon();
    }
    if (this.leaderId === leaderBefore && this.term === termBefore) return;
    this.time.reset();
    this.history.reset();
    this.reads.leaderChanged(this.leaderId !== null);
    this.transfers.leaderChanged(this.leaderId, this.term);
    for (const listener of this.listeners) listener.leaderChanged?.(this.leaderId, this.term);
  }

  /**
   * One that was heard of since the leader last counted its followers, if there is one: just after the count nobody was
   * heard of yet, and all may be well.
   */
  private mostUpToDateVoter(): MemberId | null {
    const { progress, configuration } = this.raft.status();
    const others = (progress ?? []).filter(({ id }) => id !== this.id && configuration.voters.includes(id));
    const heard = others.filter(({ isRecentlyActive }) => isRecentlyActive);
    let best: { readonly id: MemberId; readonly match: number } | null = null;
    for (const { id, match } of heard.length > 0 ? heard : others) {
      if (best === null || match > best.match) best = { id, match };
    }
    return best?.id ?? null;
  }

  private fail(failure: StoreFailure): void {
    if (this.condition === "failed") return;
    this.condition = "failed";
    this.settleAll("store_lost");
    for (const listener of this.listeners) listener.failed?.(failure);
  }

  private settleAll(reason: "stopping" | "store_lost"): void {
    this.proposals.settleAll("stopping", reason);
    this.reads.settleAll(reason);
    this.readPoints.settleAll(reason);
    this.transfers.settleAll(this.leaderId);
  }
}
