import { ErrorReason } from "@quorate/proto/kv";
import {
  asBuffer,
  ByteCall,
  type ByteService,
  type ByteSink,
  CallFailure,
  type CallHeaders,
  type Cancelling,
  callerLeft,
  deadlinePassed,
  type Log,
  methodRoutes,
  toldToCaller,
} from "@quorate/services/forward";
import type { CallStatus } from "@quorate/services/grpc";
import type { CallCounters } from "@quorate/services/rpc";
import { Status } from "nice-grpc-common";
import type { ClusterTime } from "./cluster-time";
import type { PauseGate } from "./pause-gate";
import { wireFailure } from "./wire-failure";

/** As over gRPC (services/forward/byte-server.ts): the server answers a little before the caller's deadline. */
const DEADLINE_MARGIN_MS = 5;
const DEADLINE_MARGIN_SHARE = 0.1;

/** What a call gets that brings no deadline, as over gRPC. */
const DEFAULT_DEADLINE_MS = 30_000;

/** A call as it leaves its caller. */
export interface WireCall {
  /** Such as "/quorate.kv.v1.KvService/Put". */
  readonly path: string;
  readonly body: Uint8Array;
  readonly headers: CallHeaders;
  /** null for none. */
  readonly timeoutMs: number | null;
  readonly cancelling: Cancelling | undefined;
  /** Named in the server's log. */
  readonly caller: string;
}

export interface MemoryEndpointOptions {
  readonly service: ByteService;
  readonly time: ClusterTime;
  /** A node that is paused does not even say that a deadline has passed. */
  readonly gate: PauseGate;
  readonly counters: CallCounters;
  readonly log: Log;
}

/** Where the clients of a node in this process find its services: what is a connection's way to fail over gRPC fails here. */
export class MemoryEndpoint {
  private readonly open = new Set<OpenCall>();
  private isClosed = false;

  constructor(private readonly options: MemoryEndpointOptions) {}

  /** Rejects with what a failed call of grpc-js is: an Error with code, details and metadata. */
  unary(wire: WireCall): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const open = this.begin(wire, reject);
      if (open === null) return;
      this.options.service.unary(open.call).then(
        (answer) => {
          if (open.end(Status.OK)) resolve(answer);
        },
        (error: unknown) => this.fail(open, error),
      );
    });
  }

  /** Hands each message of the answer to `take`, the next one when that has resolved. */
  stream(wire: WireCall, take: (message: Uint8Array) => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const open = this.begin(wire, reject);
      if (open === null) return;
      this.options.service.stream(open.call, sinkOf(open.call, take)).then(
        () => {
          if (open.end(Status.OK)) resolve();
        },
        (error: unknown) => this.fail(open, error),
      );
    });
  }

  /** Both ways: takes the messages of `source` one at a time, and hands on those of the answer like stream(). */
  duplex(
    wire: WireCall,
    source: AsyncIterable<Uint8Array>,
    take: (message: Uint8Array) => Promise<void>,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const open = this.begin(wire, reject);
      if (open === null) return;
      const requests = new ArrivingRequests(open.call, source);
      this.options.service.duplex(open.call, requests, sinkOf(open.call, take)).then(
        () => {
          if (open.end(Status.OK)) resolve();
        },
        (error: unknown) => this.fail(open, error),
      );
    });
  }

  /** The process is gone: calls under way end as calls of a broken connection do. */
  close(): void {
    this.isClosed = true;
    for (const open of [...this.open]) open.lose("the node is gone");
  }

  private fail(open: OpenCall, error: unknown): void {
    const failure = CallFailure.from(error);
    if (failure.reason === ErrorReason.INTERNAL) {
      const fields = { method: open.call.method.path, err: failure.cause ?? failure };
      this.options.log.error(fields, "call failed");
    }
    open.fail(failure);
  }

  private begin(wire: WireCall, reject: (failure: Error) => void): OpenCall | null {
    const method = methodRoutes.get(wire.path);
    if (this.isClosed || method === undefined) {
      const code = this.isClosed ? Status.UNAVAILABLE : Status.UNIMPLEMENTED;
      reject(wireFailure({ code, details: this.isClosed ? "the node is gone" : `no method ${wire.path}` }));
      return null;
    }
    const { time, gate, counters } = this.options;
    const serverMs =
      wire.timeoutMs === null
        ? method.responseStream
          ? Number.POSITIVE_INFINITY
          : DEFAULT_DEADLINE_MS
        : wire.timeoutMs - Math.min(DEADLINE_MARGIN_MS, wire.timeoutMs * DEADLINE_MARGIN_SHARE);
    const call = new ByteCall({
      method,
      body: Buffer.from(wire.body.buffer, wire.body.byteOffset, wire.body.byteLength),
      headers: wire.headers,
      connection: { getPeer: () => wire.caller },
      deadlineMs: time.wallMs() + serverMs,
    });
    const open: OpenCall = new OpenCall(call, {
      reject,
      ended: (code) => {
        this.open.delete(open);
        counters.ended(method, code);
      },
    });
    this.open.add(open);
    if (Number.isFinite(serverMs)) {
      open.undo.push(time.after(serverMs, () => gate.pass(() => open.fail(deadlinePassed(call)))));
    }
    if (wire.timeoutMs !== null) open.undo.push(time.after(wire.timeoutMs, () => open.late()));
    if (wire.cancelling !== undefined) open.follow(wire.cancelling);
    return call.aborted ? null : open;
  }
}

