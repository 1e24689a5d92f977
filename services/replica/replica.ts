import {
  encodeCommand,
  type LeaseStatus,
  type MembershipState,
  type NamespaceState,
  type ResidentState,
  type StateMachine,
  type StateMeta,
  type StateWrites,
  verifyCommand,
} from "#kv";
import {
  type EntryId,
  type MemberId,
  type Message,
  messageFault,
  Raft,
  type Ready,
  type RoleName,
  raftConfigFault,
  type Term,
  voteResult,
} from "#raft";
import { assert, BoundedQueue } from "#std";
import { type AppliedEntry, Applier } from "./applier";
import { HistoryKeeper } from "./history-keeper";
import { type Introduction, Introductions } from "./introductions";
import { LeaderDuties } from "./leader-duties";
import type { ReplicaListener } from "./listeners";
import { LogCutter, type SnapshotTaken } from "./log-cutter";
import { DEFAULT_LOG_KEEPING } from "./log-keeper";
import { LoggedStores } from "./logged-stores";
import { MembershipChanges } from "./membership-changes";
import { DEFAULT_BOUNDS, type ReplicaBounds, type ReplicaOptions, raftConfigOf } from "./options";
import type {
  Cancellation,
  MembershipOutcome,
  MembershipRequest,
  ReadOutcome,
  ReadRequest,
  SubmitOutcome,
  TransferResult,
} from "./outcome";
import { OutgoingImages } from "./outgoing-images";
import { Persister } from "./persister";
import type { OpenedState, SnapshotSource, StateStore, StoreFailure } from "./ports";
import { notApplied, Proposals, type QueuedCommand } from "./proposals";
import { ReadPoints } from "./read-points";
import { Reads } from "./reads";
import { SnapshotInstaller } from "./snapshot-installer";
import { SnapshotReceiver } from "./snapshot-receiver";
import type { ReplicaStatus } from "./status";
import { Transfers } from "./transfers";

/** How a command is submitted. */
export interface SubmitOptions {
  /** Even where no majority has space on its disk: for what makes space. */
  readonly evenWithoutSpace?: boolean;
}

/** How long after an election timeout a leader looks whether another should lead, in such timeouts. */
const HANDOVER_TIMEOUTS = 4;
/** How long an image is kept that nobody takes anything of, in election timeouts. */
const IMAGE_IDLE_TIMEOUTS = 20;

/**
 * One member of a Raft group with its state machine: joins the pure cores, raft and kv, to the ports that store and
 * send. All input (messages, commands, reads) is gathered and taken in once a turn of the event loop, so that what came
 * in together is proposed, stored and sent together. See DESIGN.md for the order of things.
 */
export class Replica {
  readonly id: MemberId;
  readonly state: StateStore;
  /** The states that are being sent to peers. */
  readonly images: OutgoingImages;
  private readonly bounds: ReplicaBounds;
  private readonly raft: Raft;
  private readonly inbox: BoundedQueue<Message>;
  private readonly proposals: Proposals;
  private readonly persister: Persister;
  private readonly applier: Applier;
  private readonly reads: Reads;
  private readonly readPoints: ReadPoints;
  private readonly transfers: Transfers;
  private readonly history: HistoryKeeper;
  private readonly introductions = new Introductions();
  private readonly duties: LeaderDuties;
  private readonly loggedStores: LoggedStores;
  private readonly receiver: SnapshotReceiver;
  private readonly installer: SnapshotInstaller;
  private readonly cutter: LogCutter;
  private readonly membershipChanges: MembershipChanges;
  private readonly listeners = new Set<ReplicaListener>();

  private role: RoleName = "follower";
  private leaderId: MemberId | null = null;
  private term: Term;
  private isTurnPlanned = false;
  private isHeld = false;
  /** As of the last write of the membership. */
  private isMember: boolean;
  private isLowOnSpace = false;
  private hasSpace = true;
  private condition: "running" | "stopping" | "failed" = "running";

