import type { Reason } from "./errors";

/** How far a session's newest request may be ahead of its oldest unanswered one: what a server remembers. */
export const SESSION_WINDOW = 1024;

/** A client id with its running requests: a list of those that are waited for, in the order in which they were begun. */
export class Session {
  readonly clientId: bigint;
  readonly #onEnd: () => void;
  #sequence = 0;
  #first: WriteTicket | null = null;
  #last: WriteTicket | null = null;

  /** @param onEnd told each time that a write has ended */
  constructor(clientId: bigint, onEnd: () => void = () => undefined) {
    this.clientId = clientId;
    this.#onEnd = onEnd;
  }

  /** Whether no write is waited for. */
  get isIdle(): boolean {
    return this.#first === null;
  }

  /** The client has all answers below this sequence. */
  get firstUnanswered(): number {
    return this.#first === null ? this.#sequence + 1 : this.#first.sequence;
  }

  /** Begins a write; undefined when there is no room in the window. */
  tryBegin(): WriteTicket | undefined {
    if (this.#sequence + 1 >= this.firstUnanswered + SESSION_WINDOW) return undefined;
    this.#sequence += 1;
    const ticket = new WriteTicket(this, this.#sequence, this.#last);
    if (this.#last === null) this.#first = ticket;
    else this.#last.after = ticket;
    this.#last = ticket;
    return ticket;
  }

  /** For the ticket that ends. */
  unlink({ before, after }: WriteTicket): void {
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    this.#onEnd();
  }
}

/**
 * Where one write stands in its session: what makes it safe to send twice, and keeps it in its place however many are
 * under way. Each attempt names the nearest write before it that is waited for by then, and a server carries it out only
 * behind that one. So an attempt is made only once the write before it is under way; and where one was refused since it
 * came too early, once that one is under way anew, or has ended. All that were refused then go one right behind the other.
 */
export class WriteTicket {
  readonly session: Session;
  readonly sequence: number;
  /** Its neighbours among the writes that are waited for: the session's to set. */
  before: WriteTicket | null;
  after: WriteTicket | null = null;
  #attempts = 0;
  #isUnderWay = false;
  #isEnded = false;
  /** What the latest attempt was sent behind: the sequence, 0 for none, and how many attempts that one had had by then. */
  #behind = 0;
  #attemptsBehind = 0;
  /** Whether the latest attempt was refused since it came too early. */
  #isEarly = false;
  #wake: (() => void) | null = null;

  constructor(session: Session, sequence: number, before: WriteTicket | null) {
    this.session = session;
    this.sequence = sequence;
    this.before = before;
  }

  /** Whether an attempt may be made. */
  get isItsTurn(): boolean {
    const { before } = this;
    if (before === null) return true;
    if (!before.#isUnderWay) return false;
    const isBehindTheSame = before.sequence === this.#behind && before.#attempts === this.#attemptsBehind;
    return !(this.#isEarly && isBehindTheSame);
  }

  /**
   * Waits for its turn.
   *
   * @returns how to wait no longer
   */
  wait(wake: () => void): () => void {
    this.#wake = wake;
    return () => {
      this.#wake = null;
    };
  }

  /**
   * An attempt is made now: the request id for it, as it stands by now, `CLIENT_ID/SEQUENCE/FIRST_UNANSWERED/FOLLOWS`. The
   * next write may go once the attempt has left the hands of the caller, so it must do so in this turn.
   */
  send(): string {
    const { before, sequence } = this;
    this.#behind = before === null ? 0 : before.sequence;
    this.#attemptsBehind = before === null ? 0 : before.#attempts;
    this.#isEarly = false;
    this.#isUnderWay = true;
    this.#attempts += 1;
    if (this.after !== null) this.after.#look();
    const { clientId, firstUnanswered } = this.session;
    return `${clientId}/${sequence}/${firstUnanswered}/${this.#behind}`;
  }

  /**
   * The attempt failed.
   *
   * @returns true when it came too early: the next is due when it is its turn
   */
  failed(reason: Reason): boolean {
    this.#isUnderWay = false;
    this.#isEarly = reason === "OUT_OF_ORDER" && this.#behind !== 0;
    return this.#isEarly;
  }

  /** Its answer has arrived, or nobody waits for it any more. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const { after } = this;
    this.session.unlink(this);
    this.before = null;
    this.after = null;
    if (after !== null) after.#look();
  }

  #look(): void {
    if (this.#wake !== null && this.isItsTurn) this.#wake();
  }
}
