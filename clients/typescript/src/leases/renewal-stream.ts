import {
  LeaseServiceDefinition,
  type LeaseServiceKeepAliveRequest,
  type LeaseServiceKeepAliveResponse,
} from "@quorate/proto/kv";
import { QuorateError } from "#client/errors";
import { toNumber } from "#client/numbers";
import type { Timing } from "#client/timing";
import { type Connection, methodOf } from "#client/transport";

const KEEP_ALIVE = methodOf(LeaseServiceDefinition, LeaseServiceDefinition.methods.keepAlive);

/** How long connecting may take; the connection itself may have a shorter bound. */
const CONNECT_MS_MAX = 3000;

/** The answer to a renewal. */
export interface Renewal {
  /** When it was sent, by the client's clock: the lease cannot end sooner than `ttlMs` after that. */
  readonly sentAtMs: number;
  /** The lease's time to live; 0 when there is no such lease any more. */
  readonly ttlMs: number;
}

/** A renewal that somebody waits for. */
export interface PendingRenewal {
  readonly namespace: string;
  readonly leaseId: bigint;
  /** How long the server may take to answer before it is asked elsewhere. */
  readonly answerMs: number;
  /** Whether somebody still waits for it. */
  readonly isOpen: boolean;
  resolve(renewal: Renewal): void;
  reject(error: QuorateError): void;
}

interface SentRenewal {
  readonly pending: PendingRenewal;
  readonly sentAtMs: number;
}

/** One KeepAlive stream to one endpoint. Sends what waits in a queue that it shares with its successors. */
export class RenewalStream {
  readonly #queue: PendingRenewal[];
  readonly #timing: Timing;
  readonly #onAnswer: (namespace: string, revision: number) => void;
  /** Unanswered, oldest first: answers come in the order of requests. */
  readonly #sent: SentRenewal[] = [];
  readonly #abort = new AbortController();
  #isDismissed = false;
  #isSilent = false;
  #wake: () => void = () => undefined;
  #overdueAtMs = Number.POSITIVE_INFINITY;
  #cancelWatchdog: () => void = () => undefined;

  constructor(
    queue: PendingRenewal[],
    timing: Timing,
    onAnswer: (namespace: string, revision: number) => void,
  ) {
    this.#queue = queue;
    this.#timing = timing;
    this.#onAnswer = onAnswer;
  }

  /** Resolves when it was dismissed. @throws QuorateError when the stream has ended otherwise, for it never should */
  async run(connection: Connection): Promise<void> {
    const answers = connection.duplex(KEEP_ALIVE, this.#requests(), {
      metadata: {},
      timeoutMs: CONNECT_MS_MAX,
      signal: this.#abort.signal,
    });
    try {
      for await (const answer of answers) this.#answered(answer);
      if (!this.#isDismissed) throw ended();
    } catch (thrown) {
      if (!this.#isDismissed) throw this.#isSilent ? silence() : thrown;
    } finally {
      this.#cancelWatchdog();
      this.dismiss();
    }
  }

  /** There is something new in the queue. */
  wake(): void {
    this.#wake();
  }

  /** Is needed no longer. */
  dismiss(): void {
    this.#isDismissed = true;
    this.#abort.abort();
    this.#wake();
  }

  get isIdle(): boolean {
    return this.#sent.length === 0;
  }

  /** What was sent and never answered, as far as somebody still waits for it. */
  takeUnanswered(): readonly PendingRenewal[] {
    return this.#sent.splice(0).flatMap(({ pending }) => (pending.isOpen ? pending : []));
  }

  async *#requests(): AsyncGenerator<LeaseServiceKeepAliveRequest, void, undefined> {
    while (!this.#isDismissed) {
      const pending = this.#queue.shift();
      if (pending === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const sentAtMs = this.#timing.nowMs();
      this.#sent.push({ pending, sentAtMs });
      this.#watch(sentAtMs + pending.answerMs);
      yield { namespace: pending.namespace, leaseId: pending.leaseId };
    }
  }

  #answered({ header, leaseId, ttlMs }: LeaseServiceKeepAliveResponse): void {
    const sent = this.#sent.shift();
    if (sent === undefined || sent.pending.leaseId !== leaseId) throw strangeAnswer(leaseId);
    this.#onAnswer(sent.pending.namespace, toNumber(header?.revision ?? 0n));
    sent.pending.resolve({ sentAtMs: sent.sentAtMs, ttlMs: toNumber(ttlMs) });
  }

  /** Looks again when the earliest answer is overdue; those that came meanwhile make that look a cheap one. */
  #watch(overdueAtMs: number): void {
    if (overdueAtMs >= this.#overdueAtMs) return;
    this.#overdueAtMs = overdueAtMs;
    this.#cancelWatchdog();
    this.#cancelWatchdog = this.#timing.schedule(Math.max(0, overdueAtMs - this.#timing.nowMs()), () => {
      this.#overdueAtMs = Number.POSITIVE_INFINITY;
      const earliest = Math.min(...this.#sent.map(({ pending, sentAtMs }) => sentAtMs + pending.answerMs));
      if (earliest <= this.#timing.nowMs()) {
        this.#isSilent = true;
        this.#abort.abort();
      } else {
        this.#watch(earliest);
      }
    });
  }
}

function silence(): QuorateError {
  return new QuorateError("a lease's renewal was not answered in time", {
    code: "DEADLINE_EXCEEDED",
    reason: "DEADLINE_EXCEEDED",
    retryable: true,
  });
}

function ended(): QuorateError {
  return new QuorateError("the server ended the stream of renewals", {
    code: "UNAVAILABLE",
    retryable: true,
  });
}

function strangeAnswer(leaseId: bigint): QuorateError {
  return new QuorateError(`the server answered for lease ${leaseId}, which is not the one that was asked`, {
    code: "INTERNAL",
    reason: "INTERNAL",
    retryable: true,
  });
}
