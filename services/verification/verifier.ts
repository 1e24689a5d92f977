import type { StateWrites } from "#kv";
import type { Replica } from "#replica";
import { EMPTY_BYTES } from "#std";
import { CountedPeers } from "./counted-peers";
import { type Agrees, findOwnFault, ownFinding, type Wrong } from "./follower-comparison";
import { Hashing } from "./hashing";
import { Healing, whyPutOff } from "./healing";
import { Inspection } from "./inspection";
import { membersOf } from "./judgement";
import { compareMembers } from "./leader-comparison";
import { OnDemand } from "./on-demand";
import { Outcomes } from "./outcomes";
import { Polling } from "./polling";
import {
  type BucketHash,
  type Comparison,
  DEFAULT_VERIFICATION_LIMITS,
  type DivergedKey,
  type KeyHash,
  type KeySpaceRange,
  type RecordsAnswer,
  type RepairMemberOutcome,
  type RepairQuery,
  type RootAnswer,
  type RoundRoot,
  type VerificationLimits,
  type VerificationStatus,
  type VerifierOptions,
  type VerifyOutcome,
} from "./ports";
import { scrubShare } from "./round-hasher";
import type { KeptRound } from "./rounds";
import { Schedule } from "./schedule";
import { Serving } from "./serving";
import { Timer } from "./timer";

/**
 * Compares a replica with those of the other members, round by round, and puts it right where it is the one that differs.
 * It is told what the store has written, in order and in the same turn; time by tick(). See DESIGN.md.
 */
export class Verifier {
  private readonly limits: VerificationLimits;
  private readonly hashing: Hashing;
  private readonly healing: Healing;
  private readonly serving: Serving;
  private readonly schedule: Schedule;
  private readonly timer: Timer;
  private readonly outcomes = new Outcomes();
  private readonly onDemand: OnDemand;
  /** The newest round whose entry was applied here. */
  private reached: number;
  private last: KeptRound | null = null;
  private comparing = 0;
  private comparison: Comparison | null = null;
  private agreedRound = 0;
  private readonly diverged = new Set<string>();
  private isWrong = false;
  private bytesMoved = 0;
  private rounds = 0;
  private keysHashed = 0;
  private hashingMs = 0;

  constructor(private readonly options: VerifierOptions) {
    const { replica, digest, clock, scheduler } = options;
    this.limits = { ...DEFAULT_VERIFICATION_LIMITS, ...options.limits };
    const nowMs = clock.monotonicMs();
    this.timer = new Timer(nowMs);
    this.schedule = new Schedule(this.limits, nowMs);
    this.hashing = new Hashing(replica, { digest, clock, scheduler }, this.limits, {
      hashed: (round, busyMs) => this.onHashed(round, busyMs),
      dropped: (appliedIndex) => this.outcomes.settle(appliedIndex, failed("the round was given up")),
    });
    this.healing = new Healing(replica, this.hashing, this.timer, { digest, limits: this.limits });
    this.serving = new Serving(replica, this.hashing.rounds, this.timer, this.limits.questionMs);
    this.onDemand = new OnDemand(replica, this.outcomes, this.timer, () =>
      scrubShare(this.hashing.map.count().keys, this.limits.scrubKeys),
    );
    this.reached = replica.meta.verifyRound;
  }

  /** To be called often, with the clock that it was made with. Begins rounds where this member leads. */
  tick(nowMs: number): void {
    this.timer.tick(nowMs);
    this.hashing.rounds.expire(nowMs);
    const { replica } = this.options;
    if (!replica.isLeader) {
      this.schedule.restart(nowMs);
      // Whoever leads now compares them; what this member found is old by the time that it leads again.
      this.comparison = null;
      this.diverged.clear();
      return;
    }
    if (this.hashing.isBusy || this.comparing > 0 || this.onDemand.isBusy) return;
    const { revision } = replica.meta;
    if (!this.schedule.isDue(nowMs, revision)) return;
    this.schedule.began(nowMs, revision);
    void replica.proposeVerify();
  }

