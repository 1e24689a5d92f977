import { Answers, type CallingConnection, Link, Sending } from "@quorate/proto/calling";
import { QuorateError } from "./errors";
import { sendAlone } from "./lone-call";
import { type CallEnd, OutgoingCall } from "./pipeline/outgoing-call";
import { PipelinedCalls } from "./pipeline/pipelined-calls";
import { failureOfEnd } from "./pipeline/stream-failure";
import { systemTiming } from "./timing";
import type { AttemptOptions, Connection, Method } from "./transport";

/** The longest message that is sent or taken: the server's request limit plus room for larger configured limits. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** With the 64 KiB of HTTP/2 a page of a scan would stop several times until its window is opened again, which wakes both ends. */
const WINDOW_BYTES = 1024 * 1024;

const KEEPALIVE = { timeMs: 10_000, timeoutMs: 3000 };

/** How unary calls travel: together on one stream, or each by itself. */
export type CallTransport = "pipeline" | "unary";

/** One connection to one endpoint, unencrypted, for calls of all kinds. */
export class GrpcConnection implements Connection {
  readonly #address: string;
  readonly #link: Link;
  readonly #pipelined: PipelinedCalls | null;

  /**
   * @param connectTimeoutMs how long an attempt to connect may take
   * @param transport how unary calls travel; those that a server refuses on a stream go by themselves all the same
   */
  constructor(address: string, connectTimeoutMs: number, transport: CallTransport = "pipeline") {
    this.#address = address;
    this.#link = new Link({
      connection: {
        address,
        messageBytesMax: MESSAGE_BYTES_MAX,
        keepalive: KEEPALIVE,
        isProbedWhenIdle: false,
        windows: { callBytes: WINDOW_BYTES, connectionBytes: WINDOW_BYTES },
      },
      connectTimeoutMs,
      timing: systemTiming,
      unreachable: (why) => this.#unreachable(why),
    });
    this.#pipelined =
      transport === "pipeline"
        ? new PipelinedCalls(systemTiming, (...sent) => this.#sendAlone(...sent))
        : null;
  }

  unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: AttemptOptions,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const deadlineAtMs = systemTiming.nowMs() + options.timeoutMs;
      const end = { resolve, reject } as CallEnd;
      this.#send(new OutgoingCall(method as Method<unknown, unknown>, request, options, deadlineAtMs, end));
    });
  }

  async *serverStream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: AttemptOptions,
  ): AsyncGenerator<Response, void, undefined> {
    const connection = this.#link.ready ?? (await this.#link.connected(options.timeoutMs));
    const { signal } = options;
    if (signal?.aborted === true) throw givenUp();
    const answers = new Answers(failureOfEnd);
    const stream = connection.call(method.path, options.metadata, answers);
    answers.begin(stream);
    stream.end(method.requestType.encode(request).finish());
    const cancel = () => answers.fail(cancelled());
    signal?.addEventListener("abort", cancel);
    try {
      for (;;) {
        const answer = await within(options.timeoutMs, answers.next());
        if (answer === null) return;
        yield method.responseType.decode(answer);
      }
    } catch (failure) {
      throw QuorateError.from(failure);
    } finally {
      signal?.removeEventListener("abort", cancel);
      stream.cancel();
    }
  }

  async *duplex<Request, Response>(
    method: Method<Request, Response>,
    requests: AsyncIterable<Request>,
    options: AttemptOptions,
  ): AsyncGenerator<Response, void, undefined> {
    const connection = this.#link.ready ?? (await this.#link.connected(options.timeoutMs));
    const { signal } = options;
    if (signal?.aborted === true) throw givenUp();
    const answers = new Answers(failureOfEnd);
    const stream = connection.call(method.path, options.metadata, answers);
    answers.begin(stream);
    const cancel = () => answers.fail(cancelled());
    signal?.addEventListener("abort", cancel);
    const encoded = (request: Request) => method.requestType.encode(request).finish();
    const sending = new Sending(stream, requests, encoded, (thrown) =>
      answers.fail(QuorateError.from(thrown)),
    );
    sending.begin();
    try {
      for (let answer = await answers.next(); answer !== null; answer = await answers.next()) {
        yield method.responseType.decode(answer);
      }
    } catch (failure) {
      throw QuorateError.from(failure);
    } finally {
      signal?.removeEventListener("abort", cancel);
      sending.stop();
      stream.cancel();
    }
  }

  close(): void {
    this.#pipelined?.retire();
    this.#link.close("the client was closed");
  }

  /** Sends a call by whichever way it is to take, once there is a connection. Never throws. */
  #send(call: OutgoingCall): void {
    if (call.isOver) return;
    if (call.body.length > MESSAGE_BYTES_MAX) {
      call.fail(tooLong(call.body.length));
      return;
    }
    const connection = this.#link.ready;
    if (connection === null) {
      // The stream may be on a connection that its server is about to close.
      this.#pipelined?.retire();
      this.#link.connected(call.deadlineAtMs - systemTiming.nowMs()).then(
        (connected) => this.#sendOn(connected, call),
        (thrown: unknown) => call.fail(QuorateError.from(thrown)),
      );
    } else {
      this.#sendOn(connection, call);
    }
  }

  #sendOn(connection: CallingConnection, call: OutgoingCall): void {
    if (call.isOver) return;
    try {
      if (this.#pipelined?.carries(call) === true) this.#pipelined.send(connection, call);
      else sendAlone(connection, call);
    } catch (thrown) {
      this.#failUnsent(call, thrown);
    }
  }

  #sendAlone(connection: CallingConnection, call: OutgoingCall): void {
    try {
      sendAlone(connection, call);
    } catch (thrown) {
      this.#failUnsent(call, thrown);
    }
  }

  /** The connection has ended since it was ready. */
  #failUnsent(call: OutgoingCall, thrown: unknown): void {
    call.fail(this.#unreachable((thrown as Error).message));
  }

  #unreachable(why: string): QuorateError {
    return new QuorateError(`cannot reach ${this.#address}: ${why}`, {
      code: "UNAVAILABLE",
      retryable: true,
      outcome: "not_applied",
    });
  }
}

function givenUp(): QuorateError {
  return new QuorateError("the call was given up", { code: "CANCELLED", reason: "CANCELLED" });
}

/** Of a call that has begun. */
function cancelled(): QuorateError {
  return new QuorateError("Cancelled on client", { code: "CANCELLED" });
}

function tooLong(bytes: number): QuorateError {
  return new QuorateError(
    `Attempted to send message with a size larger than ${MESSAGE_BYTES_MAX}: ${bytes}`,
    {
      code: "RESOURCE_EXHAUSTED",
      outcome: "not_applied",
    },
  );
}

/** The promise's value, or DEADLINE_EXCEEDED after `timeoutMs`. */
async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new QuorateError(`nothing arrived for ${Math.round(timeoutMs)} ms`, {
          code: "DEADLINE_EXCEEDED",
          reason: "DEADLINE_EXCEEDED",
          retryable: true,
        }),
      );
    }, timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
