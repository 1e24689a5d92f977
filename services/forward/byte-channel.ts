import { type CallingConnection, Link, type LinkTiming, Sending } from "@quorate/proto/calling";
import { ErrorReason } from "@quorate/proto/kv";
import { callerLeft } from "./call-failures";
import type { ByteChannelOptions } from "./channel-options";
import { CallFailure } from "./failure";
import { sendAlone } from "./lone-call";
import type { AnswerTaker, Cancelling, OutgoingCall } from "./outgoing-call";
import { PipelinedCalls } from "./pipelined-calls";
import { type SendRequests, streamedAnswers } from "./streamed-answers";

const CONNECT_TIMEOUT_MS_DEFAULT = 2000;

type Send = typeof sendAlone;

/** What may be under way to this end unread: as with clients, a page of a scan or the answers of many calls fit in. */
const WINDOW_BYTES = 1024 * 1024;

/**
 * Sends calls to one node as bytes. Failures are CallFailures: UNREACHABLE when nothing was sent, CONNECTION_LOST when
 * something was and no answer came.
 */
export class ByteChannel {
  readonly address: string;
  private readonly connectTimeoutMs: number;
  private readonly link: Link;
  private readonly pipelined: PipelinedCalls | null;

  /** @param address host:port */
  constructor(
    address: string,
    { messageBytesMax, keepalive, connectTimeoutMs, pipelining }: ByteChannelOptions,
  ) {
    this.address = address;
    this.connectTimeoutMs = connectTimeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT;
    this.link = new Link({
      connection: {
        address,
        messageBytesMax,
        keepalive,
        isProbedWhenIdle: true,
        windows: { callBytes: WINDOW_BYTES, connectionBytes: WINDOW_BYTES },
      },
      connectTimeoutMs: this.connectTimeoutMs,
      timing: systemTiming,
      unreachable: (why) => this.unreachable(why),
    });
    this.pipelined =
      pipelining === true ? new PipelinedCalls((...sent) => this.whenConnected(sendAlone, ...sent)) : null;
  }

  unary(call: OutgoingCall, cancelling: Cancelling): Promise<Buffer> {
    return new Promise((answered, failed) => this.begin(call, cancelling, { answered, failed }));
  }

  /** The same without promises, each of which takes as much memory as the call. */
  begin(call: OutgoingCall, cancelling: Cancelling, taker: AnswerTaker): void {
    if (cancelling.aborted) taker.failed(callerLeft());
    else if (this.pipelined?.sendOnOpenStream(call, cancelling, taker) !== true) {
      this.whenConnected(this.send, call, cancelling, taker);
    }
  }

  /** The messages of a streamed answer, read no faster than they are taken. */
  stream(call: OutgoingCall, cancelling: Cancelling): AsyncGenerator<Buffer, void, undefined> {
    return this.streamed(call, cancelling, (stream) => {
      stream.end(call.body);
      return () => {};
    });
  }

  /** A stream both ways, begun when its answers are first asked for; both are taken no faster than the other end takes them. */
  duplex(
    call: OutgoingCall,
    source: AsyncIterable<Uint8Array>,
    cancelling: Cancelling,
  ): AsyncGenerator<Buffer, void, undefined> {
    return this.streamed(call, cancelling, (stream, onFailure) => {
      const sending = new Sending(stream, source, (message) => message, onFailure);
      sending.begin();
      return () => sending.stop();
    });
  }

  /** Calls under way go on to their end. Safe to call twice. */
  close(): void {
    this.pipelined?.close();
    this.link.close("its channel is closed");
  }

  private readonly send: Send = (connection, ...sent) => {
    if (this.pipelined?.send(connection, ...sent) !== true) sendAlone(connection, ...sent);
  };

  private whenConnected(send: Send, call: OutgoingCall, cancelling: Cancelling, taker: AnswerTaker): void {
    const fail = (error: unknown): void => taker.failed(CallFailure.from(error));
    const sendOn = (connection: CallingConnection): void => {
      try {
        if (cancelling.aborted) throw callerLeft();
        send(connection, call, cancelling, taker);
      } catch (error) {
        fail(error);
      }
    };
    const { ready } = this.link;
    if (ready !== null) sendOn(ready);
    else this.connected(call.deadlineMs).then(sendOn, fail);
  }

  private async *streamed(
    call: OutgoingCall,
    cancelling: Cancelling,
    send: SendRequests,
  ): AsyncGenerator<Buffer, void, undefined> {
    const connection = this.link.ready ?? (await this.connected(call.deadlineMs));
    if (cancelling.aborted) throw callerLeft();
    yield* streamedAnswers(connection, call, cancelling, send);
  }

  /** All calls that meet an unconnected channel share one attempt; each gives up at its own deadline. */
  private async connected(deadlineMs: number): Promise<CallingConnection> {
    const connecting = this.link.connected();
    const leftMs = deadlineMs - Date.now();
    if (leftMs >= this.connectTimeoutMs) return connecting;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(this.unreachable("no connection before the deadline")),
        Math.max(0, leftMs),
      );
    });
    try {
      return await Promise.race([connecting, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  private unreachable(why: string): CallFailure {
    return new CallFailure(ErrorReason.UNREACHABLE, `${this.address} cannot be reached: ${why}`);
  }
}

const systemTiming: LinkTiming = {
  nowMs: () => performance.now(),
  schedule(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
  random: Math.random,
};
