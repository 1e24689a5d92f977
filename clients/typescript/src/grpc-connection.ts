import {
  type ChannelOptions,
  Client,
  connectivityState,
  credentials,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { QuorateError } from "./errors";
import { type CallEnd, OutgoingCall } from "./pipeline/outgoing-call";
import { PipelinedCalls } from "./pipeline/pipelined-calls";
import { Sending } from "./sending";
import { systemTiming } from "./timing";
import type { AttemptOptions, Connection, MessageEncoder, Method } from "./transport";

/** The longest message that is sent or taken: the server's request limit plus room for larger configured limits. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** With the 64 KiB of HTTP/2 a page of a scan would stop several times until its window is opened again, which wakes both ends. */
const WINDOW_BYTES = 1024 * 1024;

const CHANNEL_OPTIONS: ChannelOptions = {
  // The defaults (1 s, up to 120 s) would leave a restarted node unused for minutes.
  "grpc.initial_reconnect_backoff_ms": 50,
  // Whatever its name says: how long one attempt to connect may take, once nice-grpc is loaded in the process.
  "grpc.min_reconnect_backoff_ms": 2000,
  "grpc.max_reconnect_backoff_ms": 1000,
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 3000,
  "grpc.enable_channelz": 0,
  "grpc-node.flow_control_window": WINDOW_BYTES,
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  // From the pool that all channels share, a renewed channel would get the very connection attempt that is stuck.
  "grpc.use_local_subchannel_pool": 1,
};

/** How unary calls travel: together on one stream, or each by itself. */
export type CallTransport = "pipeline" | "unary";

/** A connection over grpc-js, unencrypted. */
export class GrpcConnection implements Connection {
  readonly #address: string;
  readonly #connectTimeoutMs: number;
  readonly #pipelined: PipelinedCalls | null;
  #client: Client | null = null;
  #ready: Promise<Client> | null = null;

  /**
   * @param connectTimeoutMs how long an attempt to connect may take, since grpc-js itself sets no bound
   * @param transport how unary calls travel; those that a server refuses on a stream go by themselves all the same
   */
  constructor(address: string, connectTimeoutMs: number, transport: CallTransport = "pipeline") {
    this.#address = address;
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#pipelined = transport === "pipeline" ? new PipelinedCalls(systemTiming, sendAlone) : null;
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
    const client = this.#readyClient() ?? (await this.#connected(options.timeoutMs));
    const { signal } = options;
    if (signal?.aborted === true) throw givenUp();
    const call = client.makeServerStreamRequest(
      method.path,
      serializer(method.requestType),
      method.responseType.decode,
      request,
      metadataOf(options),
    );
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel);
    // A cancelled stream reports its cancellation after we stopped reading: that is no failure of anyone's.
    call.on("error", () => undefined);
    const messages = call[Symbol.asyncIterator]() as AsyncIterator<Response>;
    try {
      for (;;) {
        const next = await within(options.timeoutMs, messages.next(), cancel);
        if (next.done === true) return;
        yield next.value;
      }
    } catch (failure) {
      throw QuorateError.from(failure);
    } finally {
      signal?.removeEventListener("abort", cancel);
      call.cancel();
    }
  }

  async *duplex<Request, Response>(
    method: Method<Request, Response>,
    requests: AsyncIterable<Request>,
    options: AttemptOptions,
  ): AsyncGenerator<Response, void, undefined> {
    const client = this.#readyClient() ?? (await this.#connected(options.timeoutMs));
    const { signal } = options;
    if (signal?.aborted === true) throw givenUp();
    const call = client.makeBidiStreamRequest(
      method.path,
      serializer(method.requestType),
      method.responseType.decode,
      metadataOf(options),
    );
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel);
    // A cancelled stream reports its cancellation after we stopped reading: that is no failure of anyone's.
    call.on("error", () => undefined);
    const sending = new Sending(call, requests);
    sending.begin();
    try {
      for await (const message of call) yield message as Response;
      if (sending.failure !== null) throw sending.failure.thrown;
    } catch (failure) {
      throw QuorateError.from(sending.failure === null ? failure : sending.failure.thrown);
    } finally {
      signal?.removeEventListener("abort", cancel);
      sending.stop();
      call.cancel();
    }
  }

  close(): void {
    this.#pipelined?.retire();
    const client = this.#client;
    this.#client = null;
    this.#ready = null;
    // Not in the turn of its first call: grpc-js looks the address up after that, and connects a closed channel for ever.
    if (client !== null) setImmediate(() => client.close());
  }

  /** Sends a call by whichever way it is to take, once there is a connection. Never throws. */
  #send(call: OutgoingCall): void {
    if (call.isOver) return;
    const client = this.#readyClient();
    if (client === null) {
      // The stream may be on a connection that its server is about to close.
      this.#pipelined?.retire();
      this.#connected(call.deadlineAtMs - systemTiming.nowMs()).then(
        (connected) => this.#sendOn(connected, call),
        (thrown: unknown) => call.fail(QuorateError.from(thrown)),
      );
    } else {
      this.#sendOn(client, call);
    }
  }

  #sendOn(client: Client, call: OutgoingCall): void {
    if (call.isOver) return;
    if (this.#pipelined?.carries(call) === true) this.#pipelined.send(client, call);
    else sendAlone(client, call);
  }

  #readyClient(): Client | null {
    const client = this.#client;
    if (client === null) return null;
    return client.getChannel().getConnectivityState(false) === connectivityState.READY ? client : null;
  }

  /** One attempt to connect, shared by all calls that wait for it; failed ones have sent nothing. */
  #connected(timeoutMs: number): Promise<Client> {
    this.#ready ??= this.#open(Math.min(this.#connectTimeoutMs, timeoutMs)).finally(() => {
      this.#ready = null;
    });
    return this.#ready;
  }

  async #open(timeoutMs: number): Promise<Client> {
    this.#client ??= new Client(this.#address, credentials.createInsecure(), CHANNEL_OPTIONS);
    const client = this.#client;
    const channel = client.getChannel();
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      if (this.#client !== client) throw this.#unreachable("the client was closed");
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) return client;
      if (state === connectivityState.TRANSIENT_FAILURE) throw this.#unreachable("nothing answers there");
      const changed = await new Promise<boolean>((resolve) => {
        channel.watchConnectivityState(state, deadline, (late) => resolve(late === undefined));
      });
      if (!changed) {
        // A paused peer can hold the channel in this state for ever: the next attempt starts from a new one.
        if (this.#client === client) this.close();
        else client.close();
        throw this.#unreachable(`no connection within ${Math.round(timeoutMs)} ms`);
      }
    }
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

