import { ErrorReason } from "@quorate/proto/kv";
import {
  type CallHandler,
  type CallListener,
  type CallWindows,
  GrpcServer,
  readRequest,
  type ServerCall,
} from "#grpc";
import { assert } from "#std";
import { ByteCall, type ByteService, type ByteSink } from "./call";
import { callerLeft, deadlinePassed, shuttingDown } from "./call-failures";
import { LazyHeaders } from "./call-headers";
import type { ClientConnection } from "./connections";
import { EndedCalls, type OnCallEnd } from "./ended-calls";
import { CallFailure } from "./failure";
import { GrpcListener } from "./grpc-listener";
import { IncomingMessages } from "./incoming-messages";
import type { Log } from "./log";
import { ownDeadlineMs } from "./own-deadline";
import { type PipelineLimits, PipelineServing } from "./pipeline-serving";
import { type MethodRoute, methodRoutes, PIPELINE_PATH } from "./routing";
import { StreamSink } from "./stream-sink";

export interface ByteServerOptions {
  readonly service: ByteService;
  readonly log: Log;
  /** What a unary call gets that brings no deadline; a stream that brings none has none. */
  readonly defaultDeadlineMs: number;
  /** Requests above this are refused before they are read whole. */
  readonly messageBytesMax: number;
  /** How often a connection is probed, and how long it may leave that unanswered. */
  readonly keepalive?: { readonly timeMs: number; readonly timeoutMs: number };
  /** How long the caller of a streamed answer to one request may take nothing more of it. */
  readonly stalledMsMax?: number;
  readonly onEnd?: OnCallEnd;
  readonly pipelineLimits?: PipelineLimits;
}

/** Ends a call from outside, as failed. */
type EndCall = (failure: CallFailure) => void;

/** Of a deadline; undefined where that lies too far away to matter. */
type Timer = NodeJS.Timeout | undefined;

/** Begins to serve a call whose request is whole, and stops the timer of its deadline when it has ended. */
type ServeRequest = (call: ByteCall, serverCall: ServerCall, timer: Timer) => EndCall;

const NO_BODY = Buffer.alloc(0);

/**
 * A client that is gone without a word, such as one whose machine lost its power, would keep its watches open for ever:
 * nothing may have to be sent to it.
 */
const KEEPALIVE_DEFAULT = { timeMs: 30_000, timeoutMs: 20_000 };

/**
 * With the 64 KiB that HTTP/2 has by default each second frame of a client with many writes under way would be answered by
 * one that opens the window again, which wakes both ends.
 */
const WINDOWS: CallWindows = { callBytes: 512 * 1024, connectionBytes: 2 * 1024 * 1024 };

/**
 * A scan or a backup reads from a snapshot, which keeps the space of all that is given up meanwhile: a client that lives and
 * has forgotten its stream must not hold that for ever.
 */
const STALLED_MS_MAX_DEFAULT = 5 * 60_000;

/**
 * The public gRPC server of a node or a gateway: every method of the public services as bytes, with deadlines,
 * cancellation and failures handled once for all.
 */
export class ByteServer {
  private readonly options: ByteServerOptions;
  private readonly server: GrpcServer;
  private readonly listener = new GrpcListener();
  /** How each duplex stream that is open is told that the server shuts down. */
  private readonly duplexStreams = new Set<() => void>();
  private readonly pipelines = new Set<PipelineServing>();
  private readonly ended: EndedCalls;
  private streamCount = 0;
  private cutCount = 0;
  private closing: Promise<void> | null = null;

  constructor(options: ByteServerOptions) {
    this.options = options;
    this.ended = new EndedCalls(options.log, options.onEnd);
    this.server = new GrpcServer({
      messageBytesMax: options.messageBytesMax,
      keepalive: options.keepalive ?? KEEPALIVE_DEFAULT,
      windows: WINDOWS,
      onCut: (peer, reason) => {
        this.cutCount += 1;
        options.log.warn(
          { peer, reason },
          "ended the connection of a caller that does not read what it asks for",
        );
      },
      onRefused: ({ path, peer }, reason) => {
        options.log.info({ method: path, peer, reason }, "refused a message, and its call with it");
      },
    });
    for (const method of methodRoutes.values()) this.server.handle(method.path, this.handler(method));
    this.server.handle(PIPELINE_PATH, (call) => this.servePipeline(call));
  }

