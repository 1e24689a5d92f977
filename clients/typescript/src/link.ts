import { CallingConnection, type CallingConnectionOptions } from "@quorate/proto/calling";
import { QuorateError } from "./errors";
import type { Timing } from "./timing";

/** How long after a failed attempt nothing is tried: a node that is restarted is found soon, one that is gone costs little. */
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1000;
const BACKOFF_GROWTH = 1.6;

/** An attempt to connect that is under way. */
interface Attempt {
  readonly connected: Promise<CallingConnection>;
  /** Ends it as failed. */
  fail(why: string): void;
}

/** The one connection to an endpoint: made when it is first needed, and anew after it was lost. */
export class Link {
  readonly #options: CallingConnectionOptions;
  readonly #connectTimeoutMs: number;
  readonly #timing: Timing;
  #connection: CallingConnection | null = null;
  #attempt: Attempt | null = null;
  #failures = 0;
  #notBeforeMs = 0;
  #isClosed = false;

  /** @param connectTimeoutMs how long an attempt to connect may take */
  constructor(options: CallingConnectionOptions, connectTimeoutMs: number, timing: Timing) {
    this.#options = options;
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#timing = timing;
  }

  /** The connection, if it can carry a call now. */
  get ready(): CallingConnection | null {
    const connection = this.#connection;
    return connection?.isReady === true ? connection : null;
  }

  /**
   * The connection once it is ready: one attempt for all that wait for it, within the time of the first.
   *
   * @throws QuorateError UNAVAILABLE, "not_applied": nothing was sent
   */
  connected(timeoutMs: number): Promise<CallingConnection> {
    const { ready } = this;
    if (ready !== null) return Promise.resolve(ready);
    if (this.#isClosed) return Promise.reject(this.unreachable("the client was closed"));
    if (this.#attempt === null) {
      if (this.#timing.nowMs() < this.#notBeforeMs)
        return Promise.reject(this.unreachable("nothing answers there"));
      this.#attempt = this.#begin(Math.min(this.#connectTimeoutMs, timeoutMs));
    }
    return this.#attempt.connected;
  }

  /** Calls under way go on to their end; those that wait for a connection fail. Safe to call twice. */
  close(): void {
    this.#isClosed = true;
    this.#attempt?.fail("the client was closed");
    this.#connection?.close();
    this.#connection = null;
  }

  unreachable(why: string): QuorateError {
    return new QuorateError(`cannot reach ${this.#options.address}: ${why}`, {
      code: "UNAVAILABLE",
      retryable: true,
      outcome: "not_applied",
    });
  }

  #begin(timeoutMs: number): Attempt {
    const { promise, resolve, reject } = promised<CallingConnection>();
    const connection = new CallingConnection(this.#options, {
      ready: () => {
        end();
        this.#failures = 0;
        this.#connection = connection;
        resolve(connection);
      },
      closed: () => {
        if (this.#connection === connection) this.#connection = null;
        if (this.#attempt === attempt) fail("nothing answers there");
      },
    });
    const end = (): void => {
      cancelTimer();
      this.#attempt = null;
    };
    const fail = (why: string): void => {
      end();
      this.#waitAfterFailure();
      connection.destroy();
      reject(this.unreachable(why));
    };
    // A process that is paused lets itself be connected to, and says nothing.
    const cancelTimer = this.#timing.schedule(timeoutMs, () =>
      fail(`no connection within ${Math.round(timeoutMs)} ms`),
    );
    const attempt: Attempt = { connected: promise, fail };
    return attempt;
  }

  #waitAfterFailure(): void {
    const fullMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * BACKOFF_GROWTH ** Math.min(this.#failures, 20));
    this.#failures += 1;
    // A fifth by chance, so that the clients of a node that is back do not all come at once.
    this.#notBeforeMs = this.#timing.nowMs() + fullMs * (0.8 + 0.4 * this.#timing.random());
  }
}

function promised<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (failure: QuorateError) => void = () => undefined;
  const promise = new Promise<T>((settle, refuse) => {
    resolve = settle;
    reject = refuse;
  });
  return { promise, resolve, reject };
}
