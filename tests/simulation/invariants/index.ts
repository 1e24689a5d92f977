import { byteKey, type ConfigurationState } from "@quorate/services/kv";
import type { Entry, EntryId, HardState, Index, MemberId, Message } from "@quorate/services/raft";
import type { LogBatch, StateBatch } from "@quorate/services/replica";
import { hexEncode } from "@quorate/services/std";
import type { HashedRound, RepairOutcome } from "@quorate/services/verification";
import type {
  AnswerEvent,
  ClientWatcher,
  ReadEvent,
  ReadRefusedEvent,
  SubmitEvent,
  TakenEvent,
  WatchBeginsEvent,
  WatchedEvent,
} from "../clients/events";
import { ARCHIVE_NAMESPACE, type Observer, type Seat, type World } from "../world-contract";
import { Acknowledged, Answers } from "./answers";
import { Bounds } from "./bounds";
import { CaughtUp, lastKnownIndex } from "./caught-up";
import { CommitRule, type Copy, ReadRule } from "./commit-rule";
import { Configurations } from "./configurations";
import { Damage } from "./damage";
import { Elections } from "./elections";
import { EqualState } from "./equal-state";
import { FastestClock } from "./fastest-clock";
import { broken } from "./invariant";
import { KeptHistory } from "./kept-history";
import { LeaseChecks } from "./lease-checks";
import { Ledger } from "./ledger";
import { LowSpace } from "./low-space";
import { MemberProgress } from "./member-progress";
import { ReadRounds } from "./read-rounds";
import { Reference } from "./reference";
import { RemovedMembers } from "./removed-members";
import { ReplicatedTime } from "./replicated-time";
import { SessionOrder } from "./session-order";
import { ReadChecks } from "./stale-reads";
import { StoredVotes } from "./stored-votes";
import { VoteRule } from "./vote-rule";
import { Watches } from "./watches";

export { configurationText } from "./configurations";
export { checkSurvival } from "./durability";
export { type InvariantName, invariantNumbers } from "./invariant";
export { checkAnswers, checkHistory } from "./linearizable";
export { checkTransactions } from "./serializable";
export { checkSessionEvents } from "./sessions";

/** Everything that is checked while a run goes on. */
export interface Invariants {
  readonly observers: readonly Observer[];
  /** What clients are told, judged at once. */
  readonly watcher: ClientWatcher;
}

/** To be observed before any seat starts. Each check throws a Violation with a name of invariantNumbers. */
export function invariants(world: World): Invariants {
  const watch = new Watch(world);
  return { observers: [watch], watcher: watch };
}

/** Hands what happens to each of the checks, in the order in which they build on each other. */
class Watch implements Observer, ClientWatcher {
  private readonly reference: Reference;
  private readonly configurations: Configurations;
  private readonly ledger = new Ledger((entry) => this.committed(entry));
  private readonly commitRule = new CommitRule(
    this.ledger,
    () => this.copies(),
    (id) => this.configurationsOf(id),
  );
  private readonly readRule = new ReadRule(this.ledger);
  private readonly readRounds: ReadRounds;
  private readonly elections: Elections;
  private readonly storedVotes: StoredVotes;
  private readonly voteRule: VoteRule;
  private readonly equalState: EqualState;
  private readonly answers: Answers;
  private readonly sessionOrder = new SessionOrder();
  private readonly acknowledged: Acknowledged;
  private readonly readChecks: ReadChecks;
  private readonly bounds: Bounds;
  private readonly lowSpace = new LowSpace();
  private readonly time: ReplicatedTime;
  private readonly leases: LeaseChecks;
  private readonly keptHistory: KeptHistory;
  private readonly watches: Watches;
  private readonly caughtUp: CaughtUp;
  private readonly removedMembers: RemovedMembers;
  private readonly damage: Damage;
  private readonly members: ReadonlyMap<string, { readonly seat: Seat; readonly progress: MemberProgress }>;
  /** By member: the highest index at which it ever stored an entry, since it joined last. */
  private readonly reaches = new Map<MemberId, Index>();

