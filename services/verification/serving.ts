import { ReadExpired, StateReplaced } from "#replica";
import { bytesOfBuckets, bytesOfKeys, bytesOfRecords } from "./counted-peers";
import {
  type BucketHash,
  type KeyHash,
  type KeySpaceRange,
  RECORDS_ANSWER_BYTES_MAX,
  type RecordsAnswer,
  type RepairQuery,
  type RootAnswer,
  type VerifiedReplica,
} from "./ports";
import type { Rounds } from "./rounds";
import type { Timer } from "./timer";

/** Between two looks at what is applied. */
const APPLIED_POLL_MS = 10;

/** Answers the questions of other members. */
export class Serving {
  /** Of all answers. */
  bytes = 0;

  constructor(
    private readonly replica: VerifiedReplica,
    private readonly rounds: Rounds,
    private readonly timer: Timer,
    private readonly questionMs: number,
  ) {}

  root(round: number, reachedRound: number): RootAnswer {
    const answer = this.rounds.root(round, reachedRound);
    if (answer.kind === "done") this.bytes += answer.root.length + answer.residentHash.length + 16;
    return answer;
  }

  buckets(round: number): readonly BucketHash[] | null {
    const buckets = this.rounds.buckets(round);
    this.bytes += bytesOfBuckets(buckets ?? []);
    return buckets;
  }

  async keys(round: number, range: KeySpaceRange): Promise<readonly KeyHash[] | null> {
    const keys = await this.rounds.keys(round, range);
    this.bytes += bytesOfKeys(keys ?? []);
    return keys;
  }

  /** Rejects with StoreFailure. */
  async records(query: RepairQuery): Promise<RecordsAnswer> {
    if (!(await this.hasApplied(query.appliedIndex))) return { kind: "unreadable" };
    const { namespaceId, generation, keys, revision } = query;
    try {
      const read = { namespaceId, generation, keys, revision, keysOnly: false };
      const found = (await this.replica.state.records(read)).filter((record) => record !== null);
      const answer: RecordsAnswer = { kind: "records", records: found };
      const bytes = bytesOfRecords(answer);
      if (bytes > RECORDS_ANSWER_BYTES_MAX && keys.length > 1) return { kind: "too_large" };
      this.bytes += bytes;
      return answer;
    } catch (error) {
      if (error instanceof ReadExpired || error instanceof StateReplaced) return { kind: "unreadable" };
      throw error;
    }
  }

  private async hasApplied(index: number): Promise<boolean> {
    const untilMs = this.timer.nowMs + this.questionMs / 2;
    while (this.replica.status().appliedIndex < index) {
      if (this.timer.isClosed || this.timer.nowMs >= untilMs) return false;
      await this.timer.sleep(APPLIED_POLL_MS);
    }
    return true;
  }
}
