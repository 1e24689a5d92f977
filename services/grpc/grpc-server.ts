import {
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import { status } from "@grpc/grpc-js";
import { type KeepaliveTimes, keepAlive } from "@quorate/proto/calling";
import { assert } from "#std";
import { OUTFLOW_BOUNDS_DEFAULT, Outflow, type OutflowBounds } from "./outflow";
import { type CallOrigin, ServerCall } from "./server-call";

/** How much may be under way to a server unread. */
export interface CallWindows {
  /** Of one call. */
  readonly callBytes: number;
  /** Of all calls of one connection. */
  readonly connectionBytes: number;
}

export interface GrpcServerOptions {
  /** The longest message that is taken. */
  readonly messageBytesMax: number;
  readonly keepalive: KeepaliveTimes;
  /** Those of HTTP/2 where unset: 64 KiB each. */
  readonly windows?: CallWindows;
  readonly outflow?: OutflowBounds;
  /** A connection was ended, since its caller, host:port, did not take what it had asked for. */
  readonly onCut?: (peer: string, why: string) => void;
  /** A message was refused, with its call, before a handler saw it. */
  readonly onRefused?: (call: ServerCall, why: string) => void;
}

/**
 * Calls of one connection at a time, streams included. Callers queue the rest by themselves, without a word, so it lies above
 * what one gateway may carry: 10,000 watches, which is what a node holds, each by a stream of its own, and the calls beside them.
 */
export const STREAMS_MAX = 16_384;

/** With a suffix such as "+proto", or parameters, or neither; "application/grpc-web" is another protocol. */
const GRPC_CONTENT_TYPE = /^application\/grpc(?:\+[^;]*)?\s*(?:;.*)?$/i;

/** Serves a call: listens to it before it returns. */
export type CallHandler = (call: ServerCall) => void;

/** The server's end of gRPC: calls of whatever kind, as bytes. It listens nowhere by itself: connections are given to it. */
export class GrpcServer {
  private readonly options: GrpcServerOptions;
  private readonly handlers = new Map<string, CallHandler>();
  private readonly sessions = new Set<ServerHttp2Session>();
  private readonly server;
  private isClosing = false;
  private onEmpty: (() => void) | null = null;

  constructor(options: GrpcServerOptions) {
    this.options = options;
    const { windows } = options;
    this.server = createServer({
      // Where its limits of memory are reached, Node refuses streams in ways that callers cannot tell from a fault.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
      maxSendHeaderBlockLength: Number.MAX_SAFE_INTEGER,
      settings: {
        maxConcurrentStreams: STREAMS_MAX,
        ...(windows === undefined ? {} : { initialWindowSize: windows.callBytes }),
      },
    });
    this.server.setTimeout(0);
    this.server.on("session", (session) => this.begin(session));
  }

  /** @param path such as "/quorate.kv.v1.KvService/Put" */
  handle(path: string, handler: CallHandler): void {
    assert(!this.handlers.has(path), "a method has one handler");
    this.handlers.set(path, handler);
  }

  /** Takes over a connection. */
  accept(socket: Socket): void {
    if (this.isClosing) socket.destroy();
    else this.server.emit("connection", socket);
  }

  /** Takes no more calls. Once. @param onEmpty called when those under way have ended, with their connections */
  drain(onEmpty: () => void): void {
    assert(!this.isClosing, "a server is drained once");
    this.isClosing = true;
    this.onEmpty = onEmpty;
    for (const session of this.sessions) session.close();
    if (this.sessions.size === 0) onEmpty();
  }

  /** Ends all connections, with what is under way on them. */
  cut(): void {
    this.isClosing = true;
    for (const session of this.sessions) session.destroy();
  }

  private begin(session: ServerHttp2Session): void {
    // Its caller was gone before it could be told of.
    if (session.destroyed) return;
    const { keepalive, windows, messageBytesMax, outflow: bounds = OUTFLOW_BOUNDS_DEFAULT } = this.options;
    const { socket } = session;
    const host = socket.remoteFamily === "IPv6" ? `[${socket.remoteAddress}]` : socket.remoteAddress;
    const peer = `${host}:${socket.remotePort}`;
    const outflow = new Outflow(bounds, (why) => {
      session.destroy();
      this.options.onCut?.(peer, why);
    });
    const origin = { peer, messageBytesMax, outflow, onRefused: this.options.onRefused };
    this.sessions.add(session);
    session.once("close", () => {
      this.sessions.delete(session);
      outflow.close();
      if (this.sessions.size === 0) this.onEmpty?.();
    });
    session.on("stream", (stream, headers) => this.take(stream, headers, origin));
    if (windows !== undefined) session.setLocalWindowSize(windows.connectionBytes);
    keepAlive(session, keepalive);
  }

  private take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, origin: CallOrigin): void {
    // Followed by "close", which says all that can be done about it; unheard it would end the process, also where no call comes
    // of the stream.
    stream.on("error", () => {});
    // It was reset before it could be told.
    if (stream.destroyed || stream.closed) return;
    if (!GRPC_CONTENT_TYPE.test(headers["content-type"] ?? "")) {
      stream.respond({ ":status": 415 }, { endStream: true });
      return;
    }
    const call = new ServerCall(stream, headers, origin);
    if (Number.isNaN(call.deadlineMs)) {
      call.fail({ code: status.INTERNAL, details: "Invalid grpc-timeout value" });
      return;
    }
    const { outflow } = origin;
    if (!outflow.isFull) {
      this.serve(call);
      return;
    }
    // Not the reading of the connection: what is read there makes the room that this call waits for.
    const goOn = (): void => {
      stream.removeListener("close", forget);
      if (!call.hasEnded) this.serve(call);
    };
    const forget = (): void => outflow.forget(goOn);
    outflow.whenRoom(goOn);
    stream.once("close", forget);
  }

  private serve(call: ServerCall): void {
    const handler = this.handlers.get(call.path);
    if (handler === undefined) {
      const details = `The server does not implement the method ${call.path}`;
      call.fail({ code: status.UNIMPLEMENTED, details });
      return;
    }
    handler(call);
  }
}
