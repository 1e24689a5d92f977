import type { StateWrites } from "#kv";
import { type Index, type MemberId, type Message, Raft, type Ready, raftConfigFault, type Term } from "#raft";
import { BoundedQueue } from "#std";
import { type AppliedEntry, Applier } from "./applier";
import { CommitTeller } from "./commit-teller";
import { HistoryKeeper } from "./history-keeper";
import { Introductions } from "./introductions";
import { LeaderDuties } from "./leader-duties";
import { LogCutter } from "./log-cutter";
import { DEFAULT_LOG_KEEPING } from "./log-keeper";
import { LoggedStores } from "./logged-stores";
import { MembershipChanges } from "./membership-changes";
import { type ReplicaBounds, type ReplicaOptions, raftConfigOf } from "./options";
import type { SubmitOutcome } from "./outcome";
import { OutgoingImages } from "./outgoing-images";
import { Persister } from "./persister";
import type { OpenedState, ReceiverFailure, SnapshotSource, StoreFailure } from "./ports";
import { Proposals } from "./proposals";
import { Proposer } from "./proposer";
import { ReadPoints } from "./read-points";
import { Reads } from "./reads";
import { SnapshotInstaller } from "./snapshot-installer";
import { SnapshotReceiver } from "./snapshot-receiver";
import { Space } from "./space";
import { Transfers } from "./transfers";

/** What a replica is made of. */
export interface ReplicaParts {
  readonly raft: Raft;
  /** Messages from peers that wait for the next turn. */
  readonly inbox: BoundedQueue<Message>;
  readonly proposals: Proposals;
  readonly proposer: Proposer;
  readonly commitTeller: CommitTeller;
  readonly persister: Persister;
  readonly applier: Applier;
  readonly reads: Reads;
  readonly readPoints: ReadPoints;
  readonly transfers: Transfers;
  readonly history: HistoryKeeper;
  readonly introductions: Introductions;
  readonly duties: LeaderDuties;
  readonly loggedStores: LoggedStores;
  readonly images: OutgoingImages;
  readonly receiver: SnapshotReceiver;
  readonly installer: SnapshotInstaller;
  readonly cutter: LogCutter;
  readonly membershipChanges: MembershipChanges;
  readonly space: Space;
}

/** What the parts ask of the replica, and tell it. */
export interface PartsOwner {
  readonly isRunning: () => boolean;
  readonly leaderId: () => MemberId | null;
  readonly position: () => { readonly term: Term; readonly appliedIndex: Index };
  readonly recordedStore: (memberId: MemberId) => string | null;
  readonly durable: (ready: Ready) => void;
  readonly pump: () => void;
  readonly planTurn: () => void;
  /** From now on nothing is stepped or taken from the core. */
  readonly hold: () => void;
  readonly release: () => void;
  readonly written: (writes: StateWrites) => void;
  /** Whether somebody waits to hear of what is written. */
  readonly isListenedTo: () => boolean;
  readonly applied: (entries: readonly AppliedEntry[]) => void;
  readonly installed: (opened: OpenedState) => void;
  readonly receivingFailed: (failure: ReceiverFailure) => void;
  readonly failed: (failure: StoreFailure) => void;
  readonly submit: (command: Uint8Array) => Promise<SubmitOutcome>;
  readonly transferLeadership: (to: MemberId) => void;
}

/** How long after an election timeout a leader looks whether another should lead, in such timeouts. */
const HANDOVER_TIMEOUTS = 4;
/** How long an image is kept that nobody takes anything of, in election timeouts. */
const IMAGE_IDLE_TIMEOUTS = 20;

