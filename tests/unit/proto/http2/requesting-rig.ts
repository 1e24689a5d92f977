import { type AddressInfo, connect, createServer, type Server } from "node:net";
import {
  type Headers,
  type OutgoingField,
  RequestingConnection,
  type RequestingConnectionOptions,
  type Stream,
} from "@quorate/proto/http2";
import { eventually } from "../../../support/eventually";
import { END_HEADERS, END_STREAM, frame, HEADERS, PREFACE } from "../../grpc/http2-frames";
import { catchFaults } from "./caught-faults";
import { RawEnd } from "./raw-end";

export const NO_BYTES = Buffer.alloc(0);

/** The block of ":status: 200". */
export const OK = Buffer.of(0x88);

export const REQUEST: readonly OutgoingField[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/a"],
];

/** A block of a trailer that nobody keeps. */
export const TRAILERS = Buffer.from("\x00\x01t\x011", "latin1");

export const answer = (streamId: number): Buffer => frame(HEADERS, END_HEADERS, streamId, OK);
export const trailers = (streamId: number): Buffer =>
  frame(HEADERS, END_HEADERS | END_STREAM, streamId, TRAILERS);
export const bytesOf = ({ data }: SeenAnswer): Buffer => Buffer.concat(data);

/** What the end that begins streams was told of one. */
export interface SeenAnswer {
  readonly stream: Stream;
  readonly headers: Headers[];
  readonly data: Buffer[];
  ends: number;
  drained: number;
  readonly closed: (number | null)[];
}

/** The end that begins streams, and what it was told. */
export class Requester {
  ready = 0;
  readonly closed: string[] = [];
  /** Reading threw, which would end the process. */
  readonly faults: unknown[] = [];
  readonly connection: RequestingConnection;

  constructor(port: number, options: Partial<RequestingConnectionOptions> = {}) {
    const socket = connect(port, "127.0.0.1");
    this.connection = new RequestingConnection(
      socket,
      { writeAheadBytesMax: 100_000, ...options },
      {
        ready: () => {
          this.ready += 1;
        },
        closed: (why) => this.closed.push(why),
      },
    );
    catchFaults(socket, this.faults);
  }

  request(fields: readonly OutgoingField[] = REQUEST): SeenAnswer {
    const stream = this.connection.request(fields);
    const seen: SeenAnswer = { stream, headers: [], data: [], ends: 0, drained: 0, closed: [] };
    stream.listener = {
      onHeaders: (headers) => seen.headers.push(headers),
      onData: (bytes) => seen.data.push(Buffer.from(bytes)),
      onEnd: () => {
        seen.ends += 1;
      },
      onDrained: () => {
        seen.drained += 1;
      },
      onClosed: (code) => seen.closed.push(code),
    };
    return seen;
  }
}

/** A server that says what it is told to. */
export class RawServer {
  readonly ends: RawEnd[] = [];
  private readonly listener: Server;
  private readonly requesters: Requester[] = [];

  constructor() {
    this.listener = createServer((socket) => this.ends.push(new RawEnd(socket, PREFACE.length)));
  }

  get port(): number {
    return (this.listener.address() as AddressInfo).port;
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.listener.listen(0, "127.0.0.1", resolve));
  }

  /** A connection to it, and its end. */
  async dial(options: Partial<RequestingConnectionOptions> = {}): Promise<[Requester, RawEnd]> {
    const requester = new Requester(this.port, options);
    this.requesters.push(requester);
    const nth = this.requesters.length;
    return [requester, await eventually("it is accepted", () => this.ends[nth - 1])];
  }

  async close(): Promise<void> {
    for (const { connection } of this.requesters) connection.destroy();
    for (const end of this.ends) end.close();
    await eventually("all connections are over", () => this.ends.every(({ isClosed }) => isClosed));
    this.listener.close();
  }
}
