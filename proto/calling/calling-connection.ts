import { connect } from "node:net";
import { KeptField, type OutgoingField, RequestingConnection } from "@quorate/proto/http2";
import { type CallingListener, CallingStream } from "./calling-stream";
import { type KeepaliveTimes, keepAlive } from "./keepalive";

export interface CallingConnectionOptions {
  /** host:port; an IPv6 host in brackets */
  readonly address: string;
  /** The longest message that is taken. */
  readonly messageBytesMax: number;
  readonly keepalive: KeepaliveTimes;
  /** Whether it is probed while it has no calls, too, which servers of others may take for an attack. */
  readonly isProbedWhenIdle: boolean;
  /** How much may be under way to here unread: of one call, and of all. Those of HTTP/2 where unset: 64 KiB each. */
  readonly windows?: { readonly callBytes: number; readonly connectionBytes: number };
}

/** What becomes of a connection. */
export interface ConnectionListener {
  /** The other side has said its first word, so it serves. Told once at most. */
  ready(): void;
  /** It takes no more calls: it is lost, or is to end when those that it has are over. Told once. @param why in words */
  closed(why: string): void;
}

/** How much of a call may be written before the transport has taken it. */
const WRITE_AHEAD_BYTES_MAX = 1024 * 1024;

/** A program calls a few methods, each over and over. */
const KEPT_PATHS_MAX = 64;

const METHOD = new KeptField(":method", "POST");
const SCHEME = new KeptField(":scheme", "http");
const CONTENT_TYPE = new KeptField("content-type", "application/grpc");
const TRAILERS = new KeptField("te", "trailers");

/**
 * A connection for calls, which begins at once. It keeps the process running until it is ready, and from then on while
 * there are calls on it.
 */
export class CallingConnection {
  private readonly messageBytesMax: number;
  private readonly listener: ConnectionListener;
  private readonly connection: RequestingConnection;
  private readonly authority: KeptField;
  /** What calls of a method begin with. */
  private readonly headers = new Map<string, readonly OutgoingField[]>();
  private isConnecting = true;
  private isClosed = false;
  private isDestroyed = false;

  constructor(options: CallingConnectionOptions, listener: ConnectionListener) {
    const { address, messageBytesMax, keepalive, isProbedWhenIdle, windows } = options;
    this.messageBytesMax = messageBytesMax;
    this.listener = listener;
    this.authority = new KeptField(":authority", address);
    // Whatever the address is, for an address that is none must fail as one that nobody answers at does.
    const socket = connect(endpointOf(address));
    const connection = new RequestingConnection(
      socket,
      { windows, writeAheadBytesMax: WRITE_AHEAD_BYTES_MAX },
      {
        ready: () => {
          this.isConnecting = false;
          if (!this.isClosed) listener.ready();
        },
        closed: (why) => this.leave(why),
      },
    );
    this.connection = connection;
    socket.once("connect", () =>
      keepAlive(connection, keepalive, () => isProbedWhenIdle || connection.streamCount > 0),
    );
  }

  /** Whether it can carry another call. */
  get isReady(): boolean {
    return this.connection.isReady && !this.isClosed;
  }

  /**
   * Begins a call, which leaves as soon as there is a connection.
   *
   * @param path such as "/quorate.kv.v1.KvService/Put"
   * @param headers metadata of the call, in lower case
   * @throws where the connection has ended
   */
  call(path: string, headers: Readonly<Record<string, string>>, listener: CallingListener): CallingStream {
    if (this.isClosed) throw new Error("the connection was closed");
    const stream = this.connection.request([...this.headersOf(path), ...Object.entries(headers)]);
    return new CallingStream(stream, this.messageBytesMax, listener, () => this.connection.loss);
  }

  /** Ends when the calls that it has are over; at once where it is not ready yet. Safe to call twice. */
  close(): void {
    this.leave("it was closed");
    if (this.isConnecting) this.destroy();
    else this.connection.close();
  }

  /** Ends after this turn of the event loop, with all calls. Safe to call twice. */
  destroy(): void {
    this.leave("it was closed");
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    // Who does so may not expect his calls to end while he does.
    setImmediate(() => this.connection.destroy());
  }

  private headersOf(path: string): readonly OutgoingField[] {
    const known = this.headers.get(path);
    if (known !== undefined) return known;
    const isKept = this.headers.size < KEPT_PATHS_MAX;
    const field: OutgoingField = isKept ? new KeptField(":path", path) : [":path", path];
    const headers = [METHOD, SCHEME, field, this.authority, CONTENT_TYPE, TRAILERS];
    if (isKept) this.headers.set(path, headers);
    return headers;
  }

  private leave(why: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.listener.closed(why);
  }
}

/** Port 0, where nobody listens, for a text that names none; not what the text may name else, for nobody was to be asked there. */
function endpointOf(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  const port = /^\d{1,5}$/.test(address.slice(colon + 1)) ? Number(address.slice(colon + 1)) : 0;
  if (colon < 0 || port > 65_535) return { host: "127.0.0.1", port: 0 };
  return { host: address.slice(0, colon).replace(/^\[(.*)\]$/, "$1"), port };
}
