import type { Socket } from "node:net";
import { isGrpc, type KeepaliveTimes, keepAlive } from "@quorate/proto/calling";
import { type Headers, type OutgoingField, ServingConnection, type Stream } from "@quorate/proto/http2";
import { Status } from "nice-grpc-common";
import { assert } from "#std";
import { Inflow, inflowBytesMaxFor } from "./inflow";
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
  /** How much may be kept of the requests of one connection; by default as much as `inflowBytesMaxFor` the messages. */
  readonly inflowBytesMax?: number;
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

const NO_GRPC: readonly OutgoingField[] = [[":status", "415"]];
const NO_POST: readonly OutgoingField[] = [
  [":status", "405"],
  ["allow", "POST"],
];

/** Serves a call: listens to it before it returns. */
export type CallHandler = (call: ServerCall) => void;

/** The server's end of gRPC: calls of whatever kind, as bytes. It listens nowhere by itself: connections are given to it. */
export class GrpcServer {
  private readonly options: GrpcServerOptions;
  private readonly handlers = new Map<string, CallHandler>();
  private readonly connections = new Set<ServingConnection>();
  private isClosing = false;
  private onEmpty: (() => void) | null = null;

  constructor(options: GrpcServerOptions) {
    this.options = options;
  }

  /** @param path such as "/quorate.kv.v1.KvService/Put" */
  handle(path: string, handler: CallHandler): void {
    assert(!this.handlers.has(path), "a method has one handler");
    this.handlers.set(path, handler);
  }

  /** Takes over a connection. */
  accept(socket: Socket): void {
    if (this.isClosing || socket.destroyed) socket.destroy();
    else this.begin(socket);
  }

  /** Takes no more calls. Once. @param onEmpty called when those under way have ended, with their connections */
  drain(onEmpty: () => void): void {
    assert(!this.isClosing, "a server is drained once");
    this.isClosing = true;
    this.onEmpty = onEmpty;
    for (const connection of this.connections) connection.close();
    if (this.connections.size === 0) onEmpty();
  }

  /** Ends all connections, with what is under way on them. */
  cut(): void {
    this.isClosing = true;
    for (const connection of [...this.connections]) connection.destroy();
  }

  private begin(socket: Socket): void {
    const { keepalive, windows, messageBytesMax, outflow: bounds = OUTFLOW_BOUNDS_DEFAULT } = this.options;
    const host = socket.remoteFamily === "IPv6" ? `[${socket.remoteAddress}]` : socket.remoteAddress;
    const peer = `${host}:${socket.remotePort}`;
    const outflow = new Outflow(bounds, (why) => {
      connection.destroy();
      this.options.onCut?.(peer, why);
    });
    const inflow = new Inflow(this.options.inflowBytesMax ?? inflowBytesMaxFor(messageBytesMax));
    const origin = { peer, messageBytesMax, inflow, outflow, onRefused: this.options.onRefused };
    const connection: ServingConnection = new ServingConnection(
      socket,
      { streamsMax: STREAMS_MAX, windows },
      {
        stream: (stream, headers) => this.take(stream, headers, origin),
        wrote: (bytes) => outflow.wrote(bytes),
        took: (bytes) => outflow.took(bytes),
        closed: () => {
          this.connections.delete(connection);
          outflow.close();
          if (this.connections.size === 0) this.onEmpty?.();
        },
      },
    );
    this.connections.add(connection);
    keepAlive(connection, keepalive);
  }

  private take(stream: Stream, headers: Headers, origin: CallOrigin): void {
    const isCall = isGrpc(headers.get("content-type"));
    if (!isCall || headers.get(":method") !== "POST") {
      stream.sendHeaders(isCall ? NO_POST : NO_GRPC);
      stream.end([]);
      return;
    }
    const call = new ServerCall(stream, headers, origin);
    if (call.hasEnded) return;
    if (Number.isNaN(call.deadlineMs)) {
      call.fail({ code: Status.INTERNAL, details: "Invalid grpc-timeout value" });
      return;
    }
    const { outflow } = origin;
    if (!outflow.isFull) {
      this.serve(call);
      return;
    }
    // Not the reading of the connection: what is read there makes the room that this call waits for.
    stream.pause();
    const goOn = (): void => {
      this.serve(call);
      stream.resume();
    };
    outflow.whenRoom(goOn);
    call.whenClosed(() => outflow.forget(goOn));
  }

  private serve(call: ServerCall): void {
    const handler = this.handlers.get(call.path);
    if (handler === undefined) {
      const details = `The server does not implement the method ${call.path}`;
      call.fail({ code: Status.UNIMPLEMENTED, details });
      return;
    }
    handler(call);
  }
}
