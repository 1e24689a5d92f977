import { setImmediate } from "node:timers";
import type { CallingConnection, CallingStream, EndStatus } from "@quorate/proto/calling";
import { KvServiceDefinition, type PipelinedAnswer, type PipelinedCall } from "@quorate/proto/kv";
import {
  decodePipelineResponse,
  encodePipelineRequest,
  OpenCalls,
  PIPELINE_FRAME_BYTES_MAX,
  pipelinedCallBytes,
} from "@quorate/proto/pipeline";
import { Status } from "nice-grpc-common";
import { failureOfStatus, QuorateError } from "#client/errors";
import type { Timing } from "#client/timing";
import { methodOf } from "#client/transport";
import type { Carrier, OutgoingCall } from "./outgoing-call";
import { pipelinedCall } from "./pipelined-metadata";

const PIPELINE = methodOf(KvServiceDefinition, KvServiceDefinition.methods.pipeline).path;

/** Half of what a server takes before it reads no more: it is to hear of calls that are given up. */
const OPEN_CALLS_MAX = 2048;
const OPEN_BYTES_MAX = 8 * 1024 * 1024;

/** For how long calls wait until so many others have their answers. */
const FULL_MS_MAX = 1000;

/** What is written is in doubt when the stream breaks, so no more of it waits for the transport than keeps that busy. */
const FRAMES_IN_TRANSIT_MAX = 2;

/** Ids are uint32. */
const ID_MAX = 2 ** 32 - 1;

const SETTLED = Promise.resolve();

/** Of its own, for tests of users replace the process's. */
const { nextTick } = process;

/** An open stream keeps the process running, so one that nobody has used for so long is ended. */
const IDLE_MS = 100;

/** How long a server may take to end a stream on which no call is open. */
const ENDING_MS_MAX = 1000;

/** For how long a server may say nothing on a stream when a deadline passes there. */
const SILENCE_MS_MAX = 1000;

/** Deadlines that lie so close together pass together. */
const DEADLINE_GRAIN_MS = 0.5;

/** How a stream ended. */
export interface StreamEnd {
  readonly status: EndStatus;
  /** Whether it had carried an answer before. */
  readonly hasAnswered: boolean;
  /** Calls that were written, in that order. */
  readonly written: readonly OutgoingCall[];
  /** Calls of which nothing has left. */
  readonly waiting: readonly OutgoingCall[];
}

/**
 * One stream of KvService.Pipeline. What is handed to it in one turn of the event loop leaves in one frame at the turn's
 * end, or as soon as all promises have settled where no other call is open; while the transport has enough, or the server
 * has as many open calls as it takes, calls gather.
 */
export class PipelineStream implements Carrier {
  readonly #stream: CallingStream;
  readonly #timing: Timing;
  readonly #onEnd: (end: StreamEnd) => void;
  /** Written, by their ids. */
  readonly #open = new OpenCalls<OutgoingCall>();
  #waiting: OutgoingCall[] = [];
  /** Ids of written calls that nobody waits for any more, to be told. */
  #givenUp: number[] = [];
  #openBytes = 0;
  /** Since when calls have waited for others to be answered; null while none do. */
  #fullSinceMs: number | null = null;
  #lastId = 0;
  #framesInTransit = 0;
  #isFlushPlanned = false;
  #hasAnswered = false;
  /** When something came from the server last; when the stream was opened, before that. */
  #heardAtMs: number;
  #wasUsed = true;
  #isRetired = false;
  #isEnding = false;
  #hasEnded = false;
  #alarmAtMs = Number.POSITIVE_INFINITY;
  #cancelAlarm: () => void = () => undefined;
  #cancelIdle: () => void = () => undefined;

