import { QuorateError } from "#client/errors";
import type { AttemptOptions, MessageDecoder, MessageEncoder, Method } from "#client/transport";

/** What a call is on: ends it when its caller gives it up. */
export interface Carrier {
  giveUp(call: OutgoingCall): void;
}

/** What becomes of a call. */
export interface CallEnd {
  resolve(response: unknown): void;
  reject(failure: QuorateError): void;
}

/** One attempt at a unary call, encoded: ends once, whatever it travels on. */
export class OutgoingCall {
  readonly path: string;
  readonly body: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
  /** By the client's clock. */
  readonly deadlineAtMs: number;
  /** Its number on the stream that it was written to; 0 before. */
  id = 0;
  isOver = false;
  readonly #responseType: MessageDecoder<unknown>;
  readonly #end: CallEnd;
  readonly #signal: AbortSignal | undefined;
  #carrier: Carrier | null = null;

  /** @throws QuorateError INTERNAL when the request cannot be encoded */
  constructor(
    method: Method<unknown, unknown>,
    request: unknown,
    options: AttemptOptions,
    deadlineAtMs: number,
    end: CallEnd,
  ) {
    this.path = method.path;
    this.body = encoded(method.requestType, request);
    this.metadata = options.metadata;
    this.deadlineAtMs = deadlineAtMs;
    this.#responseType = method.responseType;
    this.#end = end;
    this.#signal = options.signal;
    if (this.#signal === undefined) return;
    this.#signal.addEventListener("abort", this);
    if (this.#signal.aborted) this.handleEvent();
  }

  /** From now on on this; null for on nothing yet. */
  goOn(carrier: Carrier | null): void {
    this.#carrier = carrier;
  }

  answer(body: Uint8Array): void {
    if (this.isOver) return;
    this.#finish();
    try {
      this.#end.resolve(this.#responseType.decode(body));
    } catch (cause) {
      const message = `the answer cannot be read: ${String(cause)}`;
      this.#end.reject(new QuorateError(message, { code: "INTERNAL", cause }));
    }
  }

  fail(failure: QuorateError): void {
    if (this.isOver) return;
    this.#finish();
    this.#end.reject(failure);
  }

  /** Of the signal, which takes this object for its listener. */
  handleEvent(): void {
    if (this.#carrier !== null) this.#carrier.giveUp(this);
    else
      this.fail(
        new QuorateError("the call was given up", {
          code: "CANCELLED",
          reason: "CANCELLED",
          outcome: "not_applied",
        }),
      );
  }

  #finish(): void {
    this.isOver = true;
    this.#signal?.removeEventListener("abort", this);
  }
}

function encoded(type: MessageEncoder<unknown>, request: unknown): Uint8Array {
  try {
    return type.encode(request).finish();
  } catch (cause) {
    const message = `the request cannot be encoded: ${String(cause)}`;
    throw new QuorateError(message, { code: "INTERNAL", outcome: "not_applied", cause });
  }
}
