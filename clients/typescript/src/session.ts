import { QuorateError } from "./errors";
import { pause, type Timing } from "./timing";

/** How far a session's newest request may be ahead of its oldest unanswered one: what a server remembers. */
export const SESSION_WINDOW = 1024;

/** The part of a write's time that the opening may use: its failure says more than that the write waited in vain. */
const OPENING_PART = 0.9;

/** With less time than this left, an opening that failed is not begun again. */
const REOPENING_MS_MIN = 250;

/** Where one write stands in its session: what makes it safe to send twice. */
export interface WriteTicket {
  readonly session: Session;
  readonly sequence: number;
}

/** A client id with its running requests. */
export class Session {
  readonly clientId: bigint;
  #sequence = 0;
  /** The unanswered sequences: added in rising order, so the first is the lowest. */
  readonly #unanswered = new Set<number>();
  /** Writes that wait for room, in the order they came. */
  readonly #waiting = new Set<(ticket: WriteTicket | null) => void>();

  constructor(clientId: bigint) {
    this.clientId = clientId;
  }

  /** Begins a write; undefined when there is no room, or others wait for it already. */
  tryBegin(): WriteTicket | undefined {
    return this.#waiting.size === 0 && this.#hasRoom ? this.#begin() : undefined;
  }

  /**
   * Waits for room behind those that wait already. `take` is called once: with a ticket, or with null when the session
   * has ended and another must be opened.
   *
   * @returns how to wait no longer
   */
  wait(take: (ticket: WriteTicket | null) => void): () => void {
    this.#waiting.add(take);
    return () => this.#waiting.delete(take);
  }

  /** Nothing can begin any more: sends those that wait away. */
  dismiss(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const take of waiting) take(null);
  }

  /** The request id as it stands now: `CLIENT_ID/SEQUENCE/FIRST_UNANSWERED`. */
  requestId(sequence: number): string {
    return `${this.clientId}/${sequence}/${this.#firstUnanswered()}`;
  }

  /** Ends a write: its answer has arrived, or nobody waits for it any more. */
  end(sequence: number): void {
    this.#unanswered.delete(sequence);
    for (const take of this.#waiting) {
      if (!this.#hasRoom) return;
      this.#waiting.delete(take);
      take(this.#begin());
    }
  }

  get #hasRoom(): boolean {
    return this.#sequence + 1 < this.#firstUnanswered() + SESSION_WINDOW;
  }

  #begin(): WriteTicket {
    this.#sequence += 1;
    this.#unanswered.add(this.#sequence);
    return { session: this, sequence: this.#sequence };
  }

  #firstUnanswered(): number {
    const [lowest] = this.#unanswered;
    return lowest ?? this.#sequence + 1;
  }
}

/** Opens and ends sessions at the server; rejects with a QuorateError. */
export interface SessionCalls {
  /** @param withinMs how long the opening may take with its retries */
  open(namespace: string, withinMs: number): Promise<bigint>;
  close(namespace: string, clientId: bigint): Promise<void>;
}

/** How long a write may wait for its place, and what ends that early. */
export interface Patience {
  readonly deadlineAtMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The sessions of a client, one a namespace, each opened by the first write that needs it. */
export class Sessions {
  readonly #calls: SessionCalls;
  readonly #timing: Timing;
  readonly #open = new Map<string, Session>();
  readonly #opening = new Map<string, Promise<Session>>();

  constructor(calls: SessionCalls, timing: Timing) {
    this.#calls = calls;
    this.#timing = timing;
  }

  /**
   * Begins a write: waits for the session to be open and for room in its window.
   *
   * @throws QuorateError when the session cannot be opened, or (outcome "not_applied") when the patience ends before
   */
  async begin(namespace: string, patience: Patience): Promise<WriteTicket> {
    for (;;) {
      const session = this.#open.get(namespace);
      if (session === undefined) {
        await this.#opened(namespace, patience);
        continue;
      }
      const ticket = session.tryBegin() ?? (await this.#room(session, patience));
      if (ticket !== null) return ticket;
    }
  }

  /** Forgets a session that the server no longer knows; the next write opens another. */
  expired(namespace: string, session: Session): void {
    if (this.#open.get(namespace) === session) this.#open.delete(namespace);
    session.dismiss();
  }

  /** Ends all sessions at the server, as far as it can be reached. */
  async close(): Promise<void> {
    const open = [...this.#open];
    this.#open.clear();
    // A session that could not be ended expires by itself.
    await Promise.allSettled(open.map(([namespace, { clientId }]) => this.#calls.close(namespace, clientId)));
  }

  /** Waits for a place in the session's window; null when the session has ended meanwhile. */
  #room(session: Session, patience: Patience): Promise<WriteTicket | null> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void): void => {
        cancel();
        leave();
        patience.signal?.removeEventListener("abort", giveUp);
        outcome();
      };
      const giveUp = (): void =>
        settle(() => reject(waitedInVain(`room among ${SESSION_WINDOW} open writes`, patience.signal)));
      const leave = session.wait((ticket) => settle(() => resolve(ticket)));
      const cancel = this.#timing.schedule(Math.max(0, patience.deadlineAtMs - this.#timing.nowMs()), giveUp);
      patience.signal?.addEventListener("abort", giveUp);
      if (patience.signal?.aborted === true) giveUp();
    });
  }

  async #opened(namespace: string, patience: Patience): Promise<void> {
    try {
      await this.#inTime(this.#reopen(namespace, patience), patience, "a session to open");
    } catch (thrown) {
      // Whatever became of the session: the write itself was never sent.
      const error = QuorateError.from(thrown).withOutcome("not_applied");
      const enough = patience.deadlineAtMs - this.#timing.nowMs() >= REOPENING_MS_MIN;
      if (!error.retryable || !enough || patience.signal?.aborted === true) throw error;
    }
  }

  /** One opening at a time for a namespace, shared by all writes that wait for it; those with more time try again. */
  #reopen(namespace: string, patience: Patience): Promise<Session> {
    let opening = this.#opening.get(namespace);
    if (opening === undefined) {
      opening = this.#calls
        .open(namespace, OPENING_PART * (patience.deadlineAtMs - this.#timing.nowMs()))
        .then((clientId) => {
          const session = new Session(clientId);
          this.#open.set(namespace, session);
          return session;
        })
        .finally(() => this.#opening.delete(namespace));
      this.#opening.set(namespace, opening);
    }
    return opening;
  }

  async #inTime(work: Promise<unknown>, patience: Patience, what: string): Promise<void> {
    const { deadlineAtMs, signal } = patience;
    const ended = new AbortController();
    const stop = () => ended.abort();
    signal?.addEventListener("abort", stop);
    try {
      const late = pause(this.#timing, Math.max(0, deadlineAtMs - this.#timing.nowMs()), ended.signal).then(
        () => "late",
      );
      if (signal?.aborted === true) stop();
      if ((await Promise.race([work, late])) !== "late") return;
    } finally {
      signal?.removeEventListener("abort", stop);
      ended.abort();
    }
    throw waitedInVain(what, signal);
  }
}

/** A write that never began, since its caller gave up or its time ran out. */
function waitedInVain(what: string, signal: AbortSignal | undefined): QuorateError {
  const aborted = signal?.aborted === true;
  return new QuorateError(`${aborted ? "given up" : "the deadline passed"} while waiting for ${what}`, {
    code: aborted ? "CANCELLED" : "DEADLINE_EXCEEDED",
    reason: aborted ? "CANCELLED" : "DEADLINE_EXCEEDED",
    retryable: true,
    outcome: "not_applied",
    ...(aborted ? { cause: signal.reason } : {}),
  });
}