  constructor(private readonly world: World) {
    this.reference = new Reference(world.founding);
    this.configurations = new Configurations(world.founding.configuration);
    this.answers = new Answers(this.reference);
    this.readChecks = new ReadChecks(this.reference);
    this.watches = new Watches(this.reference);
    const configurationsOf = (id: MemberId): readonly ConfigurationState[] => this.configurationsOf(id);
    this.caughtUp = new CaughtUp((id) => lastKnownIndex(world.seat(id), this.reaches.get(id) ?? 0));
    this.removedMembers = new RemovedMembers(world);
    this.damage = new Damage(world);
    const entryAt = (index: Index): Entry | undefined => this.ledger.committedEntry(index);
    const hardStateOf = (id: MemberId): HardState => world.seat(id).logDisk.hardState;
    this.storedVotes = new StoredVotes(hardStateOf);
    this.voteRule = new VoteRule((id) => world.seat(id).logDisk);
    const clocks = (): readonly number[] => world.seats.map(({ clock }) => clock.monotonicMs());
    this.time = new ReplicatedTime(clocks);
    this.keptHistory = new KeptHistory(world.history);
    this.leases = new LeaseChecks(new FastestClock(clocks));
    this.readRounds = new ReadRounds(configurationsOf);
    this.elections = new Elections({
      configurationsOf,
      storeOf: (id) => world.seat(id).storeId,
      hardStateOf,
      onElected: (term) => this.ledger.elected(term),
    });
    this.equalState = new EqualState(this.reference, entryAt);
    this.bounds = new Bounds(world.bounds);
    this.acknowledged = new Acknowledged(entryAt);
    this.members = new Map(
      world.seats.map((seat) => {
        const claims = this.commitRule.claimed.bind(this.commitRule);
        return [seat.id, { seat, progress: new MemberProgress(seat.id, this.ledger, claims) }];
      }),
    );
  }

  started(seat: Seat): void {
    if (seat.isStrange) return;
    this.noteReach(seat);
    this.progressOf(seat).started(seat.logDisk);
    this.damage.started(seat);
    this.equalState.started(seat.id, seat.stateDisk, damagedNames(seat));
  }

  joined(seat: Seat): void {
    this.reaches.delete(seat.id);
    this.progressOf(seat).joined();
    this.damage.joined(seat);
  }

  hashed(seat: Seat, round: HashedRound): void {
    if (!seat.isStrange) this.damage.hashed(seat, round);
  }

  healed(seat: Seat, outcome: RepairOutcome): void {
    if (!seat.isStrange && outcome.kind !== "put_off") this.damage.heals(seat, "replaces its state");
  }

  repaired(seat: Seat): void {
    if (seat.isStrange) return;
    this.damage.heals(seat, "repairs records");
    this.equalState.repaired(seat.id, seat.stateDisk, damagedNames(seat));
  }

  logReset(seat: Seat, entry: EntryId): void {
    if (seat.isStrange) return;
    this.progressOf(seat).reset(seat.logDisk, entry, seat.stateDisk.checkpointIndex);
    this.noteReach(seat);
  }

  logCut(seat: Seat, index: Index): void {
    if (!seat.isStrange) this.progressOf(seat).cut(index, seat.stateDisk.checkpointIndex);
  }

  installed(seat: Seat, before: Index): void {
    if (seat.isStrange) return;
    this.progressOf(seat).installed(seat.stateDisk.applied, before, this.damage.isMarked(seat));
    this.equalState.installed(seat.id, seat.stateDisk);
  }

  leaderChanged(): void {
    this.time.leaderChanged();
  }

  sent(message: Message): void {
    if (this.world.seat(message.from).isStrange) return;
    this.elections.sent(message);
    this.storedVotes.sent(message);
    this.bounds.sent(message);
    this.lowSpace.sent(message, (id) => this.world.seat(id).replica?.status().isLowOnSpace === true);
    this.voteRule.sent(message);
    this.claimedBy(message);
    this.readRule.sent(message);
    if (!this.world.readsByLease) this.readRounds.sent(message);
  }

  delivered(message: Message): void {
    this.elections.delivered(message);
    this.readRule.delivered(message);
    this.readRounds.delivered(message);
    this.removedMembers.delivered(message);
    this.lowSpace.delivered(message);
  }

  appended(seat: Seat, batch: LogBatch): void {
    if (seat.isStrange) return;
    this.noteReach(seat);
    this.caughtUp.appended(batch.entries, (index) => this.configurations.at(index));
    if (batch.hardState !== null) this.elections.stored(seat.id, batch.hardState);
    this.progressOf(seat).appended(seat.logDisk, batch);
  }

  stateWritten(seat: Seat, batch: StateBatch): void {
    if (seat.isStrange) return;
    this.progressOf(seat).applies(seat.logDisk, batch.applied);
    this.damage.written(seat, batch.writes.meta.verifyRound);
    this.equalState.written(seat.id, batch);
  }

  stepped(seat: Seat): void {
    const { replica } = seat;
    if (replica === null || seat.isStrange) return;
    const status = replica.status();
    if (status.raft.role === "leader") this.elections.leads(seat.id, status.raft.term);
    if (this.world.readsByLease) this.checkLeases();
    const { configuration, applied } = status.raft;
    this.configurations.actsBy(seat.id, configuration, [applied, status.appliedIndex]);
    this.progressOf(seat).stepped(status);
    this.bounds.stepped(seat.id, status);
    this.lowSpace.stepped(seat.id, status, replica.isLeader ? replica.leader.term : null);
    this.bounds.received(seat.id, seat.chunksWaiting);
  }

