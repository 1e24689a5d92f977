import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  ByteChannel,
  type ByteChannelOptions,
  ByteChannels,
  ByteServer,
  type ByteServerOptions,
  type ByteService,
  type Log,
} from "@quorate/services/forward";

/** What a test gives whatever must succeed, however slow the machine is. */
export const PATIENCE_MS = 60_000;

/** Of connections that are not given up because a machine stands still for a while, and not probed while a test runs. */
export const PATIENT_OPTIONS: ByteChannelOptions = {
  messageBytesMax: 4 * 1024 * 1024,
  keepalive: { timeMs: 10 * PATIENCE_MS, timeoutMs: PATIENCE_MS },
  connectTimeoutMs: PATIENCE_MS,
};

/** @param pipelining as ByteChannelOptions have it */
export function patientChannel(address: string, pipelining = false): ByteChannel {
  return new ByteChannel(address, { ...PATIENT_OPTIONS, pipelining });
}

/** As nodes and gateways have them. */
export function patientChannels(): ByteChannels {
  return new ByteChannels({ ...PATIENT_OPTIONS, pipelining: true });
}

/**
 * Calls with ever longer deadlines until one call has arrived before its deadline passed, for how long that takes is the
 * machine's.
 *
 * @param hasArrived whether the last call did
 * @returns what that call came to
 */
export async function onceArrived<T>(
  call: (deadlineMs: number) => Promise<T>,
  hasArrived: () => boolean,
): Promise<T> {
  for (let deadlineMs = 100; ; deadlineMs *= 2) {
    const ended = await call(deadlineMs);
    if (hasArrived() || deadlineMs > PATIENCE_MS) return ended;
  }
}

export interface LogLine {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A log that remembers its lines. */
export function recordingLog(): Log & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields: fields as Record<string, unknown>, message });
  };
  return { lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

export interface Answered {
  readonly error: ServiceError | null;
  readonly answer: Buffer | null;
}

/** A byte server on a port of its own, with a client. */
export class Serving {
  readonly log = recordingLog();
  readonly server: ByteServer;
  client!: Client;
  address = "";

  constructor(service: ByteService, options: Partial<ByteServerOptions> = {}) {
    this.server = new ByteServer({
      service,
      log: this.log,
      defaultDeadlineMs: PATIENCE_MS,
      messageBytesMax: 4 * 1024 * 1024,
      ...options,
    });
  }

  static async open(service: ByteService, options: Partial<ByteServerOptions> = {}): Promise<Serving> {
    const serving = new Serving(service, options);
    await serving.listen();
    return serving;
  }

  async listen(): Promise<void> {
    const port = await this.server.listen("127.0.0.1:0");
    this.address = `127.0.0.1:${port}`;
    this.client = new Client(this.address, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_channelz": 0,
    });
  }

  unary(
    path: string,
    body: Uint8Array,
    options: { readonly metadata?: Record<string, string>; readonly deadlineMs?: number } = {},
  ): Promise<Answered> {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value);
    const deadline = Date.now() + (options.deadlineMs ?? PATIENCE_MS);
    return new Promise((resolve) => {
      this.client.makeUnaryRequest(
        path,
        asIs,
        asIs,
        Buffer.from(body),
        metadata,
        { deadline },
        (error, answer) => resolve({ error, answer: answer ?? null }),
      );
    });
  }

  async stream(path: string, body: Uint8Array): Promise<{ messages: Buffer[]; error: ServiceError | null }> {
    const messages: Buffer[] = [];
    const stream = this.client.makeServerStreamRequest(path, asIs, asIs, Buffer.from(body));
    try {
      for await (const message of stream) messages.push(message as Buffer);
      return { messages, error: null };
    } catch (error) {
      return { messages, error: error as ServiceError };
    }
  }

  async close(): Promise<void> {
    this.client.close();
    await this.server.close(100);
  }
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

/** A service whose calls all end alike. */
export function serviceOf(unary: ByteService["unary"], stream?: ByteService["stream"]): ByteService {
  return { unary, stream: stream ?? notHere, duplex: notHere };
}

/** A service of duplex streams alone. */
export function duplexServiceOf(duplex: ByteService["duplex"]): ByteService {
  return { unary: notHere, stream: notHere, duplex };
}

function notHere(): Promise<never> {
  return Promise.reject(new Error("no such calls here"));
}
