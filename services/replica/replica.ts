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
  type Ready,
  type RoleName,
  type Term,
} from "#raft";
import { assert } from "#std";
import type { AppliedEntry } from "./applier";
import type { Introduction } from "./introductions";
import type { ReplicaListener } from "./listeners";
import type { SnapshotTaken } from "./log-cutter";
import { DEFAULT_BOUNDS, type ReplicaOptions } from "./options";
import type {
  Cancellation,
  MembershipOutcome,
  MembershipRequest,
  ReadOutcome,
  ReadRequest,
  SubmitOutcome,
  TransferResult,
} from "./outcome";
import type { OutgoingImages } from "./outgoing-images";
import { Participation } from "./participation";
import { makeParts, type ReplicaParts } from "./parts";
import type { OpenedState, StateStore, StoreFailure } from "./ports";
import { notApplied } from "./proposals";
import { type ReplicaStatus, statusOf } from "./status";
import { mostUpToDateVoter } from "./transfers";

/** How a command is submitted. */
export interface SubmitOptions {
  /** Even where no majority has space on its disk: for what makes space. */
  readonly evenWithoutSpace?: boolean;
}

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
  private readonly parts: ReplicaParts;
  private readonly listeners = new Set<ReplicaListener>();

  private role: RoleName = "follower";
  private leaderId: MemberId | null = null;
  private term: Term;
  /** Whose connection was reset since the last turn. */
  private readonly resetPeers = new Set<MemberId>();
  private isTurnPlanned = false;
  private isHeld = false;
  private readonly participation: Participation;
  private condition: "running" | "stopping" | "failed" = "running";

  /**
   * Throws when what was restored does not fit together. The log must hold the applied entry, or begin right after it:
   * one that does not is reset before (see LogStore.reset).
   */
  constructor(private readonly options: ReplicaOptions) {
    const { id, log, state } = options;
    this.id = id;
    this.state = state;
    this.term = log.hardState.term;
    const { applied, resident } = state.opened;
    const { electionTicks } = options.timing;
    this.participation = new Participation(
      { id, storeId: options.storeId, electionTicks },
      resident.membership,
    );
    assert(log.lastIndex() >= applied.index, "the log reaches the applied state");

    this.parts = makeParts(
      options,
      { ...DEFAULT_BOUNDS, ...options.bounds },
      {
        isRunning: () => this.condition === "running",
        leaderId: () => this.leaderId,
        position: () => ({ term: this.term, appliedIndex: this.parts.applier.applied.index }),
        recordedStore: (memberId) => this.memberStore(memberId),
        durable: (ready) => this.onDurable(ready),
        pump: () => this.pump(),
        planTurn: () => this.planTurn(),
        hold: () => {
          this.isHeld = true;
        },
        release: () => {
          this.isHeld = false;
          this.planTurn();
        },
        written: (writes) => this.onWritten(writes),
        applied: (entries) => this.onApplied(entries),
        installed: (opened) => this.onInstalled(opened),
        receivingFailed: (failure) => {
          for (const listener of this.listeners) listener.receivingFailed?.(failure);
        },
        failed: (failure) => this.fail(failure),
        submit: (command) => this.submit(command, { evenWithoutSpace: true }),
        transferLeadership: (to) => void this.transferLeadership(to),
      },
    );
    this.images = this.parts.images;
  }

  /** To be called at an even pace. */
  tick(): void {
    if (this.condition !== "running") return;
    this.parts.receiver.tick();
    this.images.tick();
    if (this.isHeld) return;
    this.parts.raft.tick();
    this.parts.proposals.tick();
    this.parts.reads.tick();
    this.parts.transfers.tick();
    if (this.role === "leader") {
      this.parts.space.look();
      this.parts.duties.tick();
    }
    this.parts.cutter.tick();
    this.pump();
    if (this.participation.tick()) this.wasRemoved();
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
      if (message.from === this.leaderId) this.participation.leaderHeard();
      if (this.parts.inbox.push(message) === "full") break;
    }
    this.planTurn();
  }

  /** A message to this peer could not be delivered. */
  reportUnreachable(peer: MemberId): void {
    if (this.condition === "failed" || !this.parts.raft.isMember(peer)) return;
    this.parts.raft.reportUnreachable(peer);
    this.planTurn();
  }

  /** This process has just started and takes part from now on: where no leader is heard of, one is elected soon. */
  reportStarted(): void {
    this.parts.raft.reportStarted();
  }

  /** The connection to this peer was reset, as when its process ends, and is not merely silent. */
  reportReset(peer: MemberId): void {
    if (this.condition === "failed") return;
    this.resetPeers.add(peer);
    this.planTurn();
  }

  /** Replicates an encoded command. Never rejects: what happened is in the outcome. */
  submit(command: Uint8Array, options: SubmitOptions = {}): Promise<SubmitOutcome> {
    assert(command.length > 0, "a proposal carries a command");
    if (this.condition !== "running") return Promise.resolve(notApplied("stopping", this.leaderId));
    if (this.role === "leader" && !this.parts.space.hasMajority && options.evenWithoutSpace !== true) {
      return Promise.resolve(notApplied("no_space", this.leaderId));
    }
    return new Promise((settle) => {
      if (this.parts.proposals.push({ data: command, settle }) === "full") {
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
    const found = this.parts.readPoints.find(request, cancellation);
    if (this.parts.reads.hasWaiting) this.planTurn();
    return found;
  }

  /** Hands leadership to a voter, or to the one that is most up to date. Never rejects. */
  transferLeadership(target: MemberId | null): Promise<TransferResult> {
    if (this.role !== "leader") return Promise.resolve({ kind: "not_leader", leaderId: this.leaderId });
    const to = target ?? mostUpToDateVoter(this.parts.raft.status());
    if (to === null) return Promise.resolve({ kind: "unknown_member" });
    if (to === this.id) return Promise.resolve({ kind: "transferred", leaderId: this.id, term: this.term });
    // What was submitted before the transfer goes into the log before it.
    this.takeTurn();
    if (!this.isLeader) return Promise.resolve({ kind: "not_leader", leaderId: this.leaderId });
    const outcome = this.parts.raft.transferLeadership(to);
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
        return this.parts.transfers.wait(to);
    }
  }

  /** Changes who takes part, or what is known of a member; on the leader. Never rejects. */
  async changeMembership(request: MembershipRequest): Promise<MembershipOutcome> {
    if (this.condition !== "running") return notApplied("stopping", this.leaderId);
    // What was submitted before goes into the log before.
    this.takeTurn();
    if (!this.isLeader) return { kind: "not_leader", leaderId: this.leaderId };
    return this.parts.membershipChanges.carryOut(request);
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
    return this.parts.cutter.takeSnapshot();
  }

  /** Takes the whole state anew from a peer, since this member's own cannot be trusted. False where that did not work. */
  reinstall(from: MemberId): Promise<boolean> {
    return this.condition === "running" ? this.parts.installer.reinstall(from) : Promise.resolve(false);
  }

  /** Runs while nothing is applied, at the state that is there then. Rejects as `run` does, and when the replica stops. */
  exclusive<T>(
    run: (point: { readonly applied: EntryId; readonly revision: number }) => Promise<T>,
  ): Promise<T> {
    return this.parts.applier.exclusive((applied) =>
      run({ applied, revision: this.parts.applier.visible.revision }),
    );
  }

  /**
   * Whether this member's disk is nearly full: the leader takes no writes that a majority has no space for, and no peer's
   * state is brought.
   */
  setLowOnSpace(isLow: boolean): void {
    this.parts.space.setLow(isLow);
    this.parts.receiver.setLowOnSpace(isLow);
  }

  status(): ReplicaStatus {
    return statusOf(this.parts, this.options);
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
    return this.parts.applier.visible.membership;
  }

  /** A namespace as of the last write to the store; null when there is none of this name. @param name empty for "default" */
  namespace(name: string): NamespaceState | null {
    return this.parts.applier.visible.namespace(name);
  }

  /** All namespaces as of the last write to the store, sorted by name. To be asked for at a ReadPoint. */
  namespaces(): readonly NamespaceState[] {
    return this.parts.applier.visible.list();
  }

  /** The counters of the state as of the last write to the store. */
  get meta(): StateMeta {
    return this.parts.applier.visible.meta;
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
    return member.storeId ?? this.parts.loggedStores.storeOf(memberId, this.parts.applier.applied.index);
  }

  /** A peer introduced itself; the leader sees to it that what is new of it is recorded. */
  noteIntroduction(introduction: Introduction): void {
    this.parts.introductions.note(introduction);
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
    this.parts.receiver.close();
    this.images.releaseAll();
    await this.parts.persister.stop();
    await this.parts.applier.stop();
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
    const isCommitDue = this.parts.commitTeller.takeDue();
    for (let message = this.parts.inbox.shift(); message !== undefined; message = this.parts.inbox.shift()) {
      this.parts.raft.step(message);
    }
    // After the last that came from them: a leader would be taken up again by what it sent before it died.
    for (const peer of this.resetPeers) this.parts.raft.reportReset(peer);
    this.resetPeers.clear();
    const queued = this.parts.proposals.takeQueued();
    if (queued.length > 0) this.parts.commitTeller.proposed();
    this.parts.proposer.propose(queued);
    this.parts.reads.startRound();
    // Nothing has come that would have told it.
    if (isCommitDue && this.parts.raft.hasCommitToTell) this.parts.raft.tellCommit();
    this.pump();
  }

  /** Carries out what the core asks for, until it asks for nothing more. */
  private pump(): void {
    while (this.condition === "running" && !this.isHeld && this.parts.raft.hasReady()) {
      const ready = this.parts.raft.takeReady();
      // First, so that who leads is known before anything else of this Ready is acted upon.
      this.noteLeadership(ready);
      if (ready.messages.length > 0) this.options.transport.send(ready.messages);
      for (const readState of ready.readStates)
        this.parts.reads.answered(readState, this.parts.applier.applied.index);
      this.parts.persister.push(ready);
      // All of it is durable here (appliesOnlyDurable), so it need not wait for what is being stored now.
      this.parts.applier.push(ready.committedEntries);
      if (ready.snapshotOffer !== null && this.options.snapshots !== undefined) {
        this.parts.installer.onOffer(ready.snapshotOffer.from);
      }
    }
    this.parts.commitTeller.settled();
  }

  private onDurable(ready: Ready): void {
    if (ready.messagesAfterPersist.length > 0) this.options.transport.send(ready.messagesAfterPersist);
    const last = ready.entries[ready.entries.length - 1];
    this.parts.raft.persisted({
      readyNumber: ready.number,
      last: last === undefined ? null : { term: last.term, index: last.index },
    });
  }

  private onWritten(writes: StateWrites): void {
    this.parts.history.advanced(writes.meta.timeMs, writes.meta.revision);
    for (const listener of this.listeners) listener.written?.(writes);
    if (writes.membership !== null) this.membershipHasChanged(writes.membership);
  }

  private onInstalled({ applied, resident }: OpenedState): void {
    this.parts.proposals.installedUpTo(applied.index);
    this.parts.history.advanced(resident.meta.timeMs, resident.meta.revision);
    this.images.releaseAll();
    this.parts.reads.applied(applied.index);
    this.parts.readPoints.applied();
    for (const listener of this.listeners) listener.installed?.();
    this.membershipHasChanged(resident.membership);
  }

  private membershipHasChanged(membership: MembershipState): void {
    this.parts.membershipChanges.changed();
    for (const listener of this.listeners) listener.membershipChanged?.(membership);
    if (this.participation.changed(membership, this.role === "leader")) this.wasRemoved();
  }

  private wasRemoved(): void {
    for (const listener of this.listeners) listener.removed?.();
  }

  private onApplied(entries: readonly AppliedEntry[]): void {
    if (this.condition !== "running") return;
    for (const { id, answer, configuration } of entries) {
      if (configuration !== null) this.parts.raft.applyConfiguration(configuration);
      this.parts.proposals.applied(id, answer);
    }
    // Not what the state has applied: one that was installed may be ahead of what the core has handed out.
    const last = entries[entries.length - 1];
    if (last !== undefined) this.parts.raft.applied(last.id.index);
    this.parts.reads.applied(this.parts.applier.applied.index);
    this.parts.readPoints.applied();
    this.pump();
  }

  /**
   * A member, or one of a later configuration than this member has applied; and whoever leads: a leader that is removed may
   * apply that last of all, and hands over only then.
   */
  private mayHear(from: MemberId): boolean {
    if (from === this.leaderId) return true;
    return this.parts.raft.isMember(from) || this.parts.introductions.isNewcomer(from, this.membership.epoch);
  }

  private get machine(): StateMachine {
    return this.parts.applier.stateMachine;
  }

  private noteLeadership(ready: Ready): void {
    const termBefore = this.term;
    const leaderBefore = this.leaderId;
    if (ready.hardState !== null) this.term = ready.hardState.term;
    if (ready.softState !== null) {
      const wasLeader = this.role === "leader";
      this.role = ready.softState.role;
      this.leaderId = ready.softState.leaderId;
      if (wasLeader && this.role !== "leader") this.parts.proposals.leadershipLost();
      if (!wasLeader && this.role === "leader") {
        this.parts.proposals.leadershipWon();
        // What was seen when it led last is out of date.
        this.parts.space.look();
        // A leader needs no snapshot; and to take its state anew while it leads would stop everyone's writes.
        this.parts.receiver.cancel();
      }
    }
    if (this.leaderId === leaderBefore && this.term === termBefore) return;
    this.parts.duties.reset();
    this.parts.reads.leaderChanged(this.leaderId !== null);
    this.parts.transfers.leaderChanged(this.leaderId, this.term);
    for (const listener of this.listeners) listener.leaderChanged?.(this.leaderId, this.term);
  }

  private fail(failure: StoreFailure): void {
    if (this.condition === "failed") return;
    this.condition = "failed";
    this.settleAll("store_lost");
    for (const listener of this.listeners) listener.failed?.(failure);
  }

  private settleAll(reason: "stopping" | "store_lost"): void {
    this.parts.proposals.settleAll("stopping", reason);
    this.parts.membershipChanges.settleAll(reason);
    this.parts.reads.settleAll(reason);
    this.parts.readPoints.settleAll(reason);
    this.parts.transfers.settleAll(this.leaderId);
  }
}