  /** The store has written this. */
  written(writes: Pick<StateWrites, "changes" | "meta">): void {
    this.hashing.written(writes);
    const { verifyRound } = writes.meta;
    if (verifyRound <= this.reached) return;
    this.reached = verifyRound;
    this.hashing.begin(verifyRound);
  }

  /** Another state took the place of the one that was written to. */
  installed(): void {
    this.hashing.drop();
    this.reached = this.options.replica.meta.verifyRound;
    this.outcomes.settleAll(failed("another state was installed"));
  }

  /** Compares all members now, all keys of each; on the leader. Never rejects. */
  verifyNow(): Promise<VerifyOutcome> {
    return this.onDemand.verify();
  }

  /** Compares all members, and waits until that member has repaired itself where it differs; on the leader. Never rejects. */
  repair(member: string): Promise<RepairMemberOutcome> {
    return this.onDemand.repair(member);
  }

  status(): VerificationStatus {
    const { last, hashing, healing } = this;
    const { buckets, behind } = hashing.map.count();
    const { isLeader } = this.options.replica;
    const found = isLeader ? (this.comparison?.diverged ?? []) : [];
    return {
      round: last?.round ?? 0,
      appliedIndex: last?.appliedIndex ?? 0,
      root: last?.root ?? EMPTY_BYTES,
      keys: last?.keys ?? 0,
      buckets,
      dirtyBuckets: behind,
      agreedRound: isLeader ? this.agreedRound : 0,
      diverged: isLeader ? [...this.diverged].sort() : [],
      isSplit: isLeader && this.comparison?.isSplit === true,
      isWrong: this.isWrong,
      lastDiverged: found.length > 0 ? found : this.ownDiverged(),
      recordsRepaired: healing.recordsRepaired,
      statesReplaced: healing.statesReplaced,
      bytesMoved: this.bytesMoved,
      bytesServed: this.serving.bytes,
      rounds: this.rounds,
      keysHashed: this.keysHashed,
      hashingMs: this.hashingMs,
    };
  }

  /** For another member that asks what was found in a round. */
  answerRoot(round: number): RootAnswer {
    return this.serving.root(round, this.reached);
  }

  answerBuckets(round: number): readonly BucketHash[] | null {
    return this.serving.buckets(round);
  }

  /** Rejects with StoreFailure. */
  answerKeys(round: number, range: KeySpaceRange): Promise<readonly KeyHash[] | null> {
    return this.serving.keys(round, range);
  }

  /** Rejects with StoreFailure. */
  answerRecords(query: RepairQuery): Promise<RecordsAnswer> {
    return this.serving.records(query);
  }

  /** Lets go of all states, and ends what waits. Safe to call twice. */
  close(): void {
    this.timer.close();
    this.outcomes.close(failed("the member stops"));
    this.hashing.close();
  }

  private ownDiverged(): readonly DivergedKey[] {
    return this.healing.lastDiverged;
  }

  private onHashed(round: KeptRound, busyMs: number): void {
    this.last = round;
    this.rounds += 1;
    this.keysHashed += round.keysHashed;
    this.hashingMs += busyMs;
    this.schedule.took(busyMs);
    const { appliedIndex, root, keys, buckets, bucketsHashed, keysHashed } = round;
    this.options.observer?.hashed?.({
      round: round.round,
      ...{ appliedIndex, root, keys, buckets, bucketsHashed, keysHashed, busyMs },
    });
    void this.compare(round, busyMs);
  }

  private async compare(round: KeptRound, busyMs: number): Promise<void> {
    const peers = new CountedPeers(this.options.peers, this.timer, this.limits.questionMs);
    this.comparing += 1;
    try {
      if (this.options.replica.isLeader) await this.compareAsLeader(round, peers, busyMs);
      else await this.compareAsFollower(round, peers, busyMs);
    } catch (error) {
      const why = whyPutOff(error);
      if (why === null) throw error;
      this.options.observer?.repaired?.({ kind: "put_off", why });
    } finally {
      this.comparing -= 1;
      this.bytesMoved += peers.bytes;
      if (!this.outcomes.isKnown(round.appliedIndex)) {
        this.outcomes.settle(round.appliedIndex, failed("the members could not be compared"));
      }
    }
  }

