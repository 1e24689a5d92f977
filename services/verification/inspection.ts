import type { CountedPeers } from "./counted-peers";
import { type DifferingKey, differingKeys, differingRanges, type KeySource } from "./location";
import type { BucketHash } from "./ports";
import type { Rounds } from "./rounds";

/** Where two members differ in a round. */
export interface Located {
  /** In order; at most one more than was asked for. */
  readonly keys: readonly DifferingKey[];
  /** Whether there are more than were asked for. */
  readonly isCut: boolean;
}

/** Finds the keys in which members differ: buckets first, then the keys of those that differ. */
export class Inspection {
  constructor(
    private readonly self: string,
    private readonly rounds: Rounds,
    private readonly peers: CountedPeers,
  ) {}

  /** null where one of the two cannot be asked any more. */
  async locate(
    round: number,
    { wrong, right }: { readonly wrong: string; readonly right: string },
    keysMax: number,
  ): Promise<Located | null> {
    const [ours, theirs] = [await this.bucketsOf(wrong, round), await this.bucketsOf(right, round)];
    if (ours === null || theirs === null) return null;
    const keys: DifferingKey[] = [];
    for (const range of differingRanges(ours, theirs)) {
      const sources = [this.keysOf(wrong, round), this.keysOf(right, round)] as const;
      const found = await differingKeys(range, sources[0], sources[1], keysMax - keys.length);
      if (found === null) return null;
      for (const key of found) keys.push(key);
      if (keys.length > keysMax) return { keys: keys.slice(0, keysMax), isCut: true };
    }
    return { keys, isCut: false };
  }

  private async bucketsOf(member: string, round: number): Promise<readonly BucketHash[] | null> {
    return member === this.self ? this.rounds.buckets(round) : this.peers.buckets(member, round);
  }

  private keysOf(member: string, round: number): KeySource {
    return {
      keys: (range) =>
        member === this.self ? this.rounds.keys(round, range) : this.peers.keys(member, round, range),
    };
  }
}
