import { setMaxListeners } from "node:events";
import { keepable } from "@quorate/proto/http2";
import { type CallContext, Metadata, ServerError, Status } from "nice-grpc-common";
import { type CallHandler, type CallStatus, readRequest, type ServerCall } from "#grpc";

/*
 * Serves implementations written for nice-grpc on the server that carries bytes: reflection comes as a package of that kind,
 * health is written alike, and one port has room for one server.
 */

/** How the messages of a method are read and written. */
export interface MessageCodec<Request, Response> {
  decode(bytes: Uint8Array): Request;
  encode(response: Response): Uint8Array;
}

export function unaryHandler<Request, Response>(
  { decode, encode }: MessageCodec<Request, Response>,
  implementation: (request: Request, context: CallContext) => Promise<Response>,
): CallHandler {
  return (call) => {
    const ended = new AbortController();
    readRequest(call, {
      request: (body) => {
        const answer = async (): Promise<Response> =>
          implementation(decode(body), contextOf(call, ended.signal));
        answer().then(
          (response) => call.answer(encode(response)),
          (error: unknown) => call.fail(statusOf(error)),
        );
      },
      cancelled: () => ended.abort(),
    });
    call.endAtDeadline();
  };
}

/** @param stopping aborted when the server shuts down: ends streams that would never end by themselves */
export function serverStreamHandler<Request, Response>(
  { decode, encode }: MessageCodec<Request, Response>,
  implementation: (request: Request, context: CallContext) => AsyncIterable<Response>,
  stopping: AbortSignal,
): CallHandler {
  return (call) => {
    const answers = new Answers(call, stopping);
    readRequest(call, {
      request: (body) =>
        answers.send(async function* () {
          for await (const answer of implementation(decode(body), contextOf(call, answers.ended))) {
            yield encode(answer);
          }
        }),
      cancelled: () => answers.stop(),
      drained: () => answers.goOn(),
    });
    call.endAtDeadline();
  };
}

export function bidiStreamHandler<Request, Response>(
  { decode, encode }: MessageCodec<Request, Response>,
  implementation: (requests: AsyncIterable<Request>, context: CallContext) => AsyncIterable<Response>,
  stopping: AbortSignal,
): CallHandler {
  return (call) => {
    const answers = new Answers(call, stopping);
    const requests = new Requests(call, answers.ended);
    call.listen({
      message: (bytes) => requests.push(bytes),
      end: () => requests.end(),
      cancelled: () => answers.stop(),
      drained: () => answers.goOn(),
    });
    call.endAtDeadline();
    answers.send(async function* () {
      const decoded = async function* () {
        for await (const bytes of requests) yield decode(bytes);
      };
      for await (const answer of implementation(decoded(), contextOf(call, answers.ended))) {
        yield encode(answer);
      }
    });
  };
}

/** The requests of a stream, as they are taken. They end where the call does. */
class Requests implements AsyncIterable<Buffer> {
  private readonly waiting: Buffer[] = [];
  private hasEnded = false;
  private wake: () => void = () => {};

  constructor(
    private readonly call: Pick<ServerCall, "pause" | "resume">,
    private readonly ended: AbortSignal,
  ) {
    ended.addEventListener("abort", () => this.wake(), { once: true });
  }

  push(bytes: Buffer): void {
    this.waiting.push(keepable(bytes));
    this.call.pause();
    this.wake();
  }

  end(): void {
    this.hasEnded = true;
    this.wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      const bytes = this.waiting.shift();
      if (bytes !== undefined) {
        yield bytes;
        continue;
      }
      if (this.hasEnded || this.ended.aborted) return;
      const woken = new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.call.resume();
      await woken;
    }
  }
}

/** The answers of a stream, written no faster than they are taken. */
class Answers {
  private readonly ending = new AbortController();
  private readonly stopping: AbortSignal;
  private readonly call: ServerCall;
  private readonly end = (): void => this.ending.abort();
  private wake: () => void = () => {};

  constructor(call: ServerCall, stopping: AbortSignal) {
    this.call = call;
    this.stopping = stopping;
    // One listener a stream, of which there may be many.
    setMaxListeners(0, stopping);
    if (stopping.aborted) this.end();
    else stopping.addEventListener("abort", this.end);
    this.ended.addEventListener("abort", () => this.wake(), { once: true });
  }

  /** Aborted when nobody listens any more, or the server shuts down. */
  get ended(): AbortSignal {
    return this.ending.signal;
  }

  send(answers: () => AsyncIterable<Uint8Array>): void {
    this.pump(answers).then(
      () => this.call.end(),
      (error: unknown) => this.call.fail(this.ended.aborted ? SHUTTING_DOWN : statusOf(error)),
    );
  }

  /** Nobody listens any more. */
  stop(): void {
    this.stopping.removeEventListener("abort", this.end);
    this.end();
  }

  /** The transport has room again. */
  goOn(): void {
    this.wake();
  }

  private async pump(answers: () => AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const answer of answers()) {
        if (this.ended.aborted) break;
        if (this.call.write(answer)) continue;
        await new Promise<void>((resolve) => {
          this.wake = resolve;
          if (this.ended.aborted) resolve();
        });
      }
    } finally {
      this.stopping.removeEventListener("abort", this.end);
    }
  }
}

const SHUTTING_DOWN: CallStatus = { code: Status.UNAVAILABLE, details: "shutting down" };

function contextOf({ peer }: ServerCall, signal: AbortSignal): CallContext {
  return {
    metadata: Metadata(),
    peer,
    header: Metadata(),
    trailer: Metadata(),
    sendHeader: () => {},
    signal,
  };
}

function statusOf(error: unknown): CallStatus {
  if (error instanceof ServerError) return { code: error.code as number, details: error.details };
  return { code: Status.INTERNAL, details: "the server failed" };
}
