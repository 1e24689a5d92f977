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
import { type EntryId, type MemberId, type Message, messageFault, type Term, termLeapFault } from "#raft";
import { assert } from "#std";
import type { AppliedEntry } from "./applier";
import type { Introduction } from "./introductions";
import { Leadership } from "./leadership";
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
import { notApplied, type QueuedCommand } from "./proposals";
import { type ReplicaStatus, statusOf } from "./status";
import { mostUpToDateVoter } from "./transfers";
import { TurnLoop } from "./turn-loop";

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

  private readonly leadership: Leadership;
  private readonly turns: TurnLoop;
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
    this.leadership = new Leadership(log.hardState.term, () => {
      for (const listener of this.listeners) listener.leaderChanged?.(this.leader.id, this.leader.term);
    });
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
        leaderId: () => this.leadership.leaderId,
        position: () => ({ term: this.leadership.term, appliedIndex: this.parts.applier.applied.index }),
        recordedStore: (memberId) => this.memberStore(memberId),
        durable: (ready) => this.turns.durable(ready),
        pump: () => this.turns.pump(),
        planTurn: () => this.turns.plan(),
        hold: () => this.turns.hold(),
        release: () => this.turns.release(),
        written: (writes) => this.onWritten(writes),
        isListenedTo: () => this.isListenedTo(),
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
    this.turns = new TurnLoop(this.parts, options, {
      isRunning: () => this.condition === "running",
      noteLeadership: (ready) => this.leadership.note(ready, this.parts),
    });
  }

  /** To be called at an even pace. */
  tick(): void {
    if (this.condition !== "running") return;
    this.parts.receiver.tick();
    this.images.tick();
    if (this.turns.isHeld) return;
    void this.parts.applier.catchUp();
    this.parts.raft.tick();
    this.parts.proposals.tick();
    this.parts.reads.tick();
    this.parts.transfers.tick();
    if (this.isLeader) {
      this.parts.space.look();
      this.parts.duties.tick();
    }
    this.parts.cutter.tick();
    this.turns.pump();
    if (this.participation.tick()) this.wasRemoved();
  }

  /** Messages from peers. Drops what is malformed, not between members or not for this one, and what overflows its inbox. */
  receive(messages: readonly Message[]): void {
    if (this.condition === "failed") return;
    let areAnswers = true;
    for (const message of messages) {
      // The library's own way of sending proposals to the leader is not used: writes are forwarded as calls, which can
      // carry their outcome back.
      if (message.to !== this.id || message.from === this.id || !this.mayHear(message.from)) continue;
      if (message.kind === "propose") continue;
      const fault = messageFault(message) ?? termLeapFault(message, this.leadership.term);
      if (fault !== null) {
        for (const listener of this.listeners) listener.messageRefused?.(message.from, fault);
        continue;
      }
      if (message.from === this.leadership.leaderId) this.participation.leaderHeard();
      if (this.parts.inbox.push(message) === "full") break;
      if (message.kind !== "append_response") areAnswers = false;
    }
    if (areAnswers) this.turns.planForAnswers();
    else this.turns.planForInput();
  }

  /** A message to this peer could not be delivered. */
  reportUnreachable(peer: MemberId): void {
    if (this.condition === "failed" || !this.parts.raft.isMember(peer)) return;
    this.parts.raft.reportUnreachable(peer);
    this.turns.plan();
  }

  /** This process has just started and takes part from now on: where no leader is heard of, one is elected soon. */
  reportStarted(): void {
    this.parts.raft.reportStarted();
  }

  /** The connection to this peer was reset, as when its process ends, and is not merely silent. */
  reportReset(peer: MemberId): void {
    if (this.condition === "failed") return;
    this.turns.reset(peer);
  }

  /** Replicates an encoded command. Never rejects: what happened is in the outcome. */
  submit(command: Uint8Array, options: SubmitOptions = {}): Promise<SubmitOutcome> {
    return new Promise((settle) => this.enqueue({ data: command, settle }, options));
  }

  /** The same for a command that is told its outcome itself. Without a promise, which takes as much memory as the command. */
  enqueue(command: QueuedCommand, options: SubmitOptions = {}): void {
    assert(command.data.length > 0, "a proposal carries a command");
    if (this.condition !== "running") {
      command.settle(notApplied("stopping", this.leadership.leaderId));
    } else if (this.isLeader && !this.parts.space.hasMajority && options.evenWithoutSpace !== true) {
      command.settle(notApplied("no_space", this.leadership.leaderId));
    } else if (this.parts.proposals.push(command) === "full") {
      command.settle(notApplied("backlog_full", this.leadership.leaderId));
    } else {
      this.turns.planForInput();
    }
  }

  /** Finds out from where in the state a read may be answered, and waits until it can be. Never rejects. */
  readPoint(request: ReadRequest, cancellation?: Cancellation): Promise<ReadOutcome> {
    const applying = this.parts.applier.catchUp();
    if (applying === null) return this.findReadPoint(request, cancellation);
    return applying.then(() => this.findReadPoint(request, cancellation));
  }

  /** Hands leadership to a voter, or to the one that is most up to date. Never rejects. */
  transferLeadership(target: MemberId | null): Promise<TransferResult> {
    if (!this.isLeader) return Promise.resolve({ kind: "not_leader", leaderId: this.leadership.leaderId });
    const to = target ?? mostUpToDateVoter(this.parts.raft.status());
    if (to === null) return Promise.resolve({ kind: "unknown_member" });
    if (to === this.id)
      return Promise.resolve({ kind: "transferred", leaderId: this.id, term: this.leadership.term });
    // What was submitted before the transfer goes into the log before it.
    this.turns.take();
    if (!this.isLeader) return Promise.resolve({ kind: "not_leader", leaderId: this.leadership.leaderId });
    const outcome = this.parts.raft.transferLeadership(to);
    switch (outcome.kind) {
      case "not_a_voter":
        return Promise.resolve({ kind: "unknown_member" });
      case "no_leader":
      case "forwarded":
        return Promise.resolve({ kind: "not_leader", leaderId: this.leadership.leaderId });
      case "already_leader":
        return Promise.resolve({ kind: "transferred", leaderId: to, term: this.leadership.term });
      case "started":
      case "in_progress":
        this.turns.plan();
        return this.parts.transfers.wait(to);
    }
  }

  /** Changes who takes part, or what is known of a member; on the leader. Never rejects. */
  async changeMembership(request: MembershipRequest): Promise<MembershipOutcome> {
    if (this.condition !== "running") return notApplied("stopping", this.leadership.leaderId);
    // What was submitted before goes into the log before.
    this.turns.take();
    if (!this.isLeader) return { kind: "not_leader", leaderId: this.leadership.leaderId };
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
  async takeSnapshot(): Promise<SnapshotTaken> {
    await this.parts.applier.catchUp();
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
    return { id: this.leadership.leaderId, term: this.leadership.term };
  }

  get isLeader(): boolean {
    return this.leadership.isOwn;
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
    this.parts.introductions.note(introduction, (memberId) => this.parts.raft.isMember(memberId));
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

  private findReadPoint(request: ReadRequest, cancellation?: Cancellation): Promise<ReadOutcome> {
    if (this.condition === "failed") return Promise.resolve({ kind: "store_lost" });
    if (this.condition === "stopping") return Promise.resolve({ kind: "stopping" });
    const found = this.parts.readPoints.find(request, cancellation);
    if (this.parts.reads.hasWaiting) this.turns.planForInput();
    return found;
  }

  private isListenedTo(): boolean {
    for (const { isWaiting } of this.listeners) if (isWaiting?.() === true) return true;
    return false;
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
    if (this.participation.changed(membership, this.isLeader)) this.wasRemoved();
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
    const last = entries.at(-1);
    if (last !== undefined) this.parts.raft.applied(last.id.index);
    this.parts.reads.applied(this.parts.applier.applied.index);
    this.parts.readPoints.applied();
    this.turns.pump();
  }

  /**
   * A member, or one of a later configuration than this member has applied; and whoever leads: a leader that is removed may
   * apply that last of all, and hands over only then.
   */
  private mayHear(from: MemberId): boolean {
    if (from === this.leadership.leaderId) return true;
    return this.parts.raft.isMember(from) || this.parts.introductions.isNewcomer(from, this.membership.epoch);
  }

  private get machine(): StateMachine {
    return this.parts.applier.stateMachine;
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
    this.parts.transfers.settleAll(this.leadership.leaderId);
  }
}