  /** Of all that lead, and not of the one that has just done something alone: whoever is elected breaks another's lease. */
  private checkLeases(): void {
    for (const { id, replica, isStrange } of this.world.seats) {
      if (replica === null || isStrange || !replica.isLeader) continue;
      const { hasLease, term } = replica.status().raft;
      if (hasLease) this.elections.holdsLease(id, term);
    }
  }

  submitted({ command }: SubmitEvent): void {
    this.leases.submitted(command);
  }

  answered(event: AnswerEvent): void {
    this.acknowledged.answered(event);
    this.answers.answered(event);
    this.watches.wrote(Number(event.answer.revision));
    this.readChecks.wrote(
      Number(event.answer.revision),
      this.world.seats.map(({ id, clock }) => ({ id, monotonicMs: clock.monotonicMs() })),
    );
  }

  read(event: ReadEvent): void {
    const key = hexEncode(event.key);
    // What is damaged may be served until that is found: see damage.ts.
    const { damagedRecords } = this.world.seat(event.member);
    if (
      event.request.namespace === ARCHIVE_NAMESPACE &&
      damagedRecords.some((record) => hexEncode(record.key) === key)
    )
      return;
    this.readChecks.read(event);
  }

  watchBegins(event: WatchBeginsEvent): void {
    this.watches.begins(event);
  }

  watched(event: WatchedEvent): void {
    this.watches.watched(event);
  }

  taken(event: TakenEvent): void {
    this.watches.taken(event);
  }

  nextRevision(client: string): number | null {
    return this.watches.nextRevision(client);
  }

  watchForgets(client: string): void {
    this.watches.forget(client);
  }

  readRefused(event: ReadRefusedEvent): void {
    this.readChecks.refused(event);
  }

  ended(): void {
    const needed = this.acknowledged.lastIndex;
    for (const seat of this.world.seats) {
      if (seat.condition !== "up" || seat.isStrange) continue;
      if (!this.world.membership.members.some(({ memberId }) => memberId === seat.id)) continue;
      this.damage.ended(seat);
      this.equalState.ended(seat.id, seat.stateDisk);
      const applied = seat.stateDisk.applied.index;
      if (applied >= needed) continue;
      broken(
        "acknowledged writes survive",
        `${seat.id} ends with index ${applied} applied, but the write at ${needed} was acknowledged`,
      );
    }
  }

  private committed(entry: Entry): void {
    const step = this.reference.apply(entry);
    if (step === null) return;
    if (step.configuration !== null) this.configurations.changed(step.index, step.configuration);
    this.sessionOrder.committed(step);
    this.answers.committed(step);
    this.time.committed(step.index, step.writes.meta.timeMs);
    this.leases.committed(step, entry.data);
    this.keptHistory.committed(step);
  }

  /**
   * What a leader says shows how much it counts as committed. A heartbeat may name less, for a follower hears of no more
   * than it is known to hold, and that may end amid an earlier term: so the leader itself is asked.
   */
  private claimedBy(message: Message): void {
    const { from, kind, term } = message;
    const progress = this.members.get(from)?.progress;
    if (kind === "append") progress?.claimed(term, message.commit);
    if (kind !== "heartbeat" && kind !== "read_index_response") return;
    const raft = this.world.seat(from).replica?.status().raft;
    if (raft?.role === "leader" && raft.term === term) progress?.claimed(term, raft.commit);
  }

  private configurationsOf(id: MemberId): readonly ConfigurationState[] {
    const applied = this.world.seat(id).replica?.status().raft.applied ?? 0;
    return [this.configurations.at(applied), this.configurations.at(applied + 1)];
  }

  private progressOf(seat: Seat): MemberProgress {
    return (this.members.get(seat.id) as { progress: MemberProgress }).progress;
  }

  private noteReach({ id, logDisk }: Seat): void {
    this.reaches.set(id, Math.max(this.reaches.get(id) ?? 0, logDisk.lastIndex));
  }

  private copies(): readonly Copy[] {
    return this.world.seats.map((seat) => ({
      id: seat.id,
      disk: seat.logDisk,
      reach: this.reaches.get(seat.id) ?? 0,
      isLost: seat.condition === "refused" || seat.logDisk.isDamaged || seat.isStrange,
    }));
  }
}

/** The items of the state's image that are known to be stored otherwise than they were written. */
function damagedNames({ damagedRecords }: Seat): ReadonlySet<string> {
  return new Set(
    damagedRecords.map(
      ({ namespaceId, generation, key }) => `record ${namespaceId}/${generation}/${byteKey(key)}`,
    ),
  );
}