  /** Adds a method beside the public ones; before listen(). @param path such as "/grpc.health.v1.Health/Check" */
  add(path: string, handler: CallHandler): void {
    this.server.handle(path, handler);
  }

  /** Streams both ways that are open: watches and keep-alives. */
  get openStreams(): number {
    return this.duplexStreams.size;
  }

  /** The connections of clients that are open, oldest first. */
  get connections(): readonly ClientConnection[] {
    return this.listener.connections.list();
  }

  get connectionCount(): number {
    return this.listener.connections.count;
  }

  /** Connections that were ended since their callers did not take what they had asked for. */
  get connectionsCut(): number {
    return this.cutCount;
  }

  /** Calls with a streamed answer that are open. */
  get openStreamCount(): number {
    return this.streamCount;
  }

  /** Cuts the connection of a client, with what is under way on it. @returns whether there was one from that address */
  dropConnection(address: string): boolean {
    return this.listener.connections.drop(address);
  }

  /** @returns the port, drawn by the system when `address` (host:port) says 0; rejects when it cannot be taken */
  listen(address: string): Promise<number> {
    return this.listener.listen(this.server, address, (error) =>
      this.options.log.error({ err: error }, "a connection was not accepted"),
    );
  }

  /**
   * Takes no more connections and calls, ends duplex streams with SHUTTING_DOWN, lets the other calls under way end for
   * at most drainMs, then cuts them. With a drainMs of 0 all are cut, as when a process dies. Safe to call twice.
   */
  close(drainMs: number): Promise<void> {
    if (drainMs > 0) {
      for (const stop of [...this.duplexStreams]) stop();
      for (const pipeline of [...this.pipelines]) pipeline.finish();
    }
    this.closing ??= new Promise((resolve) => {
      this.listener.close();
      const timer = setTimeout(() => {
        this.listener.connections.cut();
        this.server.cut();
        resolve();
      }, drainMs);
      this.server.drain(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    return this.closing;
  }

  private handler(method: MethodRoute): CallHandler {
    assert(method.responseStream || !method.requestStream, "a streamed request has a streamed answer");
    if (method.requestStream) return (call) => this.serveDuplex(method, call);
    if (method.responseStream) return this.withRequest(method, (...whole) => this.serveStreamed(...whole));
    return this.withRequest(method, (...whole) => this.serveUnary(...whole));
  }

  private withRequest(method: MethodRoute, serve: ServeRequest): CallHandler {
    return (serverCall) => {
      const call = this.byteCall(method, serverCall);
      let serving: EndCall | null = null;
      // From its headers on, for a request need never be whole.
      const timer = at(call.deadlineMs, () => {
        const failure = deadlinePassed(call);
        if (serving !== null) serving(failure);
        else serverCall.fail(this.ended.failed(call, failure).toStatus());
      });
      readRequest(serverCall, {
        request: (body) => {
          call.body = body;
          serving = serve(call, serverCall, timer);
        },
        cancelled: () => {
          clearTimeout(timer);
          serving?.(callerLeft());
        },
      });
    };
  }

  private serveUnary(call: ByteCall, serverCall: ServerCall, timer: Timer): EndCall {
    const end = (failure: CallFailure | null, answer: Uint8Array | null): void => {
      if (call.aborted) return;
      clearTimeout(timer);
      call.abort();
      if (failure === null && answer !== null) {
        this.ended.answered(call);
        serverCall.answer(answer);
      } else {
        serverCall.fail(this.ended.failed(call, failure ?? noAnswer()).toStatus());
      }
    };
    this.options.service.unary(call).then(
      (answer) => end(null, answer),
      (error: unknown) => end(CallFailure.from(error), null),
    );
    return (failure) => end(failure, null);
  }

  private serveStreamed(call: ByteCall, serverCall: ServerCall, timer: Timer): EndCall {
    const { service, stalledMsMax = STALLED_MS_MAX_DEFAULT } = this.options;
    const end = this.serveAnswers(call, serverCall, timer, (sink) =>
      service.stream(call, {
        write: async (message) => {
          const stallTimer = setTimeout(() => end(stalled()), stalledMsMax);
          try {
            await sink.write(message);
          } finally {
            clearTimeout(stallTimer);
          }
        },
      }),
    );
    return end;
  }

  private serveDuplex(method: MethodRoute, serverCall: ServerCall): void {
    const call = this.byteCall(method, serverCall);
    const source = new IncomingMessages(serverCall, call);
    const timer = at(call.deadlineMs, () => end(deadlinePassed(call)));
    const end = this.serveAnswers(call, serverCall, timer, (sink) =>
      this.options.service.duplex(call, source, sink),
    );
    serverCall.listen({
      message: (bytes) => source.message(bytes),
      end: () => source.end(),
      cancelled: () => end(callerLeft()),
    } satisfies CallListener);
    // Unlike a call with one request, which has an end in sight, it would last as long as its caller.
    const stop = (): void => end(shuttingDown());
    this.duplexStreams.add(stop);
    call.addEventListener("abort", () => this.duplexStreams.delete(stop));
    if (this.closing !== null) stop();
  }

  private servePipeline(serverCall: ServerCall): void {
    const { service, defaultDeadlineMs, pipelineLimits: limits } = this.options;
    const pipeline: PipelineServing = new PipelineServing(serverCall, {
      service,
      ended: this.ended,
      defaultDeadlineMs,
      limits,
      onOver: () => this.pipelines.delete(pipeline),
    });
    this.pipelines.add(pipeline);
    pipeline.begin();
    if (this.closing !== null) pipeline.finish();
  }

  private serveAnswers(
    call: ByteCall,
    serverCall: ServerCall,
    timer: Timer,
    serve: (sink: ByteSink) => Promise<void>,
  ): EndCall {
    this.streamCount += 1;
    const end = (failure: CallFailure | null): void => {
      if (call.aborted) return;
      this.streamCount -= 1;
      clearTimeout(timer);
      call.abort();
      if (failure === null) {
        this.ended.answered(call);
        serverCall.end();
      } else {
        serverCall.fail(this.ended.failed(call, failure).toStatus());
      }
    };
    serve(new StreamSink(serverCall, call)).then(
      () => end(null),
      (error: unknown) => end(CallFailure.from(error)),
    );
    return end;
  }

  private byteCall(method: MethodRoute, serverCall: ServerCall): ByteCall {
    const defaultMs = method.responseStream ? Number.POSITIVE_INFINITY : this.options.defaultDeadlineMs;
    return new ByteCall({
      method,
      body: NO_BODY,
      headers: new LazyHeaders(serverCall),
      connection: serverCall,
      deadlineMs: deadlineMsOf(serverCall.deadlineMs, defaultMs),
    });
  }
}

function deadlineMsOf(theirsMs: number, defaultMs: number): number {
  const nowMs = Date.now();
  return theirsMs === Number.POSITIVE_INFINITY ? nowMs + defaultMs : ownDeadlineMs(theirsMs, nowMs);
}

/** Beyond this many milliseconds a timer of Node fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** A timer for a point of time, or none for one that lies too far away to matter. */
function at(timeMs: number, run: () => void): Timer {
  const waitMs = timeMs - Date.now();
  return waitMs > TIMER_MS_MAX ? undefined : setTimeout(run, waitMs);
}

function stalled(): CallFailure {
  return new CallFailure(
    ErrorReason.DEADLINE_EXCEEDED,
    "the caller took nothing more of the answer for too long",
  );
}

function noAnswer(): CallFailure {
  return new CallFailure(ErrorReason.INTERNAL, "the server made no answer");
}
