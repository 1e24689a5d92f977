import type { CallHeaders } from "./call-headers";
import type { MethodRoute } from "./routing";

/** A call as it arrived: its body unread, everything that routing needs beside it. */
export class ByteCall {
  readonly method: MethodRoute;
  /** Views the frame that it came in: copy what is kept. Empty where the requests are a stream, and until the one there is is whole. */
  body: Uint8Array;
  readonly headers: CallHeaders;
  /** Until when it must be answered, as Date.now() counts. */
  readonly deadlineMs: number;
  /** As performance.now() counts. */
  readonly arrivedMs: number;
  /** Whether the write may have left this node's hands: from then on an end without an answer is of unknown outcome. */
  isSubmitted = false;
  private ownTraceparent: string | null = null;
  private readonly connection: { getPeer(): string };
  private ended = false;
  /** null until there is one: few calls have any. */
  private listeners: (() => void)[] | null = null;

  constructor(fields: {
    readonly method: MethodRoute;
    readonly body: Uint8Array;
    readonly headers: CallHeaders;
    /** Asked for the peer only when a line is to be logged, for its words cost more than the rest of a call's set-up. */
    readonly connection: { getPeer(): string };
    readonly deadlineMs: number;
    /** As performance.now() counts, of calls that came together: one look at the clock is enough for them. */
    readonly arrivedMs?: number;
  }) {
    this.method = fields.method;
    this.body = fields.body;
    this.headers = fields.headers;
    this.connection = fields.connection;
    this.deadlineMs = fields.deadlineMs;
    this.arrivedMs = fields.arrivedMs ?? performance.now();
  }

  /** Whom to name in a log line. */
  get peer(): string {
    return this.connection.getPeer();
  }

  /**
   * What the call belongs to, as the caller said it (W3C Trace Context) or as whoever traces it here has set it; goes along
   * when it is forwarded. null for none.
   */
  get traceparent(): string | null {
    if (this.ownTraceparent !== null) return this.ownTraceparent;
    const { traceparent } = this.headers;
    return traceparent === "" ? null : traceparent;
  }

  set traceparent(traceparent: string) {
    this.ownTraceparent = traceparent;
  }

  /** Whether nobody waits for the answer any more: the deadline passed or the caller left. */
  get aborted(): boolean {
    return this.ended;
  }

  /** Much lighter than an AbortController, of which every call would need one. */
  addEventListener(_type: "abort", run: () => void): void {
    this.listeners ??= [];
    this.listeners.push(run);
  }

  removeEventListener(_type: "abort", run: () => void): void {
    const at = this.listeners?.indexOf(run) ?? -1;
    if (at >= 0) this.listeners?.splice(at, 1);
  }

  /** Ends the wait for an answer; once. */
  abort(): void {
    if (this.ended) return;
    this.ended = true;
    const { listeners } = this;
    this.listeners = null;
    if (listeners !== null) for (const run of listeners) run();
  }
}

/** A call that is told itself how it ends. Neither may throw, and only the first counts. */
export interface EndingCall extends ByteCall {
  answered(body: Uint8Array): void;
  /** @param error whatever CallFailure.from() takes */
  failed(error: unknown): void;
}

/** Takes the messages of a streamed answer. */
export interface ByteSink {
  /** Resolves when there is room for the next message; rejects with a CANCELLED failure when nobody listens any more. */
  write(message: Uint8Array): Promise<void>;
}

/** Serves calls as bytes: decodes and answers them, or passes them on. Rejects with whatever CallFailure.from() takes. */
export interface ByteService {
  unary(call: ByteCall): Promise<Uint8Array>;
  /**
   * The same without promises, each of which takes as much memory as the call, where a service has a way to do without them.
   * Throws nothing.
   */
  begin?(call: EndingCall): void;
  /** The stream ends when the promise settles. */
  stream(call: ByteCall, sink: ByteSink): Promise<void>;
  /**
   * A stream both ways; the call's own body is empty. It ends when the promise settles.
   *
   * @param source what the caller sends, no faster than it is taken; ends where the caller has said all, and throws a
   *   CANCELLED failure once nobody listens any more. Iterated over once.
   */
  duplex(call: ByteCall, source: AsyncIterable<Buffer>, sink: ByteSink): Promise<void>;
}