  /** @param connection one that is ready */
  constructor(connection: CallingConnection, timing: Timing, onEnd: (end: StreamEnd) => void) {
    this.#timing = timing;
    this.#heardAtMs = timing.nowMs();
    this.#onEnd = onEnd;
    this.#stream = connection.call(
      PIPELINE,
      {},
      {
        message: (frame) => this.#take(frame),
        ended: (said) => this.#finish(said),
      },
    );
    this.#watchUse();
  }

  /** Whether it takes calls. */
  get isOpen(): boolean {
    return !this.#isRetired;
  }

  /** Whether calls have waited for too long until others are answered, which may be about to wait for minutes. */
  get isStuck(): boolean {
    return this.#fullSinceMs !== null && this.#timing.nowMs() - this.#fullSinceMs > FULL_MS_MAX;
  }

  add(call: OutgoingCall): void {
    call.id = 0;
    call.goOn(this);
    this.#waiting.push(call);
    this.#wasUsed = true;
    if (call.deadlineAtMs < this.#alarmAtMs) this.#ringAt(call.deadlineAtMs);
    this.#planFlush();
  }

  giveUp(call: OutgoingCall): void {
    const wasWritten = this.#forget(call);
    const failure = new QuorateError("Cancelled on client", { code: "CANCELLED" });
    call.fail(wasWritten ? failure : failure.withOutcome("not_applied"));
    this.#endIfDone();
  }

  /** Takes no more calls, and ends when those that it has are answered. */
  retire(): void {
    if (this.#isRetired) return;
    this.#isRetired = true;
    this.#cancelIdle();
    this.#endIfDone();
  }

  /** Retires it. @returns the calls that have not left, which are to go elsewhere */
  leave(): readonly OutgoingCall[] {
    const waiting = this.#waiting.filter((call) => !call.isOver);
    this.#waiting = [];
    this.retire();
    return waiting;
  }

  /** Whether it had left. */
  #forget(call: OutgoingCall): boolean {
    if (this.#open.take(call.id) === undefined) return false;
    this.#openBytes -= call.body.length;
    this.#givenUp.push(call.id);
    this.#planFlush();
    return true;
  }

  #planFlush(): void {
    if (this.#isFlushPlanned || this.#framesInTransit >= FRAMES_IN_TRANSIT_MAX) return;
    this.#isFlushPlanned = true;
    if (this.#open.size > 0) setImmediate(this.#flush);
    // Nothing is on its way, so nothing is won by waiting for the turn's end, which the transport follows with a turn of its own.
    else void SETTLED.then(this.#flushSoon);
  }

  readonly #flushSoon = (): void => nextTick(this.#flush);

  readonly #flush = (): void => {
    this.#isFlushPlanned = false;
    while (!this.#isEnding && !this.#hasEnded && this.#framesInTransit < FRAMES_IN_TRANSIT_MAX) {
      const frame = this.#nextFrame();
      if (frame === null) break;
      this.#framesInTransit += 1;
      this.#stream.write(frame, this.#onTaken);
    }
    this.#endIfDone();
  };

  readonly #onTaken = (): void => {
    this.#framesInTransit -= 1;
    if (this.#waiting.length > 0 || this.#givenUp.length > 0) this.#flush();
  };

  /** What is to be said now, as far as it goes into one frame; null for nothing. */
  #nextFrame(): Buffer | null {
    const calls: PipelinedCall[] = [];
    const nowMs = this.#timing.nowMs();
    let frameBytes = 0;
    let isFull = false;
    let at = 0;
    for (; at < this.#waiting.length; at += 1) {
      const call = this.#waiting[at] as OutgoingCall;
      if (call.isOver) continue;
      isFull = this.#open.size >= OPEN_CALLS_MAX || this.#openBytes >= OPEN_BYTES_MAX;
      if (isFull) break;
      const message = pipelinedCall(call, this.#nextId(), nowMs);
      const bytes = pipelinedCallBytes(message);
      if (calls.length > 0 && frameBytes + bytes > PIPELINE_FRAME_BYTES_MAX) break;
      frameBytes += bytes;
      calls.push(message);
      this.#lastId = message.id;
      call.id = message.id;
      this.#open.add(call.id, call);
      this.#openBytes += call.body.length;
    }
    if (isFull) this.#fullSinceMs ??= nowMs;
    else if (at === this.#waiting.length) this.#fullSinceMs = null;
    this.#waiting = at === this.#waiting.length ? [] : this.#waiting.slice(at);
    const cancelled = this.#givenUp;
    if (calls.length === 0 && cancelled.length === 0) return null;
    if (cancelled.length > 0) this.#givenUp = [];
    return encodePipelineRequest({ calls, cancelled });
  }

  #nextId(): number {
    let id = this.#lastId;
    do id = id === ID_MAX ? 1 : id + 1;
    while (this.#open.has(id));
    return id;
  }

  #take(frame: Buffer): void {
    this.#hasAnswered = true;
    this.#heardAtMs = this.#timing.nowMs();
    try {
      for (const answer of decodePipelineResponse(frame).answers) this.#answer(answer);
    } catch {
      // Whatever answers follow, they cannot be told from one another.
      this.#breakOff("what came is no frame of answers");
      return;
    }
    if (this.#waiting.length > 0) this.#planFlush();
    this.#endIfDone();
  }

  #answer({ id, body, code, message, statusDetails }: PipelinedAnswer): void {
    const call = this.#open.take(id);
    // Given up while its answer was on the way.
    if (call === undefined) return;
    this.#openBytes -= call.body.length;
    if (code === Status.OK) call.answer(body);
    else call.fail(failureOfStatus({ code, message, statusDetails }));
  }

  #ringAt(atMs: number): void {
    this.#cancelAlarm();
    this.#alarmAtMs = atMs;
    const delayMs = Math.max(0, atMs - this.#timing.nowMs());
    // An open call holds the process by its stream.
    this.#cancelAlarm = this.#timing.schedule(delayMs, this.#onAlarm, "idle");
  }

  /** One alarm for all calls, at the earliest deadline when it was set: most calls have ended by then. */
  readonly #onAlarm = (): void => {
    this.#alarmAtMs = Number.POSITIVE_INFINITY;
    const dueAtMs = this.#timing.nowMs() + DEADLINE_GRAIN_MS;
    let nextAtMs = Number.POSITIVE_INFINITY;
    let hasExpired = false;
    for (const call of [...this.#open.oldestFirst(this.#lastId), ...this.#waiting]) {
      if (call.isOver) continue;
      if (call.deadlineAtMs > dueAtMs) {
        nextAtMs = Math.min(nextAtMs, call.deadlineAtMs);
      } else {
        this.#expire(call);
        hasExpired = true;
      }
    }
    if (nextAtMs < this.#alarmAtMs) this.#ringAt(nextAtMs);
    // A server answers before a deadline passes: where nothing comes at all, it may have lost sight of this stream alone.
    if (hasExpired && dueAtMs - this.#heardAtMs > SILENCE_MS_MAX) this.retire();
    this.#endIfDone();
  };

  #expire(call: OutgoingCall): void {
    const failure = failureOfStatus({
      code: Status.DEADLINE_EXCEEDED,
      message: "Deadline exceeded",
      statusDetails: undefined,
    });
    call.fail(this.#forget(call) ? failure : failure.withOutcome("not_applied"));
  }

  #watchUse(): void {
    this.#cancelIdle = this.#timing.schedule(
      IDLE_MS,
      () => {
        if (this.#wasUsed || this.#open.size > 0 || this.#waiting.length > 0) {
          this.#wasUsed = false;
          this.#watchUse();
        } else {
          this.retire();
        }
      },
      "idle",
    );
  }

  /** One that is retired ends when it has no calls; a server that does not end it then, or takes nothing more, is left. */
  #endIfDone(): void {
    if (!this.#isRetired || this.#isEnding || this.#open.size > 0) return;
    if (this.#waiting.some((call) => !call.isOver)) return;
    if (this.#givenUp.length > 0 && this.#framesInTransit < FRAMES_IN_TRANSIT_MAX) {
      this.#planFlush();
      return;
    }
    this.#isEnding = true;
    this.#stream.end();
    this.#cancelAlarm();
    this.#cancelAlarm = this.#timing.schedule(
      ENDING_MS_MAX,
      () => this.#breakOff("the server did not end the stream"),
      "idle",
    );
  }

  #breakOff(why: string): void {
    this.#stream.cancel();
    this.#finish({ code: Status.CANCELLED, details: why });
  }

  #finish(received: EndStatus): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#isRetired = true;
    this.#cancelAlarm();
    this.#cancelIdle();
    const written = this.#open.oldestFirst(this.#lastId);
    const waiting = this.#waiting.filter((call) => !call.isOver);
    this.#open.clear();
    this.#waiting = [];
    for (const call of [...written, ...waiting]) call.goOn(null);
    this.#onEnd({ status: received, hasAnswered: this.#hasAnswered, written, waiting });
  }
}
