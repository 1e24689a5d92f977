import type { Entry, HardState, Index, MemberId, Message } from "@quorate/services/raft";
import type { LogBatch, StateBatch } from "@quorate/services/replica";
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
import type { Observer, Seat, World } from "../world-contract";
import { Acknowledged, Answers } from "./answers";
import { Bounds } from "./bounds";
import { CommitRule, type Copy, ReadRule } from "./commit-rule";
import { Elections } from "./elections";
import { EqualState } from "./equal-state";
import { FastestClock } from "./fastest-clock";
import { broken } from "./invariant";
import { KeptHistory } from "./kept-history";
import { LeaseChecks } from "./lease-checks";
import { Ledger } from "./ledger";
import { MemberProgress } from "./member-progress";
import { ReadRounds } from "./read-rounds";
import { Reference } from "./reference";
import { ReplicatedTime } from "./replicated-time";
import { ReadChecks } from "./stale-reads";
import { StoredVotes } from "./stored-votes";
import { VoteRule } from "./vote-rule";
import { Watches } from "./watches";

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
  private readonly reference = new Reference();
  private readonly ledger = new Ledger((entry) => this.committed(entry));
  private readonly commitRule = new CommitRule(this.ledger, () => this.copies());
  private readonly readRule = new ReadRule(this.ledger);
  private readonly readRounds: ReadRounds;
  private readonly elections: Elections;
  private readonly storedVotes: StoredVotes;
  private readonly voteRule: VoteRule;
  private readonly equalState: EqualState;
  private readonly answers = new Answers(this.reference);
  private readonly acknowledged: Acknowledged;
  private readonly readChecks = new ReadChecks(this.reference);
  private readonly bounds: Bounds;
  private readonly time: ReplicatedTime;
  private readonly leases: LeaseChecks;
  private readonly keptHistory: KeptHistory;
  private readonly watches = new Watches(this.reference);
  private readonly members: ReadonlyMap<string, { readonly seat: Seat; readonly progress: MemberProgress }>;
  private readonly firstStores: ReadonlyMap<string, string>;
  /** By member: the highest index at which it ever stored an entry. */
  private readonly reaches = new Map<MemberId, Index>();

  constructor(private readonly world: World) {
    const entryAt = (index: Index): Entry | undefined => this.ledger.committedEntry(index);
    const hardStateOf = (id: MemberId): HardState => world.seat(id).logDisk.hardState;
    this.storedVotes = new StoredVotes(hardStateOf);
    this.voteRule = new VoteRule((id) => world.seat(id).logDisk);
    const clocks = (): readonly number[] => world.seats.map(({ clock }) => clock.monotonicMs());
    this.time = new ReplicatedTime(clocks);
    this.keptHistory = new KeptHistory(world.history);
    this.leases = new LeaseChecks(new FastestClock(clocks));
    this.readRounds = new ReadRounds(world.seats.length);
    this.elections = new Elections({
      voterCount: world.seats.length,
      storeOf: (id) => world.seat(id).storeId,
      hardStateOf,
      onElected: (term) => this.ledger.elected(term),
    });
    this.equalState = new EqualState(this.reference, entryAt);
    this.bounds = new Bounds(world.bounds);
    this.acknowledged = new Acknowledged(entryAt);
    this.firstStores = new Map(world.seats.map(({ id, storeId }) => [id, storeId]));
    this.members = new Map(
      world.seats.map((seat) => {
        const claims = this.commitRule.claimed.bind(this.commitRule);
        return [seat.id, { seat, progress: new MemberProgress(seat.id, seat.storeId, this.ledger, claims) }];
      }),
    );
  }

  started(seat: Seat): void {
    if (isStranger(seat, this.firstStores)) return;
    this.noteReach(seat);
    this.progressOf(seat).started(seat.logDisk, seat.storeId);
    this.equalState.started(seat.id, seat.stateDisk);
  }

  leaderChanged(): void {
    this.time.leaderChanged();
  }

  sent(message: Message): void {
    if (isStranger(this.world.seat(message.from), this.firstStores)) return;
    this.elections.sent(message);
    this.storedVotes.sent(message);
    this.bounds.sent(message);
    this.voteRule.sent(message);
    this.claimedBy(message);
    this.readRule.sent(message);
    this.readRounds.sent(message);
  }

  delivered(message: Message): void {
    this.elections.delivered(message);
    this.readRule.delivered(message);
    this.readRounds.delivered(message);
  }

  appended(seat: Seat, batch: LogBatch): void {
    if (isStranger(seat, this.firstStores)) return;
    this.noteReach(seat);
    if (batch.hardState !== null) this.elections.stored(seat.id, batch.hardState);
    this.progressOf(seat).appended(seat.logDisk, batch);
  }

  stateWritten(seat: Seat, batch: StateBatch): void {
    if (isStranger(seat, this.firstStores)) return;
    this.progressOf(seat).applies(seat.logDisk, batch.applied);
    this.equalState.written(seat.id, batch);
  }

  stepped(seat: Seat): void {
    const { replica } = seat;
    if (replica === null || isStranger(seat, this.firstStores)) return;
    const status = replica.status();
    if (status.raft.role === "leader") this.elections.leads(seat.id, status.raft.term);
    this.progressOf(seat).stepped(status);
    this.bounds.stepped(seat.id, status);
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
      if (seat.condition !== "up" || isStranger(seat, this.firstStores)) continue;
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
      isLost: seat.condition === "refused" || seat.logDisk.isDamaged || isStranger(seat, this.firstStores),
    }));
  }
}

/**
 * Whether it runs on another directory than it began with. Its peers refuse what it says, so nothing of it counts; that
 * they do is seen by what becomes of the others.
 */
function isStranger(seat: Seat, firstStores: ReadonlyMap<string, string>): boolean {
  return seat.storeId !== firstStores.get(seat.id);
}
