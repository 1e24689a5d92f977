import type { StateWrites } from "#kv";
import { type Clock, type Digest, type Scheduler, StateReplaced, StoreFailure } from "#replica";
import { BucketMap } from "./bucket-map";
import type { KeySpace } from "./hashes";
import { Pace } from "./pace";
import type { VerificationLimits, VerifiedReplica } from "./ports";
import { type FrozenRound, RoundDropped, RoundHasher } from "./round-hasher";
import { type KeptRound, Rounds } from "./rounds";

export interface HashingEvents {
  readonly hashed: (round: KeptRound, busyMs: number) => void;
  /** A round that was begun will never be hashed. */
  readonly dropped: (appliedIndex: number) => void;
}

/**
 * Hashes the rounds of one replica, one at a time. A round that begins while another is hashed waits, and one that waits
 * gives way to a newer one: so a replica is never behind by more than two, however many are proposed.
 */
export class Hashing {
  readonly map = new BucketMap();
  readonly rounds: Rounds;
  private present: FrozenRound | null = null;
  private next: FrozenRound | null = null;
  /** How often all was dropped. */
  private drops = 0;
  private isClosed = false;

  constructor(
    private readonly replica: VerifiedReplica,
    private readonly parts: {
      readonly digest: Digest;
      readonly clock: Pick<Clock, "monotonicMs">;
      readonly scheduler: Pick<Scheduler, "afterThisTurn">;
    },
    private readonly limits: VerificationLimits,
    private readonly on: HashingEvents,
  ) {
    this.rounds = new Rounds(parts.digest, limits.roundsKept);
  }

  get isBusy(): boolean {
    return this.present !== null;
  }

  written(writes: Pick<StateWrites, "changes">): void {
    this.map.written(writes);
  }

  /** The store has just written the batch that ends with the entry of this round. */
  begin(round: number): void {
    if (this.isClosed) return;
    const frozen = this.replica.state.freeze();
    const resident = this.replica.resident();
    const begun = { round, frozen, resident, freeze: this.map.frozen(resident.namespaces) };
    this.rounds.begun(round);
    if (this.present === null) void this.run(begun);
    else {
      this.dropNext();
      this.next = begun;
    }
  }

  mark(space: KeySpace, key: Uint8Array): void {
    this.map.mark(space, key);
  }

  /** Another state took the place of the one that rounds were made of. */
  drop(): void {
    this.drops += 1;
    this.map.forget();
    this.dropNext();
    this.rounds.drop();
  }

  close(): void {
    this.isClosed = true;
    this.drop();
    // What reads it ends with StateReplaced.
    this.present?.frozen.close();
  }

  private dropNext(): void {
    if (this.next === null) return;
    this.giveUp(this.next);
    this.next = null;
  }

  private giveUp({ round, frozen }: FrozenRound): void {
    this.rounds.givenUp(round);
    frozen.close();
    this.on.dropped(frozen.header.applied.index);
  }

  private async run(begun: FrozenRound): Promise<void> {
    this.present = begun;
    const kept = await this.hash(begun);
    this.present = null;
    const { next } = this;
    this.next = null;
    if (next !== null) void this.run(next);
    if (kept !== null) this.on.hashed(kept.round, kept.busyMs);
  }

  private async hash(
    begun: FrozenRound,
  ): Promise<{ readonly round: KeptRound; readonly busyMs: number } | null> {
    const { map, parts, limits, drops } = this;
    const { clock, scheduler, digest } = parts;
    const pace = new Pace(clock, scheduler, limits.keysPerTurn);
    const isDropped = (): boolean => this.drops !== drops;
    try {
      const hasher = new RoundHasher(begun, { map, digest, pace, scrubKeys: limits.scrubKeys, isDropped });
      const result = await hasher.hash();
      pace.end();
      const { applied, revision } = begun.frozen.header;
      const round: KeptRound = {
        ...result,
        round: begun.round,
        appliedIndex: applied.index,
        revision,
        frozen: begun.frozen,
        frozenUntilMs: clock.monotonicMs() + limits.frozenMs,
      };
      this.rounds.done(round);
      return { round, busyMs: pace.busyMs };
    } catch (error) {
      // A failed store ends the replica by itself.
      const isExpected =
        error instanceof RoundDropped || error instanceof StateReplaced || error instanceof StoreFailure;
      if (!isExpected) throw error;
      this.giveUp(begun);
      return null;
    }
  }
}