/** Makes the parts of a replica and joins them. Throws when what was restored does not fit together. */
export function makeParts(options: ReplicaOptions, bounds: ReplicaBounds, owner: PartsOwner): ReplicaParts {
  const { id, log, state, timing, clock, random, machineOf } = options;
  const { leaderId, planTurn, failed } = owner;
  const config = raftConfigOf(options, bounds);
  const fault = raftConfigFault(config);
  if (fault !== null) throw new Error(`${fault.field} ${fault.problem}`);
  const raft = new Raft(config);
  const { applied, resident } = state.opened;
  const space = new Space(raft);
  const proposals = new Proposals({
    commandsMax: bounds.commandsMax,
    bytesMax: bounds.queuedBytesMax,
    graceTicks: timing.electionTicks,
  });
  const proposer = new Proposer({ raft, proposals, bytesMax: bounds.proposalBytesMax, leaderId });
  const commitTeller = new CommitTeller({
    clock,
    scheduler: options.scheduler,
    hasCommitToTell: () => raft.hasCommitToTell,
    planTurn,
  });
  const persister = new Persister(
    log,
    { durable: owner.durable, settled: owner.pump, failed },
    options.scheduler,
  );
  const applier = new Applier(
    machineOf(resident),
    state,
    applied,
    { written: owner.written, applied: owner.applied, failed },
    () => leaderId() === id || proposals.size > 0 || readPoints.size > 0 || owner.isListenedTo(),
  );
  const membership = () => applier.visible.membership;
  const reads = new Reads({
    nonce: `${id}.${random.nextUint32().toString(36)}`,
    waitingMax: bounds.readsWaitingMax,
    retryTicks: 2 * timing.heartbeatTicks,
    nowMs: () => clock.monotonicMs(),
    ask: (context) => raft.readIndex(context),
  });
  const readPoints = new ReadPoints({
    reads,
    visible: applier.visible,
    clock,
    position: owner.position,
    waitingMax: bounds.readsWaitingMax,
  });
  const introductions = new Introductions();
  introductions.note(
    { memberId: id, storeId: options.storeId, addresses: options.addresses ?? null, epoch: 0 },
    () => true,
  );
  const images = new OutgoingImages(state, {
    imagesMax: bounds.imagesMax,
    idleTicksMax: IMAGE_IDLE_TIMEOUTS * timing.electionTicks,
    firstId: 1 + random.below(2 ** 32),
  });
  const receiver = new SnapshotReceiver({
    source: options.snapshots ?? NO_SNAPSHOTS,
    state,
    retryTicks: timing.electionTicks,
    failed: owner.receivingFailed,
  });
  const installer = new SnapshotInstaller({
    receiver,
    log,
    state,
    raft,
    applier,
    persister,
    machineOf,
    isRunning: owner.isRunning,
    hold: owner.hold,
    release: owner.release,
    installed: owner.installed,
    failed,
  });
  const cutter = new LogCutter({
    keeping: options.logKeeping ?? DEFAULT_LOG_KEEPING,
    log,
    state,
    raft: () => raft.status(),
    pinnedIndex: () => images.pinnedIndex,
    failed,
  });
  const membershipChanges = new MembershipChanges({
    raft,
    proposals,
    clock,
    membership,
    leaderId,
    ownAddresses: (memberId) => {
      const peer = raft.status().progress?.find(({ id }) => id === memberId);
      return peer?.isRecentlyActive === true ? introductions.addressesOf(memberId) : null;
    },
    submit: owner.submit,
    planTurn,
  });
  const history = new HistoryKeeper(options.history ?? { revisionsMax: null, ageMsMax: null });
  const duties = new LeaderDuties({
    id,
    clock,
    history,
    introductions,
    handoverTicks: HANDOVER_TIMEOUTS * timing.electionTicks,
    timeIntervalMs: () =>
      applier.stateMachine.leaseCount > 0 ? bounds.leaseTimeIntervalMs : bounds.timeIntervalMs,
    meta: () => applier.visible.meta,
    membership,
    status: () => raft.status(),
    isLowOnSpace: () => space.isLow,
    recordedStore: owner.recordedStore,
    propose: (command) => raft.propose([command]).kind === "accepted",
    changeMembership: (request) => void membershipChanges.carryOut(request),
    transferLeadership: owner.transferLeadership,
  });
  return {
    raft,
    inbox: new BoundedQueue(bounds.inboxMessagesMax),
    proposals,
    proposer,
    commitTeller,
    persister,
    applier,
    reads,
    readPoints,
    transfers: new Transfers(2 * timing.electionTicks),
    history,
    introductions,
    duties,
    loggedStores: new LoggedStores(log, applied.index),
    images,
    receiver,
    installer,
    cutter,
    membershipChanges,
    space,
  };
}

/** Of a member that is never offered a snapshot it could take. */
const NO_SNAPSHOTS: SnapshotSource = {
  fetch: () => Promise.reject(new Error("this member has no way to bring a snapshot")),
};
