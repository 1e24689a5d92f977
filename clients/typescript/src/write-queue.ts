import { QuorateError } from "./errors";
import { type Patience, patiently, type Waiter } from "./patience";
import { SESSION_WINDOW, Session, type WriteTicket } from "./session";
import type { Timing } from "./timing";

/** The part of a write's time that the opening may use: its failure says more than that the write waited in vain. */
const OPENING_PART = 0.9;

/** With less time than this left, an opening that failed is not begun again. */
const REOPENING_MS_MIN = 250;

/** Opens a session. */
export type OpenSession = (withinMs: number) => Promise<bigint>;

interface Entry extends Waiter<WriteTicket> {
  readonly patience: Patience;
  /** Its place in the session that was lost; null for a write that has not begun before. */
  readonly sequence: number | null;
}

/**
 * The writes to one namespace, on their way into its session: they begin in the order in which they were called, whatever
 * they wait for. When the session is lost, those that had begun in it begin first in the next one, in their order; the
 * others wait until it is known of each whether it will.
 */
export class WriteQueue {
  readonly #openSession: OpenSession;
  readonly #timing: Timing;
  #session: Session | null = null;
  /** A session that was lost, while some of its writes have not been told so. */
  #lost: Session | null = null;
  #isOpening = false;
  /** In the order of their sequences. */
  #again: Entry[] = [];
  readonly #new = new Set<Entry>();

  constructor(openSession: OpenSession, timing: Timing) {
    this.#openSession = openSession;
    this.#timing = timing;
  }

  /** Begins a write at once; undefined when it has to wait. */
  tryBegin(): WriteTicket | undefined {
    return this.#session === null || this.#isAwaited ? undefined : this.#session.tryBegin();
  }

  /** @throws QuorateError when no session can be opened, or (outcome "not_applied") when the patience ends before */
  begin(patience: Patience): Promise<WriteTicket> {
    const begun = this.#wait(patience, null);
    this.#admit();
    return begun;
  }

  /** Ends a write of a session that was lost, and begins it anew in the next one. Throws as begin does. */
  beginAnew(ticket: WriteTicket, patience: Patience): Promise<WriteTicket> {
    const begun = this.#wait(patience, ticket.sequence);
    ticket.end();
    this.#admit();
    return begun;
  }

  /** Forgets a session that the server no longer knows. */
  lose(session: Session): void {
    if (this.#session !== session) return;
    this.#session = null;
    this.#lost = session;
    this.#admit();
  }

  /** Forgets the session, to be ended at the server; null when there is none. */
  close(): Session | null {
    const session = this.#session;
    this.#session = null;
    return session;
  }

  get #isAwaited(): boolean {
    return this.#lost !== null || this.#again.length > 0 || this.#new.size > 0;
  }

  #wait(patience: Patience, sequence: number | null): Promise<WriteTicket> {
    const what = (): string =>
      this.#session === null ? "a session to open" : `room among ${SESSION_WINDOW} open writes`;
    return patiently<WriteTicket>(this.#timing, patience, what, (waiter) => {
      const entry = { ...waiter, patience, sequence };
      if (sequence === null) {
        this.#new.add(entry);
        return () => this.#new.delete(entry);
      }
      const at = this.#again.findLastIndex((other) => (other.sequence as number) < sequence);
      this.#again.splice(at + 1, 0, entry);
      return () => {
        this.#again = this.#again.filter((other) => other !== entry);
      };
    });
  }

  /** Lets those that wait begin, as far as there is room; opens a session where there is none. */
  #admit(): void {
    if (this.#lost?.isIdle === true) this.#lost = null;
    for (;;) {
      const next = this.#next();
      if (next === undefined) return;
      if (this.#session === null) {
        this.#open(next.patience);
        return;
      }
      const ticket = this.#lost === null ? this.#session.tryBegin() : undefined;
      if (ticket === undefined) return;
      next.take(ticket);
    }
  }

  #next(): Entry | undefined {
    if (this.#again.length > 0) return this.#again[0];
    // Asked each time that a write ends, where nearly always nobody waits.
    if (this.#new.size === 0) return undefined;
    const [first] = this.#new;
    return first;
  }

  /** One opening at a time, shared by all writes that wait for it. */
  #open(patience: Patience): void {
    if (this.#isOpening) return;
    this.#isOpening = true;
    this.#openSession(OPENING_PART * (patience.deadlineAtMs - this.#timing.nowMs()))
      .finally(() => {
        this.#isOpening = false;
      })
      .then(
        (clientId) => {
          this.#session = new Session(clientId, () => this.#admit());
          this.#admit();
        },
        (thrown: unknown) => this.#notOpened(thrown),
      );
  }

  /** Whatever became of the session: no write that waits was ever sent in it. Those with more time try again. */
  #notOpened(thrown: unknown): void {
    const error = QuorateError.from(thrown).withOutcome("not_applied");
    for (const { patience, fail } of [...this.#again, ...this.#new]) {
      const hasTime = patience.deadlineAtMs - this.#timing.nowMs() >= REOPENING_MS_MIN;
      if (!error.retryable || !hasTime) fail(error);
    }
    this.#admit();
  }
}
