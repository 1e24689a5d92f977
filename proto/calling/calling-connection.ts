import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from "node:http2";
import { connect as connectSocket } from "node:net";
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

/**
 * A connection for calls, which begins at once. It keeps the process running until it is ready, and from then on while
 * there are calls on it.
 */
export class CallingConnection {
  private readonly options: CallingConnectionOptions;
  private readonly listener: ConnectionListener;
  private readonly session: ClientHttp2Session;
  private calls = 0;
  private phase: "connecting" | "ready" | "closed" = "connecting";
  private fault: string | null = null;
  private isDestroyed = false;

  constructor(options: CallingConnectionOptions, listener: ConnectionListener) {
    this.options = options;
    this.listener = listener;
    const { address, keepalive, isProbedWhenIdle, windows } = options;
    const endpoint = endpointOf(address);
    // Whatever the address is, for an address that is none must fail as one that nobody answers at does.
    const session = connect("http://localhost", {
      createConnection: () => connectSocket(endpoint),
      // Where its limits of memory are reached, Node resets streams in ways that cannot be told from a fault.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
      ...(windows === undefined ? {} : { settings: { initialWindowSize: windows.callBytes } }),
    });
    this.session = session;
    // Followed by the ends of its streams, which tell of it.
    session.on("error", (error) => {
      this.fault ??= error.message;
    });
    session.once("connect", () => {
      if (session.destroyed) return;
      if (windows !== undefined) session.setLocalWindowSize(windows.connectionBytes);
      keepAlive(session, keepalive, () => isProbedWhenIdle || this.calls > 0);
    });
    session.once("remoteSettings", () => this.begin());
    session.once("goaway", () => this.leave("the other side closes the connection"));
    session.once("close", () => this.leave(this.fault ?? "the other side closed it"));
  }

  /** Whether it can carry another call. */
  get isReady(): boolean {
    return this.phase === "ready" && !this.session.closed && !this.session.destroyed;
  }

  /**
   * Begins a call, which leaves as soon as there is a connection.
   *
   * @param path such as "/quorate.kv.v1.KvService/Put"
   * @param headers metadata of the call, in lower case
   * @throws where the connection has ended
   */
  call(path: string, headers: OutgoingHttpHeaders, listener: CallingListener): CallingStream {
    const { session } = this;
    if (this.isDestroyed) throw new Error("the connection was closed");
    const stream = session.request({
      ...headers,
      ":method": "POST",
      ":path": path,
      ":authority": this.options.address,
      "content-type": "application/grpc",
      te: "trailers",
    });
    this.calls += 1;
    if (this.calls === 1) session.ref();
    stream.once("close", () => {
      this.calls -= 1;
      if (this.calls === 0 && this.phase !== "connecting") session.unref();
    });
    return new CallingStream(stream, this.options.messageBytesMax, listener, () =>
      session.destroyed ? (this.fault ?? "the other side closed it") : null,
    );
  }

  /** Ends when the calls that it has are over; at once where it is not ready yet. Safe to call twice. */
  close(): void {
    const isConnecting = this.phase === "connecting";
    this.leave("it was closed");
    if (isConnecting) this.destroy();
    else if (!this.session.closed) this.session.close();
  }

  /** Ends after this turn of the event loop, with all calls. Safe to call twice. */
  destroy(): void {
    this.leave("it was closed");
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    // It may be what a message brings about, and Node (20) frees what it reads with when its session is destroyed.
    setImmediate(() => this.session.destroy(undefined, constants.NGHTTP2_CANCEL));
  }

  private begin(): void {
    if (this.phase !== "connecting") return;
    this.phase = "ready";
    if (this.calls === 0) this.session.unref();
    this.listener.ready();
  }

  private leave(why: string): void {
    if (this.phase === "closed") return;
    this.phase = "closed";
    this.listener.closed(why);
  }
}

/** Port 0, where nobody listens, for a text that names none. */
function endpointOf(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  const port = /^\d{1,5}$/.test(address.slice(colon + 1)) ? Number(address.slice(colon + 1)) : 0;
  return { host, port: port <= 65_535 ? port : 0 };
}
