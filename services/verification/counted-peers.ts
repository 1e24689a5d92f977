import type {
  BucketHash,
  KeyHash,
  KeySpaceRange,
  RecordsAnswer,
  RepairQuery,
  RootAnswer,
  VerificationPeers,
} from "./ports";
import type { Timer } from "./timer";

/** About what a record takes on its way, beside key and value. */
const RECORD_OVERHEAD_BYTES = 16;

/** Questions to peers with a deadline, null where there was no answer, and the bytes of what came counted. */
export class CountedPeers {
  /** Of all answers. */
  bytes = 0;

  constructor(
    private readonly peers: VerificationPeers,
    private readonly timer: Timer,
    private readonly questionMs: number,
  ) {}

  root(member: string, round: number): Promise<RootAnswer | null> {
    return this.ask(
      () => this.peers.root(member, round),
      (answer) => (answer.kind === "done" ? answer.root.length + answer.residentHash.length + 16 : 2),
    );
  }

  buckets(member: string, round: number): Promise<readonly BucketHash[] | null> {
    return this.ask(
      () => this.peers.buckets(member, round),
      (answer) => bytesOfBuckets(answer ?? []),
    );
  }

  keys(member: string, round: number, range: KeySpaceRange): Promise<readonly KeyHash[] | null> {
    return this.ask(
      () => this.peers.keys(member, round, range),
      (answer) => bytesOfKeys(answer ?? []),
    );
  }

  records(member: string, query: RepairQuery): Promise<RecordsAnswer | null> {
    return this.ask(
      () => this.peers.records(member, query),
      (answer) => bytesOfRecords(answer),
    );
  }

  private async ask<T>(ask: () => Promise<T>, bytesOf: (answer: T) => number): Promise<T | null> {
    const answer = await this.timer.within(this.questionMs, ask);
    if (answer !== null) this.bytes += bytesOf(answer);
    return answer;
  }
}

export function bytesOfBuckets(buckets: readonly BucketHash[]): number {
  let bytes = 0;
  for (const { start, hash } of buckets) bytes += start.length + hash.length + 8;
  return bytes;
}

export function bytesOfKeys(keys: readonly KeyHash[]): number {
  let bytes = 0;
  for (const { key, hash } of keys) bytes += key.length + hash.length + 4;
  return bytes;
}

export function bytesOfRecords(answer: RecordsAnswer): number {
  if (answer.kind !== "records") return 2;
  let bytes = 0;
  for (const { key, value } of answer.records) bytes += key.length + value.length + RECORD_OVERHEAD_BYTES;
  return bytes;
}
