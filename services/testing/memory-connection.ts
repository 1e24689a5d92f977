import { type AttemptOptions, type Connection, type Method, QuorateError } from "@quorate/client";
import { LazyHeaders } from "@quorate/services/forward";
import type { ClusterTime } from "./cluster-time";
import { duplexTo } from "./memory-duplex";
import type { MemoryEndpoint, WireCall } from "./memory-endpoint";
import { MessageQueue } from "./message-queue";

/** Finds the services behind an address, or why there are none. */
export type FindEndpoint = (address: string) => MemoryEndpoint | { readonly absent: string };

/** The typed client's way to a node of this process: the same bytes and failures as over gRPC, without a socket. */
export class MemoryConnection implements Connection {
  private isClosed = false;

  constructor(
    private readonly address: string,
    private readonly find: FindEndpoint,
    private readonly time: ClusterTime,
  ) {}

  async unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: AttemptOptions,
  ): Promise<Response> {
    const endpoint = this.endpoint();
    const wire = wireCall(
      method.path,
      method.requestType.encode(request).finish(),
      options,
      options.timeoutMs,
    );
    try {
      return method.responseType.decode(await endpoint.unary(wire));
    } catch (failure) {
      throw QuorateError.from(failure);
    }
  }

  async *serverStream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: AttemptOptions,
  ): AsyncGenerator<Response, void, undefined> {
    const endpoint = this.endpoint();
    const leaving = new AbortController();
    const leave = (): void => leaving.abort();
    options.signal?.addEventListener("abort", leave);
    if (options.signal?.aborted === true) leave();
    const body = method.requestType.encode(request).finish();
    const wire = { ...wireCall(method.path, body, options, null), cancelling: leaving.signal };
    const messages = new MessageQueue(this.time, options.timeoutMs);
    endpoint
      .stream(wire, (message) => messages.push(message))
      .then(
        () => messages.end(null),
        (failure: unknown) => messages.end(QuorateError.from(failure)),
      );
    try {
      for await (const message of messages) yield method.responseType.decode(message);
    } finally {
      options.signal?.removeEventListener("abort", leave);
      leave();
    }
  }

  async *duplex<Request, Response>(
    method: Method<Request, Response>,
    requests: AsyncIterable<Request>,
    options: AttemptOptions,
  ): AsyncGenerator<Response, void, undefined> {
    const endpoint = this.endpoint();
    const wire = wireCall(method.path, NO_BODY, options, null);
    const { time } = this;
    const answers = duplexTo(endpoint, wire, encoded(method.requestType, requests), {
      time,
      cancelling: options.signal,
    });
    try {
      for await (const answer of answers) yield method.responseType.decode(answer);
    } catch (failure) {
      throw QuorateError.from(failure);
    }
  }

  close(): void {
    this.isClosed = true;
  }

  private endpoint(): MemoryEndpoint {
    if (this.isClosed) throw this.unreachable("the client was closed");
    const endpoint = this.find(this.address);
    if ("absent" in endpoint) throw this.unreachable(endpoint.absent);
    return endpoint;
  }

  private unreachable(why: string): QuorateError {
    return new QuorateError(`cannot reach ${this.address}: ${why}`, {
      code: "UNAVAILABLE",
      retryable: true,
      outcome: "not_applied",
    });
  }
}

const NO_BODY = new Uint8Array(0);

function encoded<Request>(
  type: Method<Request, unknown>["requestType"],
  requests: AsyncIterable<Request>,
): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => {
      const source = requests[Symbol.asyncIterator]();
      return {
        next: async () => {
          const { value, done } = await source.next();
          return done === true
            ? { value: undefined, done }
            : { value: type.encode(value).finish(), done: false };
        },
        return: async () => {
          await source.return?.();
          return { value: undefined, done: true };
        },
      };
    },
  };
}

function wireCall(
  path: string,
  body: Uint8Array,
  options: AttemptOptions,
  timeoutMs: number | null,
): WireCall {
  const metadata = new Map(Object.entries(options.metadata));
  const headers = new LazyHeaders({ header: (name) => metadata.get(name) ?? null });
  return { path, body, headers, timeoutMs, cancelling: options.signal, caller: "a client of this process" };
}
