import { CallingConnection, type CallingConnectionOptions } from "./calling-connection";

/** How long after a failed attempt nothing is tried: a node that is restarted is found soon, one that is gone costs little. */
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1000;
const BACKOFF_GROWTH = 1.6;

/** Time and chance, handed in. */
export interface LinkTiming {
  /** Milliseconds of a clock that only runs forward. */
  nowMs(): number;
  /** Runs `task` once after `delayMs`; the returned function takes that back. */
  schedule(delayMs: number, task: () => void): () => void;
  /** A number of at least 0 and below 1. */
  random(): number;
}

export interface LinkOptions {
  readonly connection: CallingConnectionOptions;
  /** How long an attempt to connect may take. */
  readonly connectTimeoutMs: number;
  readonly timing: LinkTiming;
  /** What whoever waits for a connection is told where there is none, so that nothing was sent. @param why in words */
  readonly unreachable: (why: string) => Error;
}

/** An attempt to connect that is under way. */
interface Attempt {
  readonly connected: Promise<CallingConnection>;
  /** Ends it as failed. */
  fail(why: string): void;
}

/** The one connection to an address: made when it is first needed, and anew after it was lost. */
export class Link {
  private readonly options: LinkOptions;
  private connection: CallingConnection | null = null;
  private attempt: Attempt | null = null;
  private failures = 0;
  private notBeforeMs = 0;
  /** null as long as it is open. */
  private closedWhy: string | null = null;

  constructor(options: LinkOptions) {
    this.options = options;
  }

  /** The connection, if it can carry a call now. */
  get ready(): CallingConnection | null {
    const { connection } = this;
    return connection?.isReady === true ? connection : null;
  }

  /**
   * The connection once it is ready: one attempt for all that wait for it, within the time of the first. Rejects with what
   * `unreachable` makes.
   *
   * @param timeoutMs how long an attempt that begins now may take at most
   */
  connected(timeoutMs = Number.POSITIVE_INFINITY): Promise<CallingConnection> {
    const { ready } = this;
    if (ready !== null) return Promise.resolve(ready);
    const { connectTimeoutMs, timing, unreachable } = this.options;
    if (this.closedWhy !== null) return Promise.reject(unreachable(this.closedWhy));
    if (this.attempt === null) {
      if (timing.nowMs() < this.notBeforeMs) return Promise.reject(unreachable("nothing answers there"));
      this.attempt = this.begin(Math.min(connectTimeoutMs, timeoutMs));
    }
    return this.attempt.connected;
  }

  /** Calls under way go on to their end; those that wait for a connection fail. Safe to call twice. @param why in words */
  close(why: string): void {
    this.closedWhy = why;
    this.attempt?.fail(why);
    this.connection?.close();
    this.connection = null;
  }

  private begin(timeoutMs: number): Attempt {
    const { timing, unreachable } = this.options;
    const { promise, resolve, reject } = promised<CallingConnection>();
    const connection = new CallingConnection(this.options.connection, {
      ready: () => {
        end();
        this.failures = 0;
        this.connection = connection;
        resolve(connection);
      },
      closed: () => {
        if (this.connection === connection) this.connection = null;
        if (this.attempt === attempt) fail("nothing answers there");
      },
    });
    const end = (): void => {
      cancelTimer();
      this.attempt = null;
    };
    const fail = (why: string): void => {
      end();
      this.waitAfterFailure();
      connection.destroy();
      reject(unreachable(why));
    };
    // A process that is paused lets itself be connected to, and says nothing.
    const cancelTimer = timing.schedule(timeoutMs, () =>
      fail(`no connection within ${Math.round(timeoutMs)} ms`),
    );
    const attempt: Attempt = { connected: promise, fail };
    return attempt;
  }

  private waitAfterFailure(): void {
    const { timing } = this.options;
    const fullMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * BACKOFF_GROWTH ** Math.min(this.failures, 20));
    this.failures += 1;
    // A fifth by chance, so that the clients of a node that is back do not all come at once.
    this.notBeforeMs = timing.nowMs() + fullMs * (0.8 + 0.4 * timing.random());
  }
}

function promised<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (failure: Error) => void = () => undefined;
  const promise = new Promise<T>((settle, refuse) => {
    resolve = settle;
    reject = refuse;
  });
  return { promise, resolve, reject };
}