  private async compareAsLeader(round: KeptRound, peers: CountedPeers, busyMs: number): Promise<void> {
    const { replica, observer } = this.options;
    const { configuration } = replica.membership;
    const others = membersOf(configuration).filter((member) => member !== replica.id);
    const roots = await new Polling(peers, this.timer).roots(round.round, others, {
      ms: this.limits.patienceMs + 4 * busyMs,
      isOver: () => !replica.isLeader || this.hashing.rounds.find(round.round) === null,
    });
    if (!replica.isLeader || this.hashing.rounds.find(round.round) === null) return;
    roots.set(replica.id, rootOf(round));
    const compared = { round: round.round, appliedIndex: round.appliedIndex, configuration, roots };
    const inspection = new Inspection(replica.id, this.hashing.rounds, peers);
    const found = await compareMembers(compared, inspection, replica.id, this.limits.repairKeysMax);
    const comparison: Comparison = { ...found, bytesMoved: peers.bytes };
    this.note(comparison);
    observer?.compared?.(comparison);
    this.outcomes.settle(round.appliedIndex, comparison);

    const own = ownFinding(replica.id, roots, { configuration, preferred: replica.id });
    if (own.kind === "agrees") this.isRight(round, own);
    if (own.kind !== "wrong") return;
    // What is served until then may be wrong, so the right ones lead first.
    await replica.transferLeadership(own.from);
    await this.heal(own, round, peers);
  }

  private async compareAsFollower(round: KeptRound, peers: CountedPeers, busyMs: number): Promise<void> {
    const { replica } = this.options;
    const leaderId = replica.leader.id;
    if (leaderId === null || leaderId === replica.id) return;
    const finding = await findOwnFault(
      { id: replica.id, round: round.round, root: rootOf(round) },
      { leaderId, configuration: replica.membership.configuration },
      new Polling(peers, this.timer),
      {
        ms: this.limits.patienceMs + 4 * busyMs,
        isOver: () => this.hashing.rounds.find(round.round) === null,
      },
    );
    if (finding.kind === "agrees") this.isRight(round, finding);
    if (finding.kind === "wrong") await this.heal(finding, round, peers);
  }

  private async heal(wrong: Wrong, round: KeptRound, peers: CountedPeers): Promise<void> {
    const { observer } = this.options;
    this.isWrong = true;
    observer?.differs?.({ round: round.round, from: wrong.from });
    const outcome = await this.healing.heal(wrong, round, peers);
    if (outcome !== null) observer?.repaired?.(outcome);
  }

  private isRight({ round }: KeptRound, { isUnanimous }: Agrees): void {
    this.isWrong = false;
    this.healing.agreed();
    if (isUnanimous) this.hashing.rounds.agreed(round);
  }

  /** A member that does not answer stays what it was. */
  private note(comparison: Comparison): void {
    if (comparison.round <= (this.comparison?.round ?? 0)) return;
    this.comparison = comparison;
    if (comparison.consistent) this.agreedRound = comparison.round;
    const known = new Set(comparison.members.map(({ member }) => member));
    for (const member of [...this.diverged]) if (!known.has(member)) this.diverged.delete(member);
    if (!comparison.members.some(({ agrees }) => agrees)) return;
    for (const { member, answered, agrees } of comparison.members) {
      if (agrees) this.diverged.delete(member);
      else if (answered) this.diverged.add(member);
    }
  }
}

function rootOf({ root, residentHash, appliedIndex, keys, buckets }: KeptRound): RoundRoot {
  return { kind: "done", root, residentHash, appliedIndex, keys, buckets };
}

function failed(why: string): VerifyOutcome {
  return { kind: "failed", why };
}

/** The verifier of a replica, told by it of everything it needs to hear but the time: see Verifier.tick. */
export function verifyReplica(replica: Replica, options: Omit<VerifierOptions, "replica">): Verifier {
  const verifier = new Verifier({ replica, ...options });
  replica.subscribe({
    written: (writes) => verifier.written(writes),
    installed: () => verifier.installed(),
    removed: () => verifier.close(),
    failed: () => verifier.close(),
  });
  return verifier;
}
