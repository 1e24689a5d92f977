import { type Digest, type FrozenState, StateReplaced } from "#replica";
import { RecordHasher, shortHash } from "./hashes";
import {
  type BucketHash,
  KEYS_ANSWER_BYTES_MAX,
  KEYS_ANSWER_MAX,
  type KeyHash,
  type KeySpaceRange,
  type RootAnswer,
} from "./ports";
import type { RoundResult } from "./round-hasher";

/** A round that can be asked for. */
export interface KeptRound extends RoundResult {
  readonly round: number;
  readonly appliedIndex: number;
  /** The revision of the state that was hashed. */
  readonly revision: number;
  readonly frozen: FrozenState;
  /** When its state is let go of. */
  readonly frozenUntilMs: number;
}

/** The last rounds, to be asked for by other members. */
export class Rounds {
  private kept: KeptRound[] = [];
  /** Those that were begun and not hashed yet. */
  private readonly open = new Set<number>();
  /** Up to this round states are kept for their whole time, for somebody asked for one that was let go of. */
  private wantedUpTo = 0;

  constructor(
    private readonly digest: Digest,
    private readonly roundsMax: number,
  ) {}

  /** The newest; null before the first, and after all were dropped. */
  get last(): KeptRound | null {
    return this.kept.at(-1) ?? null;
  }

  begun(round: number): void {
    this.open.add(round);
  }

  /** A round that was begun will not be done. */
  givenUp(round: number): void {
    this.open.delete(round);
  }

  done(round: KeptRound): void {
    this.open.delete(round.round);
    this.kept.push(round);
    while (this.kept.length > this.roundsMax) this.kept.shift()?.frozen.close();
  }

  /** Lets go of states that were kept long enough; what was found in them stays. */
  expire(nowMs: number): void {
    for (const { frozen, frozenUntilMs } of this.kept) if (frozenUntilMs <= nowMs) frozen.close();
  }

  /**
   * All that could be asked have the same, so nobody should ask for its keys: its state is let go of, and what was found in
   * it stays.
   */
  agreed(round: number): void {
    if (round > this.wantedUpTo) this.find(round)?.frozen.close();
  }

  /** Nothing of the state that they were made of is there any more. */
  drop(): void {
    for (const { frozen } of this.kept) frozen.close();
    this.kept = [];
    this.open.clear();
  }

  find(round: number): KeptRound | null {
    return this.kept.find((one) => one.round === round) ?? null;
  }

  /** @param reachedRound the newest round whose entry was applied here */
  root(round: number, reachedRound: number): RootAnswer {
    const found = this.find(round);
    if (found === null) return { kind: round > reachedRound || this.open.has(round) ? "pending" : "unknown" };
    const { root, residentHash, appliedIndex, keys, buckets } = found;
    return { kind: "done", root, residentHash, appliedIndex, keys, buckets };
  }

  /** null where the round is not known. */
  buckets(round: number): readonly BucketHash[] | null {
    const found = this.find(round);
    if (found === null) return null;
    return found.spaces.flatMap(({ namespaceId, generation, buckets }) =>
      buckets.map(({ start, hash, keys }) => ({
        namespaceId,
        generation,
        start,
        hash: shortHash(hash),
        keys,
      })),
    );
  }

  /** The first keys of a range in a round; null where the round, or its state, is not there any more. */
  async keys(round: number, range: KeySpaceRange): Promise<readonly KeyHash[] | null> {
    const found = this.find(round);
    if (found === null) return null;
    const hasher = new RecordHasher(this.digest);
    const keys: KeyHash[] = [];
    let bytes = 0;
    try {
      for await (const chunk of found.frozen.scan({ ...range, reverse: false, keysOnly: false })) {
        for (const record of chunk) {
          const hash = new Uint8Array(shortHash(hasher.leaf(range, record)));
          keys.push({ key: new Uint8Array(record.key), hash });
          bytes += record.key.length + hash.length;
          if (keys.length >= KEYS_ANSWER_MAX || bytes >= KEYS_ANSWER_BYTES_MAX) return keys;
        }
      }
    } catch (error) {
      if (!(error instanceof StateReplaced)) throw error;
      this.wantedUpTo = (this.last ?? found).round + this.roundsMax;
      return null;
    }
    return keys;
  }
}
