import { type WatchCreate, type WatchRequest, WatchServiceDefinition } from "@quorate/proto/kv";
import type { Endpoint } from "#client/endpoint-pool";
import { QuorateError } from "#client/errors";
import { pause, type Timing } from "#client/timing";
import { methodOf } from "#client/transport";
import { Attachment, type AttachmentSink, type AttachmentStream } from "./attachment";
import { RequestQueue } from "./request-queue";

const WATCH = methodOf(WatchServiceDefinition, WatchServiceDefinition.methods.watch);

/** How long connecting may take; the connection itself may have a shorter bound. */
const CONNECT_MS_MAX = 5000;

/** One stream to one endpoint, shared by the watches there. It ends with the last of them. */
export class WatchStream implements AttachmentStream {
  readonly #endpoint: Endpoint;
  readonly #timing: Timing;
  readonly #onEnd: () => void;
  readonly #requests = new RequestQueue<WatchRequest>();
  readonly #attachments = new Map<bigint, Attachment>();
  readonly #leaving = new AbortController();
  #lastWatchId = 0n;
  #hasEnded = false;
  #heardAtMs: number;
  #askedAtMs = 0;

  /** @param onEnd is called once, when no further watch can be opened here */
  constructor(endpoint: Endpoint, timing: Timing, onEnd: () => void) {
    this.#endpoint = endpoint;
    this.#timing = timing;
    this.#onEnd = onEnd;
    this.#heardAtMs = timing.nowMs();
    void this.#read();
  }

  get address(): string {
    return this.#endpoint.address;
  }

  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  get quietSinceMs(): number {
    return Math.max(this.#heardAtMs, this.#askedAtMs);
  }

  attach(create: Omit<WatchCreate, "watchId">, sink: AttachmentSink): Attachment {
    this.#lastWatchId += 1n;
    const watchId = this.#lastWatchId;
    const attachment = new Attachment(watchId, this, this.#timing, sink);
    this.#attachments.set(watchId, attachment);
    this.#requests.push({ request: { $case: "create", value: { ...create, watchId } } });
    return attachment;
  }

  askProgress(watchId: bigint): void {
    this.#askedAtMs = this.#timing.nowMs();
    this.#requests.push({ request: { $case: "progress", value: { watchId } } });
  }

  detach(watchId: bigint): void {
    if (!this.#attachments.delete(watchId)) return;
    if (this.#attachments.size === 0) this.#end();
    else this.#requests.push({ request: { $case: "cancel", value: { watchId } } });
  }

  fail(error: QuorateError): void {
    if (this.#hasEnded) return;
    const attachments = [...this.#attachments.values()];
    this.#attachments.clear();
    this.#end();
    for (const attachment of attachments) attachment.onStreamFailed(error);
  }

  /** Ending the call ends its watches at the server. */
  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#onEnd();
    this.#leaving.abort();
    this.#requests.end();
  }

  async #read(): Promise<void> {
    try {
      const responses = this.#endpoint.connection.duplex(WATCH, this.#requests, {
        metadata: {},
        timeoutMs: CONNECT_MS_MAX,
        signal: this.#leaving.signal,
      });
      for await (const response of responses) {
        if (this.#hasEnded) return;
        this.#heardAtMs = this.#timing.nowMs();
        const isCongested = this.#attachments.get(response.watchId)?.onResponse(response) ?? false;
        // A consumer that only computes takes all of it within the turn: its watch need not be ended.
        if (isCongested) await pause(this.#timing, 0, this.#leaving.signal);
      }
      this.fail(
        new QuorateError(`${this.address} ended the stream of watches`, {
          code: "UNAVAILABLE",
          retryable: true,
        }),
      );
    } catch (thrown) {
      this.fail(QuorateError.from(thrown));
    }
  }
}
