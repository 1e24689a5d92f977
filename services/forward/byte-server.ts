import {
  type Deadline,
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  Server,
  type ServerDuplexStream,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { ErrorReason } from "@quorate/proto/kv";
import { assert } from "#std";
import { asBuffer } from "./as-buffer";
import { ByteCall, type ByteService, type ByteSink } from "./call";
import { callerLeft, deadlinePassed, shuttingDown } from "./call-failures";
import { MetadataHeaders } from "./call-headers";
import { serverOptions } from "./channel-options";
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

const NO_BODY = Buffer.alloc(0);

/**
 * A client that is gone without a word, such as one whose machine lost its power, would keep its watches open for ever:
 * nothing may have to be sent to it.
 */
const KEEPALIVE_DEFAULT = { timeMs: 30_000, timeoutMs: 20_000 };

/**
 * A scan or a backup reads from a snapshot, which keeps the space of all that is given up meanwhile: a client that lives and
 * has forgotten its stream must not hold that for ever.
 */
const STALLED_MS_MAX_DEFAULT = 5 * 60_000;

/** A method whose messages are not read here. */
function inBytes({
  path,
  requestStream,
  responseStream,
}: Pick<MethodRoute, "path" | "requestStream" | "responseStream">): MethodDefinition<Uint8Array, Uint8Array> {
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: asBuffer,
    requestDeserialize: asBuffer,
    responseSerialize: asBuffer,
    responseDeserialize: asBuffer,
  };
}

/** What all kinds of calls of grpc-js have. */
type GrpcCall = Pick<ServerUnaryCall<Buffer, Buffer>, "metadata" | "getPeer" | "getDeadline">;

/**
 * The public gRPC server of a node or a gateway: every method of the public services as bytes, with deadlines,
 * cancellation and failures handled once for all.
 */
export class ByteServer {
  private readonly options: ByteServerOptions;
  private readonly server: Server;
  private readonly listener = new GrpcListener();
  /** How each duplex stream that is open is told that the server shuts down. */
  private readonly duplexStreams = new Set<() => void>();
  private readonly pipelines = new Set<PipelineServing>();
  private readonly ended: EndedCalls;
  private streamCount = 0;
  private closing: Promise<void> | null = null;

  constructor(options: ByteServerOptions) {
    this.options = options;
    this.ended = new EndedCalls(options.log, options.onEnd);
    const keepalive = options.keepalive ?? KEEPALIVE_DEFAULT;
    this.server = new Server({
      ...serverOptions(options.messageBytesMax),
      "grpc.keepalive_time_ms": keepalive.timeMs,
      "grpc.keepalive_timeout_ms": keepalive.timeoutMs,
      interceptors: [noteUnfinishedRequests(options)],
    });
    const definition: Record<string, MethodDefinition<Uint8Array, Uint8Array>> = {};
    const handlers: Record<string, UntypedHandleCall> = {};
    for (const method of methodRoutes.values()) {
      definition[method.path] = inBytes(method);
      handlers[method.path] = this.handler(method);
    }
    definition[PIPELINE_PATH] = inBytes({ path: PIPELINE_PATH, requestStream: true, responseStream: true });
    handlers[PIPELINE_PATH] = this.pipelineHandler();
    this.server.addService(definition, handlers as Parameters<Server["addService"]>[1]);
  }

