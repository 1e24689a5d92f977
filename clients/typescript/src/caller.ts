import type { CallPlan } from "./call-plan";
import type { Endpoint, EndpointPool } from "./endpoint-pool";
import { QuorateError, type Reason } from "./errors";
import { patiently } from "./patience";
import { leavesOutcomeOpen, Repetition } from "./repetition";
import type { WriteTicket } from "./session";
import type { Sessions } from "./sessions";
import type { Timing } from "./timing";
import { type ClientTracer, inSpan } from "./tracing";
import type { Method } from "./transport";

/** Makes calls: over the endpoints in turn, repeated until the deadline, each write with one request id throughout. */
export class Caller {
  readonly #pool: EndpointPool;
  readonly #timing: Timing;
  readonly #tracer: ClientTracer | undefined;

  constructor(pool: EndpointPool, timing: Timing, tracer?: ClientTracer) {
    this.#pool = pool;
    this.#timing = timing;
    this.#tracer = tracer;
  }

  /** A call that may be sent any number of times. */
  read<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    plan: CallPlan,
  ): Promise<Response> {
    return this.readAs(method, request, plan, asIs<Response>);
  }

  /** The same. @param take makes of the answer what the call resolves with */
  readAs<Request, Response, Result>(
    method: Method<Request, Response>,
    request: Request,
    plan: CallPlan,
    take: (response: Response) => Result,
  ): Promise<Result> {
    if (this.#tracer === undefined) return this.#read(method, request, plan, take);
    return inSpan(this.#tracer, method, plan, (traced) => this.#read(method, request, traced, take));
  }

  /** A call that changes something, under a request id, so that sending it again does not do it again. */
  write<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    plan: CallPlan,
    sessions: Sessions,
    namespace: string,
  ): Promise<Response> {
    return this.writeAs(method, request, plan, { sessions, namespace, take: asIs<Response> });
  }

  /** The same, with what makes of the answer what the call resolves with. */
  writeAs<Request, Response, Result>(
    method: Method<Request, Response>,
    request: Request,
    plan: CallPlan,
    write: SessionWrite<Response, Result>,
  ): Promise<Result> {
    if (this.#tracer === undefined) return this.#write(method, request, plan, write);
    return inSpan(this.#tracer, method, plan, (traced) => this.#write(method, request, traced, write));
  }

  /**
   * A call that changes something and has no request id: sent again only where nothing can have come of it.
   *
   * @throws QuorateError with outcome "unknown" when it may have been carried out
   */
  change<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    plan: CallPlan,
  ): Promise<Response> {
    if (this.#tracer === undefined) return this.#change(method, request, plan);
    return inSpan(this.#tracer, method, plan, (traced) => this.#change(method, request, traced));
  }

  /** Nearly every write is done with its first attempt, which takes no async function: each costs as much as to encode it. */
  #write<Request, Response, Result>(
    method: Method<Request, Response>,
    request: Request,
    plan: CallPlan,
    { sessions, namespace, take }: SessionWrite<Response, Result>,
  ): Promise<Result> {
    const repetition = new Repetition(this.#pool, this.#timing, plan);
    const ticket = sessions.tryBegin(namespace);
    const goOn = (begun: Attempt<Response> | null): Promise<Response> =>
      this.#repeatInSession(method, request, plan, sessions, namespace, { repetition, ticket, begun });
    if (ticket?.isItsTurn !== true || this.#isGivenUp(plan)) return goOn(null).then(take);
    const begun = this.#begin(method, request, plan, repetition.firstAttemptMs, ticket);
    return begun.answer.then(
      (response) => {
        ticket.end();
        return take(response);
      },
      () => goOn(begun).then(take),
    );
  }

  async #repeatInSession<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    plan: CallPlan,
    sessions: Sessions,
    namespace: string,
    first: {
      readonly repetition: Repetition;
      readonly ticket: WriteTicket | undefined;
      readonly begun: Attempt<Response> | null;
    },
  ): Promise<Response> {
    const { repetition } = first;
    let { begun } = first;
    let ticket = first.ticket ?? (await sessions.begin(namespace, repetition));
    try {
      for (;;) {
        try {
          return await this.#repeatInOrder(method, request, plan, repetition, ticket, begun);
        } catch (thrown) {
          const error = QuorateError.from(thrown);
          const isLost = error.reason === "SESSION_EXPIRED";
          if (isLost) sessions.expired(namespace, ticket);
          if (!isLost || repetition.maybeApplied || repetition.remainingMs <= 0) {
            const open = repetition.maybeApplied && !settles(error, namespace);
            throw error.withOutcome(open ? "unknown" : "not_applied");
          }
        }
        // Nothing was applied under the lost session, so the write can begin anew under the next one.
        ticket = await sessions.beginAnew(namespace, ticket, repetition);
        begun = null;
      }
    } finally {
      ticket.end();
    }
  }

  /**
   * Each attempt under the request id as it stands by then, and not before it is the write's turn.
   *
   * @param begun the first one, where it is under way or over
   */
  async #repeatInOrder<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    plan: CallPlan,
    repetition: Repetition,
    ticket: WriteTicket,
    begun: Attempt<Response> | null,
  ): Promise<Response> {
    for (let attempt = begun; ; attempt = null) {
      if (attempt === null) {
        while (!ticket.isItsTurn) await this.#turnOf(ticket, repetition);
        repetition.throwIfGivenUp();
        attempt = this.#begin(method, request, plan, repetition.attemptMs(), ticket);
      }
      try {
        return await attempt.answer;
      } catch (thrown) {
        const error = QuorateError.from(thrown);
        repetition.note(error);
        if (!ticket.failed(error.reason)) await repetition.afterFailure(error, attempt.address);
      }
    }
  }

  /** An attempt, as a write's where there is a ticket. */
  #begin<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    plan: CallPlan,
    timeoutMs: number,
    ticket: WriteTicket | null,
  ): Attempt<Response> {
    const { address, connection } = this.#endpointOf(plan);
    const answer = connection.unary(method, request, {
      metadata:
        ticket === null ? (plan.metadata ?? NO_METADATA) : withRequestId(plan.metadata, ticket.send()),
      timeoutMs,
      signal: plan.signal,
    });
    return { answer, address };
  }

  #turnOf(ticket: WriteTicket, repetition: Repetition): Promise<void> {
    const what = (): string => "the writes before it";
    return patiently<void>(this.#timing, repetition, what, ({ take }) => ticket.wait(take));
  }

  async #change<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    plan: CallPlan,
  ): Promise<Response> {
    const repetition = new Repetition(this.#pool, this.#timing, plan);
    for (;;) {
      repetition.throwIfGivenUp();
      const endpoint = this.#endpointOf(plan);
      try {
        return await endpoint.connection.unary(method, request, {
          metadata: plan.metadata ?? NO_METADATA,
          // All that is left: cut short, it would end in doubt.
          timeoutMs: Math.max(1, repetition.remainingMs),
          signal: plan.signal,
        });
      } catch (thrown) {
        const error = QuorateError.from(thrown);
        if (!UNBEGUN_REASONS.has(error.reason) && leavesOutcomeOpen(error))
          throw error.withOutcome("unknown");
        await repetition.afterFailure(error.withOutcome("not_applied"), endpoint.address);
      }
    }
  }

  /** As #write(). */
  #read<Request, Response, Result>(
    method: Method<Request, Response>,
    request: Request,
    plan: CallPlan,
    take: (response: Response) => Result,
  ): Promise<Result> {
    const repetition = new Repetition(this.#pool, this.#timing, plan);
    const goOn = (begun: Attempt<Response> | null): Promise<Response> =>
      this.#repeat(method, request, plan, repetition, begun);
    if (this.#isGivenUp(plan)) return goOn(null).then(take);
    const begun = this.#begin(method, request, plan, repetition.firstAttemptMs, null);
    return begun.answer.then(take, () => goOn(begun).then(take));
  }

  /** @param begun the first attempt, where it is under way or over */
  async #repeat<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    plan: CallPlan,
    repetition: Repetition,
    begun: Attempt<Response> | null,
  ): Promise<Response> {
    for (let attempt = begun; ; attempt = null) {
      if (attempt === null) {
        repetition.throwIfGivenUp();
        attempt = this.#begin(method, request, plan, repetition.attemptMs(), null);
      }
      try {
        return await attempt.answer;
      } catch (thrown) {
        await repetition.afterFailure(QuorateError.from(thrown), attempt.address);
      }
    }
  }

  /** Whether there is no first attempt: to say why is left to who makes the others. */
  #isGivenUp({ signal }: CallPlan): boolean {
    return signal?.aborted === true || this.#pool.isClosed;
  }

  #endpointOf({ address }: CallPlan): Endpoint {
    return address === undefined
      ? this.#pool.current()
      : { address, connection: this.#pool.connectionTo(address) };
  }
}