/** A call under way, which ends once: answered, failed, given up or lost. */
class OpenCall {
  /** What the end takes back. */
  readonly undo: (() => void)[] = [];
  private hasEnded = false;

  constructor(
    readonly call: ByteCall,
    private readonly options: {
      readonly reject: (failure: Error) => void;
      readonly ended: (code: number) => void;
    },
  ) {}

  /** The caller's own deadline comes whatever the node does. */
  late(): void {
    this.refuse({ code: Status.DEADLINE_EXCEEDED, details: "Deadline exceeded" });
  }

  follow(cancelling: Cancelling): void {
    const cancel = (): void => this.refuse({ code: Status.CANCELLED, details: "Cancelled on client" });
    cancelling.addEventListener("abort", cancel);
    this.undo.push(() => cancelling.removeEventListener("abort", cancel));
    if (cancelling.aborted) cancel();
  }

  /** The node's own word on why the call failed. */
  fail(failure: CallFailure): void {
    this.refuse(toldToCaller(this.call, failure).toStatus());
  }

  /** The connection broke: nobody says anything. */
  lose(why: string): void {
    this.refuse({ code: Status.UNAVAILABLE, details: why });
  }

  /** Whether this was its end. */
  end(code: number): boolean {
    if (this.hasEnded) return false;
    this.hasEnded = true;
    for (const undo of this.undo) undo();
    this.call.abort();
    this.options.ended(code);
    return true;
  }

  private refuse(told: CallStatus): void {
    if (this.end(told.code)) this.options.reject(wireFailure(told));
  }
}

/** The requests of a duplex stream as its node reads them: they end with the call, whatever their sender does. */
class ArrivingRequests implements AsyncIterable<Buffer> {
  private readonly source: AsyncIterator<Uint8Array>;
  private giveUp: (failure: CallFailure) => void = () => {};

  constructor(
    private readonly call: ByteCall,
    source: AsyncIterable<Uint8Array>,
  ) {
    this.source = source[Symbol.asyncIterator]();
    call.addEventListener("abort", () => this.giveUp(callerLeft()));
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    return { next: () => this.next() };
  }

  private next(): Promise<IteratorResult<Buffer, undefined>> {
    return new Promise((resolve, reject) => {
      this.giveUp = reject;
      if (this.call.aborted) {
        reject(callerLeft());
        return;
      }
      this.source
        .next()
        .then(
          ({ value, done }) =>
            resolve(done === true ? { value: undefined, done } : { value: asBuffer(value), done: false }),
          reject,
        );
    });
  }
}

/** Lets go of the writer also where the reader has left in the middle. */
function sinkOf(call: ByteCall, take: (message: Uint8Array) => Promise<void>): ByteSink {
  let release = (): void => {};
  call.addEventListener("abort", () => release());
  return {
    write: (message) => {
      if (call.aborted) return Promise.reject(callerLeft());
      return new Promise((resolve) => {
        release = resolve;
        void take(message).then(resolve);
      });
    },
  };
}

/** What a caller finds where nothing listens. */
export function nothingListens(address: string): CallFailure {
  return new CallFailure(ErrorReason.UNREACHABLE, `${address} cannot be reached: nothing answers there`);
}
