import { createServer, type Server, type Socket } from "node:net";
import { expect } from "@jest/globals";
import { type Headers, ServingConnection, type Stream } from "@quorate/proto/http2";
import { eventually } from "../../../support/eventually";
import { ACK, END_HEADERS, frame, HEADERS, PING } from "../../grpc/http2-frames";
import { RawCaller } from "./raw-caller";

export const STREAMS_MAX = 4;

export const NO_BYTES = Buffer.alloc(0);

/** What the serving end was told of a stream. */
export interface SeenStream {
  readonly headers: Headers;
  readonly stream: Stream;
  readonly data: Buffer[];
  ends: number;
  readonly closed: (number | null)[];
}

export interface ServingRigOptions {
  readonly streamsMax?: number;
  /** Listens to a stream, where it is not only to be noted. */
  readonly begun?: (stream: Stream) => void;
  /** Told of each socket that a connection was made of. */
  readonly accepted?: (socket: Socket) => void;
}

/** A serving end that notes what comes, for callers that say what they like. */
export class ServingRig {
  /** By the number of the stream, of the connection that came last. */
  readonly told = new Map<number, SeenStream>();
  readonly sockets: Socket[] = [];
  /** How many connections are over. */
  closed = 0;
  /** Data that was given to be sent, and how much of it was taken. */
  wrote = 0;
  took = 0;
  private newest: ServingConnection | null = null;
  private readonly callers: RawCaller[] = [];
  private readonly listener: Server;
  private readonly options: ServingRigOptions;

  constructor(options: ServingRigOptions = {}) {
    this.options = options;
    this.listener = createServer((socket) => this.accept(socket));
  }

  /** The connection that came last. */
  get connection(): ServingConnection {
    expect(this.newest).not.toBeNull();
    return this.newest as ServingConnection;
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.listener.listen(0, "127.0.0.1", resolve));
  }

  async close(): Promise<void> {
    for (const caller of this.callers) caller.close();
    await eventually("all connections are over", () => this.closed === this.sockets.length);
    this.listener.close();
  }

  /** A caller that has said nothing. */
  connect(): RawCaller {
    const caller = new RawCaller((this.listener.address() as { port: number }).port);
    this.callers.push(caller);
    return caller;
  }

  call(settings: readonly (readonly [number, number])[] = []): RawCaller {
    return this.connect().begin(settings);
  }

  begun(streamId: number): Promise<SeenStream> {
    return eventually(`stream ${streamId} has begun`, () => this.told.get(streamId));
  }

  private accept(socket: Socket): void {
    this.sockets.push(socket);
    this.newest = new ServingConnection(
      socket,
      { streamsMax: this.options.streamsMax ?? STREAMS_MAX },
      {
        stream: this.options.begun ?? ((stream, headers) => this.note(stream, headers)),
        wrote: (bytes) => {
          this.wrote += bytes;
        },
        took: (bytes) => {
          this.took += bytes;
        },
        closed: () => {
          this.closed += 1;
        },
      },
    );
    this.options.accepted?.(socket);
  }

  private note(stream: Stream, headers: Headers): void {
    const seen: SeenStream = { headers, stream, data: [], ends: 0, closed: [] };
    this.told.set(stream.id, seen);
    stream.listener = {
      onData: (bytes) => seen.data.push(Buffer.from(bytes)),
      onEnd: () => {
        seen.ends += 1;
      },
      onDrained: () => {},
      onClosed: (code) => seen.closed.push(code),
    };
  }
}

/** A block of one field that nobody keeps. */
export function block(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.of(0, name.length),
    Buffer.from(name, "latin1"),
    Buffer.of(value.length),
    Buffer.from(value),
  ]);
}

/** POST http, "/", and a field. */
export const BLOCK = Buffer.concat([Buffer.of(0x83, 0x86, 0x84), block("name", "value")]);

export const TRAILERS = block("name", "value");

export function headers(streamId: number, flags: number = END_HEADERS): Buffer {
  return frame(HEADERS, flags, streamId, BLOCK);
}

/** Answered once all that was said before is read. */
export async function passed(caller: RawCaller): Promise<void> {
  caller.say(frame(PING, 0, 0, Buffer.alloc(8, 1)));
  expect(await caller.next(PING, 0)).toMatchObject({ flags: ACK, payload: Buffer.alloc(8, 1) });
}