/** An attempt at a call that was made. */
interface Attempt<Response> {
  readonly answer: Promise<Response>;
  readonly address: string;
}

/** The session that a write is in, by its namespace, and what makes of its answer what it resolves with. */
interface SessionWrite<Response, Result> {
  readonly sessions: Sessions;
  readonly namespace: string;
  readonly take: (response: Response) => Result;
}

function asIs<Response>(response: Response): Response {
  return response;
}

type CallMetadata = Readonly<Record<string, string>>;

const NO_METADATA: CallMetadata = {};

function withRequestId(metadata: CallMetadata | undefined, requestId: string): CallMetadata {
  return metadata === undefined
    ? { "quorate-request-id": requestId }
    : { ...metadata, "quorate-request-id": requestId };
}

/** What a server says before it looks at a call. */
const UNBEGUN_REASONS: ReadonlySet<Reason> = new Set<Reason>([
  "NOT_LEADER",
  "NO_LEADER",
  "SHUTTING_DOWN",
  "UNREACHABLE",
]);

/** Answers of the state machine to the request id itself: they hold for all attempts that bore it. */
const SETTLING_REASONS: ReadonlySet<Reason> = new Set<Reason>([
  "CONDITION_FAILED",
  "NOT_AN_INTEGER",
  "INTEGER_OVERFLOW",
  "TOO_LARGE",
  "QUOTA_EXCEEDED",
  "UNKNOWN_LEASE",
  "NAMESPACE_EXISTS",
  "TOO_MANY_NAMESPACES",
  "TOO_MANY_LEASES",
  "PERMANENT_NAMESPACE",
  "COMPACTED",
  "FUTURE_REVISION",
]);

/**
 * A namespace that is not there has no sessions, so of a write to it that says nothing about earlier attempts: they may
 * have been applied before it was deleted. The default one is always there: where its session is told of an unknown
 * namespace, that was named by the call.
 */
function settles({ reason }: QuorateError, sessionNamespace: string): boolean {
  if (reason === "UNKNOWN_NAMESPACE") return sessionNamespace === "" || sessionNamespace === "default";
  return SETTLING_REASONS.has(reason);
}
