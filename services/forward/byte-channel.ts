import {
  type ChannelOptions,
  Client,
  type ClientUnaryCall,
  connectivityState,
  type ServiceError,
} from "@grpc/grpc-js";
import { ErrorReason } from "@quorate/proto/kv";
import { asBuffer } from "./as-buffer";
import { type CallHeaders, metadataOf } from "./call-headers";
import { channelCredentials } from "./channel-credentials";
import { CallFailure } from "./failure";
import { PipelinedCalls } from "./pipelined-calls";
import { Sending } from "./sending";

const CONNECT_TIMEOUT_MS_DEFAULT = 2000;

/** A call to pass on. */
export interface OutgoingCall {
  /** Such as "/quorate.kv.v1.KvService/Put". */
  readonly path: string;
  /** Empty where the requests are a stream. */
  readonly body: Buffer;
  readonly headers: CallHeaders;
  /** As Date.now() counts. */
  readonly deadlineMs: number;
}

export interface ByteChannelSettings {
  /** How long an attempt to connect may take. */
  readonly connectTimeoutMs?: number | undefined;
  /** Whether unary calls share a stream, which the public server of a node takes. */
  readonly pipelining?: boolean | undefined;
}

/** The part of an AbortSignal that a call needs. */
export interface Cancelling {
  readonly aborted: boolean;
  addEventListener(type: "abort", run: () => void): void;
  removeEventListener(type: "abort", run: () => void): void;
}

/**
 * Sends calls to one node as bytes. Failures are CallFailures: UNREACHABLE when nothing was sent, CONNECTION_LOST when
 * something was and no answer came.
 *
 * grpc-js knows no timeout for an attempt to connect: a node that is paused meanwhile holds a channel for ever. So the
 * attempt has its deadline here, and a channel that misses it is replaced.
 */
export class ByteChannel {
  readonly address: string;
  private readonly options: ChannelOptions;
  private readonly connectTimeoutMs: number;
  private client: Client;
  private connecting: Promise<void> | null = null;
  private readonly pipelined: PipelinedCalls | null;
  private closed = false;

  /** @param address host:port */
  constructor(
    address: string,
    options: ChannelOptions,
    { connectTimeoutMs, pipelining }: ByteChannelSettings = {},
  ) {
    this.address = address;
    this.options = options;
    this.connectTimeoutMs = connectTimeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT;
    this.pipelined =
      pipelining === true ? new PipelinedCalls((call, cancelling) => this.alone(call, cancelling)) : null;
    this.client = this.newClient();
  }

  unary(call: OutgoingCall, cancelling: Cancelling): Promise<Buffer> {
    if (this.pipelined?.isOpen === true || this.isReady()) return this.send(call, cancelling);
    return this.connected(call.deadlineMs).then(() => this.send(call, cancelling));
  }

  private send(call: OutgoingCall, cancelling: Cancelling): Promise<Buffer> {
    if (cancelling.aborted) return Promise.reject(nobodyWaits());
    return this.pipelined?.unary(this.client, call, cancelling) ?? this.alone(call, cancelling);
  }

  private alone(call: OutgoingCall, cancelling: Cancelling): Promise<Buffer> {
    if (cancelling.aborted) return Promise.reject(nobodyWaits());
    return new Promise<Buffer>((resolve, reject) => {
      const cancel = (): void => sent.cancel();
      const sent: ClientUnaryCall = this.client.makeUnaryRequest(
        call.path,
        sameBuffer,
        sameBuffer,
        call.body,
        metadataOf(call.headers),
        { deadline: call.deadlineMs },
        (error: ServiceError | null, answer?: Buffer) => {
          cancelling.removeEventListener("abort", cancel);
          if (error === null && answer !== undefined) resolve(answer);
          else reject(CallFailure.from(error));
        },
      );
      cancelling.addEventListener("abort", cancel);
    });
  }