function serializer<Request>(type: MessageEncoder<Request>): (request: Request) => Buffer {
  return (request) => {
    const encoded = type.encode(request).finish();
    return Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  };
}

/** Sends a call as gRPC's own unary one. Never throws. */
function sendAlone(client: Client, call: OutgoingCall): void {
  if (call.isOver) return;
  const deadline = Date.now() + call.deadlineAtMs - systemTiming.nowMs();
  try {
    const sent = client.makeUnaryRequest(
      call.path,
      asIs,
      asIs,
      call.body,
      metadataOf(call),
      { deadline },
      (failure: ServiceError | null, body?: Buffer) => {
        if (failure === null) call.answer(body as Buffer);
        else call.fail(QuorateError.from(failure));
      },
    );
    call.goOn({ giveUp: () => sent.cancel() });
  } catch (thrown) {
    // The channel was closed meanwhile.
    call.fail(QuorateError.from(thrown).withOutcome("not_applied"));
  }
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

function metadataOf(options: Pick<AttemptOptions, "metadata">): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(options.metadata)) metadata.set(name, value);
  return metadata;
}

/** The promise's value, or DEADLINE_EXCEEDED after `timeoutMs`, having called `onTimeout`. */
async function within<T>(timeoutMs: number, promise: Promise<T>, onTimeout: () => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      onTimeout();
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