  /** Adds a service beside the public ones; before listen(). */
  add(definition: ServiceDefinition, handlers: Readonly<Record<string, UntypedHandleCall>>): void {
    this.server.addService(definition, handlers as Parameters<Server["addService"]>[1]);
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
        this.server.forceShutdown();
        resolve();
      }, drainMs);
      this.server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    return this.closing;
  }

  private handler(method: MethodRoute): UntypedHandleCall {
    assert(method.responseStream || !method.requestStream, "a streamed request has a streamed answer");
    if (method.requestStream) return this.duplexHandler(method);
    return method.responseStream ? this.streamHandler(method) : this.unaryHandler(method);
  }

  private unaryHandler(method: MethodRoute): handleUnaryCall<Buffer, Buffer> {
    const { service } = this.options;
    return (grpcCall, callback) => {
      const call = this.byteCall(method, grpcCall, grpcCall.request);
      const end = (failure: CallFailure | null, answer: Uint8Array | null): void => {
        if (call.aborted) return;
        clearTimeout(timer);
        call.abort();
        if (failure === null && answer !== null) {
          this.ended.answered(call);
          callback(null, answer as Buffer);
        } else {
          const told = this.ended.failed(call, failure ?? noAnswer());
          callback(told.toStatus());
        }
      };
      const timer = at(call.deadlineMs, () => end(deadlinePassed(call), null));
      grpcCall.once("cancelled", () => {
        // Also emitted after the end of each call, where a failure would be made for nobody.
        if (!call.aborted) end(callerLeft(), null);
      });
      service.unary(call).then(
        (answer) => end(null, answer),
        (error: unknown) => end(CallFailure.from(error), null),
      );
    };
  }

  private streamHandler(method: MethodRoute): handleServerStreamingCall<Buffer, Buffer> {
    const { service } = this.options;
    return (grpcCall) => {
      const call = this.byteCall(method, grpcCall, grpcCall.request);
      const end = this.serveStream(call, grpcCall, (sink) =>
        service.stream(call, {
          write: async (message) => {
            const timer = setTimeout(
              () => end(stalled()),
              this.options.stalledMsMax ?? STALLED_MS_MAX_DEFAULT,
            );
            try {
              await sink.write(message);
            } finally {
              clearTimeout(timer);
            }
          },
        }),
      );
    };
  }

  private duplexHandler(method: MethodRoute): handleBidiStreamingCall<Buffer, Buffer> {
    const { service } = this.options;
    return (grpcCall) => {
      const call = this.byteCall(method, grpcCall, NO_BODY);
      const source = new IncomingMessages(grpcCall, call);
      const end = this.serveStream(call, grpcCall, (sink) => service.duplex(call, source, sink));
      // Unlike a call with one request, which has an end in sight, it would last as long as its caller.
      const stop = (): void => end(shuttingDown());
      if (this.closing !== null) return stop();
      this.duplexStreams.add(stop);
      call.addEventListener("abort", () => this.duplexStreams.delete(stop));
    };
  }

  private pipelineHandler(): handleBidiStreamingCall<Buffer, Buffer> {
    const { service, defaultDeadlineMs, pipelineLimits: limits } = this.options;
    return (grpcCall) => {
      const pipeline = new PipelineServing(grpcCall, {
        service,
        ended: this.ended,
        defaultDeadlineMs,
        limits,
      });
      this.pipelines.add(pipeline);
      pipeline.begin(() => this.pipelines.delete(pipeline));
      if (this.closing !== null) pipeline.finish();
    };
  }

  /** @returns how to end the call from outside */
  private serveStream(
    call: ByteCall,
    grpcCall: ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
    serve: (sink: ByteSink) => Promise<void>,
  ): (failure: CallFailure | null) => void {
    this.streamCount += 1;
    const end = (failure: CallFailure | null): void => {
      if (call.aborted) return;
      this.streamCount -= 1;
      clearTimeout(timer);
      call.abort();
      if (failure === null) {
        this.ended.answered(call);
        grpcCall.end();
      } else {
        grpcCall.emit("error", this.ended.failed(call, failure).toStatus());
      }
    };
    const timer = at(call.deadlineMs, () => end(deadlinePassed(call)));
    grpcCall.once("cancelled", () => {
      if (!call.aborted) end(callerLeft());
    });
    const messages = new StreamSink<Buffer>(grpcCall, call);
    serve({ write: (message) => messages.write(asBuffer(message)) }).then(
      () => end(null),
      (error: unknown) => end(CallFailure.from(error)),
    );
    return end;
  }

  private byteCall(method: MethodRoute, grpcCall: GrpcCall, body: Buffer): ByteCall {
    const defaultMs = method.responseStream ? Number.POSITIVE_INFINITY : this.options.defaultDeadlineMs;
    return new ByteCall({
      method,
      body,
      headers: new MetadataHeaders(grpcCall.metadata),
      connection: grpcCall,
      deadlineMs: deadlineMsOf(grpcCall.getDeadline(), defaultMs),
    });
  }
}

function deadlineMsOf(deadline: Deadline, defaultMs: number): number {
  const nowMs = Date.now();
  const theirsMs = deadline instanceof Date ? deadline.getTime() : deadline;
  return theirsMs === Number.POSITIVE_INFINITY ? nowMs + defaultMs : ownDeadlineMs(theirsMs, nowMs);
}

/** Beyond this many milliseconds a timer of Node fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** A timer for a point of time, or none for one that lies too far away to matter. */
function at(timeMs: number, run: () => void): NodeJS.Timeout | undefined {
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

/**
 * grpc-js refuses a message above its limit by itself, before any handler runs: only that the call ended without a
 * whole request can be seen, and is worth a line, for it is the one sign of a client that sends too much.
 */
function noteUnfinishedRequests({ log, messageBytesMax }: ByteServerOptions): ServerInterceptor {
  return (method, grpcCall) => {
    if (method.requestStream) return grpcCall as ServerInterceptingCall;
    let isWhole = false;
    return new ServerInterceptingCall(grpcCall, {
      start: (next) => {
        next({
          onReceiveHalfClose: (proceed) => {
            isWhole = true;
            proceed();
          },
          onCancel: () => {
            if (isWhole) return;
            log.info(
              { method: method.path, peer: grpcCall.getPeer() },
              `a call ended before its request was whole: above the message limit of ${messageBytesMax} bytes, or its caller left`,
            );
          },
        });
      },
    });
  };
}