  /** The messages of a streamed answer, read no faster than they are taken. */
  async *stream(call: OutgoingCall, cancelling: Cancelling): AsyncGenerator<Buffer, void, undefined> {
    if (!this.isReady()) await this.connected(call.deadlineMs);
    if (cancelling.aborted) throw nobodyWaits();
    const sent = this.client.makeServerStreamRequest(
      call.path,
      sameBuffer,
      sameBuffer,
      call.body,
      metadataOf(call.headers),
      { deadline: call.deadlineMs },
    );
    const cancel = (): void => sent.cancel();
    cancelling.addEventListener("abort", cancel);
    try {
      for await (const message of sent) yield message as Buffer;
    } catch (error) {
      throw CallFailure.from(error);
    } finally {
      cancelling.removeEventListener("abort", cancel);
      sent.cancel();
    }
  }

  /** A stream both ways, begun when its answers are first asked for; both are taken no faster than the other end takes them. */
  async *duplex(
    call: OutgoingCall,
    source: AsyncIterable<Uint8Array>,
    cancelling: Cancelling,
  ): AsyncGenerator<Buffer, void, undefined> {
    if (!this.isReady()) await this.connected(call.deadlineMs);
    if (cancelling.aborted) throw nobodyWaits();
    const sent = this.client.makeBidiStreamRequest(
      call.path,
      asBuffer,
      sameBuffer,
      metadataOf(call.headers),
      {
        deadline: call.deadlineMs,
      },
    );
    const cancel = (): void => sent.cancel();
    cancelling.addEventListener("abort", cancel);
    // A call that is cancelled because its answers are not wanted any more says so when nobody listens.
    sent.on("error", () => {});
    const sending = new Sending(sent, source);
    sending.begin();
    try {
      for await (const message of sent) yield message;
    } catch (error) {
      throw CallFailure.from(sending.failure === null ? error : sending.failure.thrown);
    } finally {
      cancelling.removeEventListener("abort", cancel);
      sending.stop();
      sent.cancel();
    }
  }

  /** Calls under way go on to their end. Safe to call twice. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.pipelined?.close();
    const { client } = this;
    // Not in the turn of its first call: grpc-js looks the address up after that, and connects a closed channel for ever.
    setImmediate(() => client.close());
  }

  private isReady(): boolean {
    return !this.closed && this.client.getChannel().getConnectivityState(true) === connectivityState.READY;
  }

  /** All calls that meet an unconnected channel share one attempt; each gives up at its own deadline. */
  private async connected(deadlineMs: number): Promise<void> {
    if (this.closed) throw this.unreachable("its channel is closed");
    this.connecting ??= this.connect().finally(() => {
      this.connecting = null;
    });
    const leftMs = deadlineMs - Date.now();
    if (leftMs >= this.connectTimeoutMs) return this.connecting;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(this.unreachable("no connection before the deadline")),
        Math.max(0, leftMs),
      );
    });
    try {
      await Promise.race([this.connecting, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async connect(): Promise<void> {
    const { client } = this;
    const channel = client.getChannel();
    const deadlineMs = Date.now() + this.connectTimeoutMs;
    for (;;) {
      // Before the channel is asked anything, which would make a closed one connect.
      if (this.closed) throw this.unreachable("its channel is closed");
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) return;
      // Refused now or a moment ago (a backoff of at most a second runs): either way the caller may look elsewhere.
      if (state === connectivityState.TRANSIENT_FAILURE) throw this.unreachable("the connection failed");
      const timedOut = await new Promise<boolean>((resolve) => {
        channel.watchConnectivityState(state, deadlineMs, (error?: Error) => resolve(error !== undefined));
      });
      if (timedOut) {
        this.renew(client);
        throw this.unreachable(`no connection within ${this.connectTimeoutMs} ms`);
      }
    }
  }

  private renew(stuck: Client): void {
    if (this.closed || this.client !== stuck) return;
    this.client = this.newClient();
    stuck.close();
  }

  private newClient(): Client {
    return new Client(this.address, channelCredentials(), this.options);
  }

  private unreachable(why: string): CallFailure {
    return new CallFailure(ErrorReason.UNREACHABLE, `${this.address} cannot be reached: ${why}`);
  }
}

/** Where a call was cancelled before anything was sent. */
function nobodyWaits(): CallFailure {
  return new CallFailure(ErrorReason.CANCELLED, "the caller left");
}

function sameBuffer(bytes: Buffer): Buffer {
  return bytes;
}
