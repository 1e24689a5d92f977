import type { Direction } from "@quorate/services/faults";
import type { MemberId } from "@quorate/services/raft";
import { assert, type Random } from "@quorate/services/std";
import { LEADER, type Target } from "./fault";

/** A stretch of a run in which faults come; nothing that comes in it lasts longer. */
export interface Storm {
  readonly atUs: number;
  readonly untilUs: number;
}

/** Chance in the words that faults are drawn with. */
export class Draw {
  constructor(
    private readonly random: Random,
    /** Among whom faults choose, in order: those that the cluster begins with, or all seats. */
    readonly members: readonly MemberId[],
    /** All that may ever be members; the last ones are not at first. */
    readonly seats: readonly MemberId[],
    /** The minority whose stored data a run may damage. */
    readonly victims: readonly MemberId[],
    readonly storm: Storm,
    /** The shortest time in which a follower without a leader may campaign. */
    readonly electionTimeoutUs: number,
    /** How hard a kind of fault is in this run, in [0, 1]. */
    readonly intensity: number,
  ) {}

  /** A whole number in [min, max]. */
  whole(min: number, max: number): number {
    assert(min <= max, "a range to draw from is not empty");
    return min + this.random.below(Math.floor(max) - Math.ceil(min) + 1);
  }

  /** In (min, max], the higher the more intense, to three digits. */
  intense(min: number, max: number): number {
    const most = min + (max - min) * this.intensity;
    return Math.max(0.001, Math.round((min + (most - min) * (1 - this.random.float())) * 1000) / 1000);
  }

  chance(probability: number): boolean {
    return this.random.float() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    assert(choices.length > 0, "there is something to choose from");
    return choices[this.random.below(choices.length)] as T;
  }

  shuffled<T>(items: readonly T[]): readonly T[] {
    const left = [...items];
    return items.map(() => left.splice(this.random.below(left.length), 1)[0] as T);
  }

  instant(): { readonly atUs: number } {
    return { atUs: this.whole(this.storm.atUs, this.storm.untilUs - 1) };
  }

  /** Within the storm, which may cut it short. */
  window(minUs: number, maxUs: number): { readonly atUs: number; readonly untilUs: number } {
    const { atUs: stormAtUs, untilUs: stormUntilUs } = this.storm;
    const atUs = this.whole(stormAtUs, Math.max(stormAtUs, stormUntilUs - Math.floor(minUs)));
    return { atUs, untilUs: Math.min(stormUntilUs, atUs + this.whole(Math.floor(minUs), Math.floor(maxUs))) };
  }

  member(): MemberId {
    return this.pick(this.members);
  }

  /** One that is to be a member: one of the seats that are none at first more often than one that may have left. */
  newcomer(): MemberId {
    const late = this.seats.slice(-2);
    return this.pick(this.chance(0.7) ? late : this.seats);
  }

  /** The leader more often than any other: most goes wrong there. */
  target(): Target {
    return this.chance(0.4) ? LEADER : this.member();
  }

  direction(): Direction {
    const [from, to] = this.shuffled(this.members);
    return { from: from as MemberId, to: to as MemberId };
  }

  someDirection(): Direction | null {
    return this.chance(0.5) ? null : this.direction();
  }

  /** At least one and never a majority. */
  minority(): readonly MemberId[] {
    const most = Math.floor((this.members.length - 1) / 2);
    return this.shuffled(this.members).slice(0, this.whole(1, Math.max(1, most)));
  }

  /** Between the shortest time in which a process comes back and some elections. */
  downUs(): number {
    return this.whole(20_000, Math.floor(3 * this.electionTimeoutUs));
  }
}
