import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from "node:http2";
import { connect as connectSocket } from "node:net";
import { status } from "@grpc/grpc-js";
import { type KeepaliveTimes, keepAlive } from "@quorate/proto/calling";
import { framed, MessageSplitter } from "@quorate/proto/calling";
import { type CallStatus, statusIn, statusOfReset } from "./status";

export interface OutgoingStreamOptions {
  /** host:port; an IPv6 host in brackets */
  readonly address: string;
  /** Such as "/quorate.raft.v1.PeerService/Exchange". */
  readonly path: string;
  /** The longest message that is taken. */
  readonly messageBytesMax: number;
  readonly keepalive: KeepaliveTimes;
}

/** What comes of an outgoing stream. Nothing does once it is closed. */
export interface OutgoingStreamListener {
  /** One of the other side's messages. It views the chunk that it came in: copy what is kept. */
  message(bytes: Buffer): void;
  /** The transport has taken what was written, after it wanted a pause. */
  drained(): void;
  /** It is over, as the other side says, or as its connection came to its end: told once, and nothing after it. */
  ended(said: CallStatus): void;
}

/** How much may be written before the transport has taken it. */
const WRITE_AHEAD_BYTES_MAX = 1024 * 1024;

/** The calling end of one stream both ways, on a connection of its own, which begins at once. */
export class OutgoingStream {
  private readonly listener: OutgoingStreamListener;
  private readonly session: ClientHttp2Session;
  private readonly stream: ClientHttp2Stream;
  private readonly splitter: MessageSplitter;
  private said: CallStatus | null = null;
  private fault: Error | null = null;
  private isOver = false;

  constructor(
    { address, path, messageBytesMax, keepalive }: OutgoingStreamOptions,
    listener: OutgoingStreamListener,
  ) {
    this.listener = listener;
    this.splitter = new MessageSplitter(messageBytesMax);
    const endpoint = endpointOf(address);
    // Whatever the address is, for an address that is none must fail as one that nobody answers at does.
    this.session = connect("http://localhost", {
      createConnection: () => connectSocket(endpoint),
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
    });
    // Followed by the end of the stream, which tells of it.
    this.session.on("error", (error) => {
      this.fault ??= error;
    });
    this.session.once("connect", () => keepAlive(this.session, keepalive));
    this.stream = this.session.request({
      ":method": "POST",
      ":path": path,
      ":authority": address,
      "content-type": "application/grpc",
      te: "trailers",
    });
    this.stream.on("error", (error) => {
      this.fault ??= error;
    });
    this.stream.on("response", (headers) => this.onHeaders(headers));
    this.stream.on("trailers", (trailers) => {
      this.said ??= statusIn(trailers);
    });
    this.stream.on("data", (chunk: Buffer) => this.take(chunk));
    this.stream.on("drain", () => {
      if (!this.isOver) this.listener.drained();
    });
    // This side of the stream is open still, so it would not be closed by itself. Trailers may be told after the end.
    this.stream.on("end", () => setImmediate(() => this.conclude()));
    this.stream.on("close", () => this.conclude());
  }

  /** @returns whether the transport has room for more; else `drained` tells */
  write(message: Uint8Array): boolean {
    if (this.isOver) return false;
    this.stream.write(framed(message));
    return this.stream.writableLength < WRITE_AHEAD_BYTES_MAX;
  }

  /** Ends the stream and its connection; nothing is told any more. Safe to call twice. */
  close(): void {
    this.isOver = true;
    this.session.destroy(undefined, constants.NGHTTP2_CANCEL);
  }

  private onHeaders(headers: IncomingHttpHeaders): void {
    this.said ??= statusIn(headers);
    const httpStatus = Number(headers[":status"]);
    if (this.said !== null || httpStatus === 200) return;
    this.said = {
      code: status.UNAVAILABLE,
      details: `the other side answered with HTTP status ${httpStatus}`,
    };
  }

  private take(chunk: Buffer): void {
    if (this.isOver) return;
    try {
      this.splitter.push(chunk, (message, isCompressed) => {
        if (this.isOver) return;
        if (isCompressed) throw new Error("a message came compressed, which was not asked for");
        this.listener.message(message);
      });
    } catch (error) {
      this.said = { code: status.INTERNAL, details: (error as Error).message };
      this.conclude();
    }
  }

  private conclude(): void {
    if (this.isOver) return;
    const said = this.said ?? this.statusOfEnd();
    this.close();
    this.listener.ended(said);
  }

  private statusOfEnd(): CallStatus {
    const { fault, session, stream } = this;
    if (fault !== null) return lost(`the connection was lost: ${fault.message}`);
    return session.destroyed ? lost("the connection was lost") : statusOfReset(stream.rstCode);
  }
}

function lost(details: string): CallStatus {
  return { code: status.UNAVAILABLE, details };
}

/** Port 0, where nobody listens, for a text that names none. */
function endpointOf(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  const port = /^\d{1,5}$/.test(address.slice(colon + 1)) ? Number(address.slice(colon + 1)) : 0;
  return { host, port: port <= 65_535 ? port : 0 };
}