  /**
   * Throws when what was restored does not fit together. The log must hold the applied entry, or begin right after it:
   * one that does not is reset before (see LogStore.reset).
   */
  constructor(private readonly options: ReplicaOptions) {
    const { id, log, state, timing } = options;
    this.id = id;
    this.state = state;
    this.bounds = { ...DEFAULT_BOUNDS, ...options.bounds };
    const { applied, resident } = state.opened;
    this.isMember = resident.membership.members.some(({ memberId }) => memberId === id);
    assert(log.lastIndex() >= applied.index, "the log reaches the applied state");

    const config = raftConfigOf(options, this.bounds);
    const fault = raftConfigFault(config);
    if (fault !== null) throw new Error(`${fault.field} ${fault.problem}`);
    this.raft = new Raft(config);
    this.term = config.hardState.term;
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
    this.applier = new Applier(options.machineOf(state.opened.resident), state, applied, {
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
    this.history = new HistoryKeeper(options.history ?? { revisionsMax: null, ageMsMax: null });
    this.loggedStores = new LoggedStores(log, applied.index);
    this.introductions.note({
      memberId: id,
      storeId: options.storeId,
      addresses: options.addresses ?? null,
      epoch: 0,
    });
    this.images = new OutgoingImages(state, {
      imagesMax: this.bounds.imagesMax,
      idleTicksMax: IMAGE_IDLE_TIMEOUTS * timing.electionTicks,
      firstId: 1 + options.random.below(2 ** 32),
    });
    this.receiver = new SnapshotReceiver({
      source: options.snapshots ?? NO_SNAPSHOTS,
      state,
      retryTicks: timing.electionTicks,
    });
    this.installer = this.makeInstaller();
    this.cutter = new LogCutter({
      keeping: options.logKeeping ?? DEFAULT_LOG_KEEPING,
      log,
      state,
      raft: () => this.raft.status(),
      pinnedIndex: () => this.images.pinnedIndex,
      failed: (failure) => this.fail(failure),
    });
    this.membershipChanges = new MembershipChanges({
      raft: this.raft,
      proposals: this.proposals,
      clock: options.clock,
      membership: () => this.membership,
      leaderId: () => this.leaderId,
      submit: (command) => this.submit(command, { evenWithoutSpace: true }),
      planTurn: () => this.planTurn(),
    });
    this.duties = this.makeDuties();
  }

  /** To be called at an even pace. */
  tick(): void {
    if (this.condition !== "running") return;
    this.receiver.tick();
    this.images.tick();
    if (this.isHeld) return;
    this.raft.tick();
    this.proposals.tick();
    this.reads.tick();
    this.transfers.tick();
    this.lookAtSpace();
    if (this.role === "leader") this.duties.tick();
    this.cutter.tick();
    this.pump();
  }

  /** Messages from peers. Drops what is malformed, not between members or not for this one, and what overflows its inbox. */
  receive(messages: readonly Message[]): void {
    if (this.condition === "failed") return;
    for (const message of messages) {
      // The library's own way of sending proposals to the leader is not used: writes are forwarded as calls, which can
      // carry their outcome back.
      if (message.to !== this.id || !this.mayHear(message.from) || message.kind === "propose") continue;
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
    if (this.condition === "failed" || !this.raft.isMember(peer)) return;
    this.raft.reportUnreachable(peer);
    this.planTurn();
  }

  /** Replicates an encoded command. Never rejects: what happened is in the outcome. */
  submit(command: Uint8Array, options: SubmitOptions = {}): Promise<SubmitOutcome> {
    assert(command.length > 0, "a proposal carries a command");
    if (this.condition !== "running") return Promise.resolve(notApplied("stopping", this.leaderId));
    if (this.role === "leader" && !this.hasSpace && options.evenWithoutSpace !== true) {
      return Promise.resolve(notApplied("no_space", this.leaderId));
    }
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

  /** Changes who takes part, or what is known of a member; on the leader. Never rejects. */
  async changeMembership(request: MembershipRequest): Promise<MembershipOutcome> {
    if (this.condition !== "running") return notApplied("stopping", this.leaderId);
    // What was submitted before goes into the log before.
    this.takeTurn();
    if (!this.isLeader) return { kind: "not_leader", leaderId: this.leaderId };
    return this.membershipChanges.make(request);
  }

  /** All that is kept beside the records. Within written() exactly as that left it, later perhaps a batch ahead of it. */
  resident(): ResidentState {
    return this.machine.resident();
  }

  /** Begins a round of comparing replicas; on the leader. */
  proposeVerify(): Promise<SubmitOutcome> {
    return this.submit(encodeCommand(verifyCommand(this.options.clock.wallMs())), { evenWithoutSpace: true });
  }

  /** Makes the state durable and cuts the log as far as nobody is known to need it. Rejects with StoreFailure. */
  takeSnapshot(): Promise<SnapshotTaken> {
    return this.cutter.takeSnapshot();
  }

  /** Takes the whole state anew from a peer, since this member's own cannot be trusted. False where that did not work. */
  reinstall(from: MemberId): Promise<boolean> {
    return this.condition === "running" ? this.installer.reinstall(from) : Promise.resolve(false);
  }

  /** Runs while nothing is applied, at the state that is there then. Rejects as `run` does, and when the replica stops. */
  exclusive<T>(
    run: (point: { readonly applied: EntryId; readonly revision: number }) => Promise<T>,
  ): Promise<T> {
    return this.applier.exclusive((applied) => run({ applied, revision: this.applier.visible.revision }));
  }

  /** Whether this member's disk is nearly full: the leader takes no writes that a majority has no space for. */
  setLowOnSpace(isLow: boolean): void {
    this.isLowOnSpace = isLow;
    this.raft.setLowOnSpace(isLow);
  }

  status(): ReplicaStatus {
    const { log, state } = this.options;
    const { machine } = this;
    const { keys, bytes } = machine.totals;
    return {
      raft: this.raft.status(),
      appliedIndex: this.applier.applied.index,
      revision: this.applier.visible.revision,
      timeMs: machine.meta.timeMs,
      sessions: machine.sessionCount,
      leases: machine.leaseCount,
      keys,
      bytes,
      openCommands: this.proposals.size,
      openReads: this.readPoints.size,
      inboxMessages: this.inbox.length,
      log: log.counters,
      checkpointIndex: state.checkpointIndex,
      logFirstIndex: log.firstIndex(),
      logBytes: log.bytes,
      receiving: this.receiver.receiving,
      imagesInstalled: this.installer.installations,
      imagesOpen: this.images.count,
      isLowOnSpace: this.isLowOnSpace,
      hasSpace: this.hasSpace,
    };
  }

  /** Who leads, as this member knows. */
  get leader(): { readonly id: MemberId | null; readonly term: Term } {
    return { id: this.leaderId, term: this.term };
  }

  get isLeader(): boolean {
    return this.role === "leader";
  }

  /** Who takes part, and what is known of them, as of the last write to the store. */
  get membership(): MembershipState {
    return this.applier.visible.membership;
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
    return this.machine.lease(leaseId);
  }

  /** The leases of a namespace, sorted by id. */
  leasesOf(namespaceId: number): readonly LeaseStatus[] {
    return this.machine.leasesOf(namespaceId);
  }

  /** The keys of a lease in bytewise order. */
  leaseKeys(leaseId: number): readonly Uint8Array[] {
    return this.machine.leaseKeys(leaseId);
  }

  /** The data directory that the cluster has bound to the member; null until it has. */
  memberStore(memberId: MemberId): string | null {
    const member = this.machine.member(memberId);
    if (member === null) return null;
    return member.storeId ?? this.loggedStores.storeOf(memberId, this.applier.applied.index);
  }

  /** A peer introduced itself; the leader sees to it that what is new of it is recorded. */
  noteIntroduction(introduction: Introduction): void {
    this.introductions.note(introduction);
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
    this.receiver.close();
    this.images.releaseAll();
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
    if (this.condition !== "running" || this.isHeld) return;
    for (let message = this.inbox.shift(); message !== undefined; message = this.inbox.shift()) {
      this.raft.step(message);
    }
    this.propose(this.proposals.takeQueued());
    this.reads.startRound();
    this.pump();
  }

  /** Carries out what the core asks for, until it asks for nothing more. */
  private pump(): void {
    while (this.condition === "running" && !this.isHeld && this.raft.hasReady()) {
      const ready = this.raft.takeReady();
      // First, so that who leads is known before anything else of this Ready is acted upon.
      this.noteLeadership(ready);
      if (ready.messages.length > 0) this.options.transport.send(ready.messages);
      for (const readState of ready.readStates) this.reads.answered(readState, this.applier.applied.index);
      this.persister.push(ready);
      if (ready.snapshotOffer !== null && this.options.snapshots !== undefined) {
        this.installer.offered(ready.snapshotOffer.from);
      }
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
    if (writes.membership !== null) this.membershipHasChanged(writes.membership);
  }

  private onInstalled({ applied, resident }: OpenedState): void {
    this.proposals.installedUpTo(applied.index);
    this.history.advanced(resident.meta.timeMs, resident.meta.revision);
    this.images.releaseAll();
    this.reads.applied(applied.index);
    this.readPoints.applied();
    for (const listener of this.listeners) listener.installed?.();
    this.membershipHasChanged(resident.membership);
  }

  private membershipHasChanged(membership: MembershipState): void {
    this.membershipChanges.changed();
    for (const listener of this.listeners) listener.membershipChanged?.(membership);
    const wasMember = this.isMember;
    this.isMember = membership.members.some(({ memberId }) => memberId === this.id);
    // One that joins may have begun with a state from before it was added.
    if (this.isMember || !wasMember) return;
    for (const listener of this.listeners) listener.removed?.();
  }

  private onApplied(entries: readonly AppliedEntry[]): void {
    if (this.condition !== "running") return;
    for (const { id, answer, configuration } of entries) {
      if (configuration !== null) this.raft.applyConfiguration(configuration);
      this.proposals.applied(id, answer);
    }
    // Not what the state has applied: one that was installed may be ahead of what the core has handed out.
    const last = entries[entries.length - 1];
    if (last !== undefined) this.raft.applied(last.id.index);
    this.reads.applied(this.applier.applied.index);
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

  /** A member, or one of a later configuration than this member has applied. */
  private mayHear(from: MemberId): boolean {
    return this.raft.isMember(from) || this.introductions.isNewcomer(from, this.membership.epoch);
  }

  private get machine(): StateMachine {
    return this.applier.stateMachine;
  }

  /** A leader takes writes only where a majority has space to keep them. */
  private lookAtSpace(): void {
    if (this.role !== "leader") return;
    const { progress, configuration } = this.raft.status();
    const hasSpace = new Map((progress ?? []).map(({ id, isLowOnSpace }) => [id, !isLowOnSpace]));
    hasSpace.set(this.id, !this.isLowOnSpace);
    this.hasSpace = voteResult(configuration, hasSpace) === "won";
  }

  private makeInstaller(): SnapshotInstaller {
    const { log, state, machineOf } = this.options;
    const { receiver, raft, applier, persister } = this;
    return new SnapshotInstaller({
      receiver,
      log,
      state,
      raft,
      applier,
      persister,
      machineOf,
      isRunning: () => this.condition === "running",
      hold: () => {
        this.isHeld = true;
      },
      release: () => {
        this.isHeld = false;
        this.planTurn();
      },
      installed: (opened) => this.onInstalled(opened),
      failed: (failure) => this.fail(failure),
    });
  }

  private makeDuties(): LeaderDuties {
    const { bounds, history, introductions } = this;
    const { clock, timing } = this.options;
    return new LeaderDuties({
      id: this.id,
      clock,
      history,
      introductions,
      handoverTicks: HANDOVER_TIMEOUTS * timing.electionTicks,
      timeIntervalMs: () =>
        this.machine.leaseCount > 0 ? bounds.leaseTimeIntervalMs : bounds.timeIntervalMs,
      meta: () => this.applier.visible.meta,
      membership: () => this.membership,
      status: () => this.raft.status(),
      isLowOnSpace: () => this.isLowOnSpace,
      recordedStore: (memberId) => this.memberStore(memberId),
      propose: (command) => this.raft.propose([command]).kind === "accepted",
      changeMembership: (request) => void this.membershipChanges.make(request),
      transferLeadership: (to) => void this.transferLeadership(to),
    });
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
      if (!wasLeader && this.role === "leader") {
        this.proposals.leadershipWon();
        // A leader needs no snapshot; and to take its state anew while it leads would stop everyone's writes.
        this.receiver.cancel();
      }
    }
    if (this.leaderId === leaderBefore && this.term === termBefore) return;
    this.duties.reset();
    this.reads.leaderChanged(this.leaderId !== null);
    this.transfers.leaderChanged(this.leaderId, this.term);
    for (const listener of this.listeners) listener.leaderChanged?.(this.leaderId, this.term);
  }

  private mostUpToDateVoter(): MemberId | null {
    const { progress, configuration } = this.raft.status();
    const others = (progress ?? []).filter(({ id }) => id !== this.id && configuration.voters.includes(id));
    const heard = others.filter(({ isRecentlyActive }) => isRecentlyActive);
    // A new leader has heard of nobody yet.
    const candidates = heard.length > 0 ? heard : others;
    return candidates.toSorted((left, right) => right.match - left.match)[0]?.id ?? null;
  }

  private fail(failure: StoreFailure): void {
    if (this.condition === "failed") return;
    this.condition = "failed";
    this.settleAll("store_lost");
    for (const listener of this.listeners) listener.failed?.(failure);
  }

  private settleAll(reason: "stopping" | "store_lost"): void {
    this.proposals.settleAll("stopping", reason);
    this.membershipChanges.settleAll(reason);
    this.reads.settleAll(reason);
    this.readPoints.settleAll(reason);
    this.transfers.settleAll(this.leaderId);
  }
}

/** Of a member that is never offered a snapshot it could take. */
const NO_SNAPSHOTS: SnapshotSource = {
  fetch: () => Promise.reject(new Error("this member has no way to bring a snapshot")),
};
