import type { Configuration } from "./configuration";
import type { Index, MemberId } from "./entry";
import { committedIndex } from "./quorum";

/** A read that someone, this member or another, asked the leader about. */
export interface ReadRequest {
  readonly from: MemberId;
  readonly context: string;
}

/** A read whose index is known and which waits for a quorum to confirm that its leader still led then. */
export interface WaitingRead extends ReadRequest {
  readonly index: Index;
}

/**
 * The reads that wait on a leader in its term (thesis 6.4). They are numbered as they come; a heartbeat carries the
 * number of the latest, its answer confirms that one and all before it, so one round serves all that wait.
 */
export class ReadQueue {
  private postponed: ReadRequest[] = [];
  private waiting: WaitingRead[] = [];
  private confirmedCount = 0;
  private readonly confirmedBy = new Map<MemberId, number>();

  constructor(
    private readonly self: MemberId,
    private readonly readsMax: number,
  ) {}

  get isFull(): boolean {
    return this.postponed.length + this.waiting.length >= this.readsMax;
  }

  /** The number of the latest read that waits for a quorum, 0 when none does. */
  get latestSequence(): number {
    return this.waiting.length === 0 ? 0 : this.confirmedCount + this.waiting.length;
  }

  /** Keeps a read until the leader has committed an entry of its term: before that its commit index may be old. */
  postpone(request: ReadRequest): void {
    this.postponed.push(request);
  }

  takePostponed(): readonly ReadRequest[] {
    const requests = this.postponed;
    if (requests.length > 0) this.postponed = [];
    return requests;
  }

  add(request: ReadRequest, index: Index): void {
    this.waiting.push({ from: request.from, context: request.context, index });
    this.confirm(this.self, this.latestSequence);
  }

  /** Notes that the member followed this leader when it answered the heartbeat with that number; 0 says nothing. */
  confirm(id: MemberId, sequence: number): void {
    const known = this.confirmedBy.get(id) ?? 0;
    if (sequence > known) this.confirmedBy.set(id, sequence);
  }

  /** Takes the reads that a quorum has confirmed, in the order in which they came. */
  takeConfirmed(configuration: Configuration): readonly WaitingRead[] {
    const confirmed = committedIndex(configuration, (id) => this.confirmedBy.get(id) ?? 0);
    const count = Math.min(confirmed - this.confirmedCount, this.waiting.length);
    if (count <= 0) return [];
    this.confirmedCount += count;
    return this.waiting.splice(0, count);
  }
}
