import type { WatchResponse } from "@quorate/proto/kv";
import { QuorateError } from "#client/errors";
import type { Timing } from "#client/timing";

/** After so much silence a watch asks the server how far it has come. */
export const SILENCE_MS_MAX = 2000;

/** The same where other watches of its stream are told something or have asked: one question shows that the server is there. */
const QUIET_MS_MAX = 10_000;

/** How long the server may take to answer that, or to begin the watch. */
export const ANSWER_MS_MAX = 3000;

/** How long a watch may be silent while other watches of its stream are not. */
const ALONE_MS_MAX = 15_000;

/** A check that comes so late says that this process stood still: answers may lie unread. */
const LATE_MS = 500;

/** What a watch does with what its stream tells. */
export interface AttachmentSink {
  /** Returns whether its consumer should get a turn before anything else is read. */
  onResponse(response: WatchResponse): boolean;
  /** Nothing more comes: the stream or the watch has failed. Not called after `detach`. */
  onLost(error: QuorateError): void;
}

/** What an attachment needs of its stream. */
export interface AttachmentStream {
  readonly heardAtMs: number;
  /** When something was heard, or asked by any watch. */
  readonly quietSinceMs: number;
  readonly address: string;
  askProgress(watchId: bigint): void;
  detach(watchId: bigint): void;
  fail(error: QuorateError): void;
}

/** One watch on one stream; notices when the server says nothing about it although it was asked. */
export class Attachment {
  readonly #watchId: bigint;
  readonly #stream: AttachmentStream;
  readonly #timing: Timing;
  readonly #sink: AttachmentSink;
  #heardAtMs: number;
  /** When the oldest unanswered question was asked; the creation is the first. */
  #askedAtMs: number | null;
  #cancelCheck: () => void = () => undefined;
  #hasBegun = false;
  #isOver = false;

  constructor(watchId: bigint, stream: AttachmentStream, timing: Timing, sink: AttachmentSink) {
    this.#watchId = watchId;
    this.#stream = stream;
    this.#timing = timing;
    this.#sink = sink;
    this.#heardAtMs = timing.nowMs();
    this.#askedAtMs = this.#heardAtMs;
    this.#checkIn(SILENCE_MS_MAX);
  }

  /** Returns whether the consumer should get a turn before anything else is read. */
  onResponse(response: WatchResponse): boolean {
    this.#heardAtMs = this.#timing.nowMs();
    this.#askedAtMs = null;
    this.#hasBegun = true;
    try {
      return this.#sink.onResponse(response);
    } catch (thrown) {
      this.detach();
      this.#sink.onLost(QuorateError.from(thrown));
      return false;
    }
  }

  /** Asks how far the watch has come, once it has begun. */
  askProgress(): void {
    if (this.#isOver || !this.#hasBegun) return;
    this.#askedAtMs ??= this.#timing.nowMs();
    this.#stream.askProgress(this.#watchId);
  }

  /** The watch is ended at the server too; nothing more is told. */
  detach(): void {
    if (this.#isOver) return;
    this.#end();
    this.#stream.detach(this.#watchId);
  }

  /** The stream has ended. */
  onStreamFailed(error: QuorateError): void {
    if (this.#isOver) return;
    this.#end();
    this.#sink.onLost(error);
  }

  #end(): void {
    this.#isOver = true;
    this.#cancelCheck();
  }

  #checkIn(delayMs: number): void {
    const dueAtMs = this.#timing.nowMs() + delayMs;
    this.#cancelCheck = this.#timing.schedule(delayMs, () => {
      const nextMs = this.#check(this.#timing.nowMs(), dueAtMs);
      if (nextMs !== null) this.#checkIn(nextMs);
    });
  }

  /** When to check again, in milliseconds; null when the watch was given up here. */
  #check(nowMs: number, dueAtMs: number): number | null {
    if (nowMs - dueAtMs > LATE_MS) return LATE_MS;
    const silentMs = nowMs - this.#heardAtMs;
    if (this.#askedAtMs === null) {
      const streamQuietMs = nowMs - this.#stream.quietSinceMs;
      if (silentMs < SILENCE_MS_MAX) return SILENCE_MS_MAX - silentMs;
      if (streamQuietMs < SILENCE_MS_MAX && silentMs < QUIET_MS_MAX) return SILENCE_MS_MAX - streamQuietMs;
      this.askProgress();
      return SILENCE_MS_MAX;
    }
    const askedForMs = nowMs - this.#askedAtMs;
    if (askedForMs < ANSWER_MS_MAX) return ANSWER_MS_MAX - askedForMs;
    const isStreamSilent = nowMs - this.#stream.heardAtMs >= ANSWER_MS_MAX;
    if (!isStreamSilent && silentMs < ALONE_MS_MAX) return LATE_MS;
    this.#giveUp(isStreamSilent, this.#silence(askedForMs));
    return null;
  }

  #giveUp(isStreamSilent: boolean, error: QuorateError): void {
    if (isStreamSilent) {
      this.#stream.fail(error);
      return;
    }
    this.detach();
    this.#sink.onLost(error);
  }

  #silence(forMs: number): QuorateError {
    return new QuorateError(
      `${this.#stream.address} said nothing about a watch for ${Math.round(forMs)} ms, although asked`,
      { code: "DEADLINE_EXCEEDED", reason: "DEADLINE_EXCEEDED", retryable: true },
    );
  }
}
