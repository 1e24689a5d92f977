import {
  type AttemptOptions,
  type ClientOptions,
  type Connect,
  type Method,
  Quorate,
  QuorateError,
} from "@quorate/client";
import { VirtualTiming } from "./virtual-timing";

/** One attempt as an endpoint saw it. */
export interface Attempt {
  readonly address: string;
  /** Such as "Put". */
  readonly method: string;
  readonly requestId: string | undefined;
  readonly traceparent: string | undefined;
  readonly request: unknown;
  readonly timeoutMs: number;
  readonly atMs: number;
}

/** How an endpoint answers an attempt: with fields of the reply, with a failure, or ("silence") not at all. */
export type Answer = (attempt: Attempt) => object | QuorateError | "silence";

/** Serves a stream both ways: gets what the client sends as it sends it, and yields what the endpoint answers. */
export type Dialogue = (attempt: Attempt, requests: AsyncIterable<unknown>) => AsyncIterable<unknown>;

/** A client over endpoints that answer as a test says, in virtual time. */
export class ScriptedEndpoints {
  readonly timing = new VirtualTiming();
  readonly attempts: Attempt[] = [];
  /** The addresses whose connections were closed, in order. */
  readonly closed: string[] = [];
  readonly client: Quorate;
  answer: Answer;
  dialogue: Dialogue = async function* () {
    yield await Promise.reject(new QuorateError("no streams here", { code: "UNIMPLEMENTED" }));
  };

  /** Unless the options say otherwise, the endpoints see the calls of the test alone: no members are asked for. */
  constructor(addresses: string, answer: Answer, options: Omit<ClientOptions, "endpoints"> = {}) {
    this.answer = answer;
    const connect: Connect = (address) => ({
      unary: <Request, Response>(
        method: Method<Request, Response>,
        request: Request,
        attempt: AttemptOptions,
      ) => this.#unary<Response>(address, method.path, request, attempt),
      serverStream: <Request, Response>(
        method: Method<Request, Response>,
        request: Request,
        attempt: AttemptOptions,
      ) => this.#stream<Response>(address, method.path, request, attempt),
      duplex: <Request, Response>(
        method: Method<Request, Response>,
        requests: AsyncIterable<Request>,
        attempt: AttemptOptions,
      ) => this.#duplex<Response>(address, method.path, requests, attempt),
      close: () => {
        this.closed.push(address);
      },
    });
    this.client = new Quorate(
      { endpoints: addresses, followMembers: false, ...options },
      { timing: this.timing, connect },
    );
  }

  /** The attempts of one method. */
  of(method: string): readonly Attempt[] {
    return this.attempts.filter((attempt) => attempt.method === method);
  }

  /** What a call that must fail fails with. */
  async failure(call: Promise<unknown>): Promise<QuorateError> {
    return this.timing.drive(
      call.then(
        () => Promise.reject(new Error("the call succeeded")),
        (error: unknown) => QuorateError.from(error),
      ),
    );
  }

  async #unary<Response>(
    address: string,
    path: string,
    request: unknown,
    options: AttemptOptions,
  ): Promise<Response> {
    const answer = this.answer(this.#record(address, path, request, options));
    if (answer instanceof QuorateError) throw answer;
    if (answer === "silence") await this.#silence(options);
    return answer as Response;
  }

  async *#stream<Response>(
    address: string,
    path: string,
    request: unknown,
    options: AttemptOptions,
  ): AsyncGenerator<Response, void, undefined> {
    const parts = this.answer(this.#record(address, path, request, options));
    if (parts instanceof QuorateError) throw parts;
    for (const part of parts as readonly (Response | QuorateError)[]) {
      if (part instanceof QuorateError) throw part;
      yield part;
    }
  }

  async *#duplex<Response>(
    address: string,
    path: string,
    requests: AsyncIterable<unknown>,
    options: AttemptOptions,
  ): AsyncGenerator<Response, void, undefined> {
    const { signal } = options;
    const cancelled = new Promise<never>((_, reject) => {
      signal?.addEventListener("abort", () => reject(new QuorateError("cancelled", { code: "CANCELLED" })));
    });
    // It may be that nobody waits for it.
    cancelled.catch(() => undefined);
    const answers = this.dialogue(this.#record(address, path, null, options), requests)[
      Symbol.asyncIterator
    ]();
    for (;;) {
      const next = await Promise.race([answers.next(), cancelled]);
      if (next.done === true) return;
      yield next.value as Response;
    }
  }

  #record(address: string, path: string, request: unknown, options: AttemptOptions): Attempt {
    const attempt = {
      address,
      method: path.slice(path.lastIndexOf("/") + 1),
      requestId: options.metadata["quorate-request-id"],
      traceparent: options.metadata.traceparent,
      request,
      timeoutMs: options.timeoutMs,
      atMs: this.timing.nowMs(),
    };
    this.attempts.push(attempt);
    return attempt;
  }

  #silence({ timeoutMs, signal }: AttemptOptions): Promise<never> {
    return new Promise((_, reject) => {
      this.timing.schedule(timeoutMs, () =>
        reject(
          new QuorateError("late", {
            code: "DEADLINE_EXCEEDED",
            reason: "DEADLINE_EXCEEDED",
            retryable: true,
          }),
        ),
      );
      signal?.addEventListener("abort", () => reject(new QuorateError("cancelled", { code: "CANCELLED" })));
    });
  }
}

export const HEADER = { clusterId: "c", memberId: "n1", term: 1n, revision: 7n };

/** Answers that a healthy node gives to calls of sessions; null for other calls. */
export function sessionAnswer(method: string): object | null {
  if (method === "OpenSession") return { header: HEADER, clientId: 42n, ttlMs: 3_600_000n };
  return method === "CloseSession" ? { header: HEADER } : null;
}

export const noLeader = new QuorateError("no leader is known", {
  code: "UNAVAILABLE",
  reason: "NO_LEADER",
  retryable: true,
  outcome: "not_applied",
});

export const connectionLost = new QuorateError("connection dropped", {
  code: "UNAVAILABLE",
  retryable: true,
});

export const sessionExpired = new QuorateError("no session has this client id", {
  code: "FAILED_PRECONDITION",
  reason: "SESSION_EXPIRED",
  outcome: "not_applied",
});
