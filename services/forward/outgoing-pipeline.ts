import type { CallingConnection, CallingStream, EndStatus } from "@quorate/proto/calling";
import { ErrorReason, Outcome, type PipelinedAnswer, type PipelinedCall } from "@quorate/proto/kv";
import {
  decodePipelineResponse,
  encodePipelineRequest,
  OpenCalls,
  PIPELINE_FRAME_BYTES_MAX,
  pipelinedCallBytes,
} from "@quorate/proto/pipeline";
import { Status } from "nice-grpc-common";
import { asBuffer } from "./as-buffer";
import { callerLeft } from "./call-failures";
import { DeadlineTimer } from "./deadline-timer";
import { CallFailure } from "./failure";
import {
  type AnswerTaker,
  type Cancelling,
  deadlineExceeded,
  type OutgoingCall,
  openStream,
} from "./outgoing-call";
import { PIPELINE_PATH } from "./routing";

/** Half of what a server takes before it reads no more: no call of ours is to wait in a transport that stands still. */
const CALLS_MAX = 2048;
const BYTES_MAX = 8 * 1024 * 1024;

/** What was written is in doubt once the connection breaks: no more of it is on its way than keeps the transport busy. */
const FRAMES_IN_TRANSIT_MAX = 2;

/** How long nothing may come where something should. */
const SILENCE_MS_MAX = 1000;

/** Ids are uint32. */
const ID_MAX = 2 ** 32 - 1;
/** What the id of a call is until it is written. */
const UNWRITTEN = 0;

/** A call on a pipeline that has no answer yet. */
export interface SentCall {
  id: number;
  readonly call: OutgoingCall;
  readonly cancelling: Cancelling;
  readonly cancel: () => void;
  readonly taker: AnswerTaker;
}

/** The calling end of one Pipeline stream. What is sent in one turn of the event loop leaves in one frame. */
export class OutgoingPipeline {
  private readonly stream: CallingStream;
  private readonly beganMs = Date.now();
  private readonly refused: (calls: readonly SentCall[]) => void;
  private readonly deadlines = new DeadlineTimer((nowMs) => this.expire(nowMs));
  private readonly flush = (): void => this.sendCalls();
  private readonly frameTaken = (): void => {
    this.framesInTransit -= 1;
    if (this.hasSomethingToSay) this.sendCalls();
  };
  /** In the order in which they are to be written. */
  private waiting: SentCall[] = [];
  private readonly written = new OpenCalls<SentCall>();
  private cancelled: number[] = [];
  private bytes = 0;
  private lastId = UNWRITTEN;
  private framesInTransit = 0;
  private isFlushPlanned = false;
  /** As Date.now() counts; null before the first answer. */
  private heardMs: number | null = null;
  private phase: "open" | "retired" | "ending" | "over" = "open";

  /**
   * @param refused given the calls of a stream that the server does not know how to serve
   * @throws CallFailure where the connection takes no more calls
   */
  constructor(connection: CallingConnection, refused: (calls: readonly SentCall[]) => void) {
    this.refused = refused;
    this.stream = openStream(connection, PIPELINE_PATH, NO_METADATA, {
      message: (frame) => this.take(frame),
      ended: (said) => this.conclude(said),
    });
  }

  /** Whether it takes calls. */
  get isOpen(): boolean {
    return this.phase === "open";
  }

  hasRoomFor({ body }: OutgoingCall): boolean {
    return this.waiting.length + this.written.size < CALLS_MAX && this.bytes + body.length <= BYTES_MAX;
  }

  send(call: OutgoingCall, cancelling: Cancelling, taker: AnswerTaker): void {
    const cancel = (): void => this.giveUp(sent, callerLeft());
    const sent: SentCall = { id: UNWRITTEN, call, cancelling, cancel, taker };
    cancelling.addEventListener("abort", cancel);
    this.waiting.push(sent);
    this.bytes += call.body.length;
    this.deadlines.watch(call.deadlineMs);
    this.planFlush();
  }

  /** Takes no more calls, and ends when those that it has are answered. */
  retire(): void {
    if (this.phase !== "open") return;
    this.phase = "retired";
    this.endWhenAllIsAnswered();
  }

  private get hasSomethingToSay(): boolean {
    return this.waiting.length > 0 || this.cancelled.length > 0;
  }

  private planFlush(): void {
    if (this.isFlushPlanned || this.framesInTransit >= FRAMES_IN_TRANSIT_MAX) return;
    this.isFlushPlanned = true;
    // Not before other connections of this turn are read: what comes from many clients is to leave together.
    setImmediate(this.flush);
  }

  private sendCalls(): void {
    this.isFlushPlanned = false;
    if (this.phase === "over") return;
    while (this.hasSomethingToSay && this.framesInTransit < FRAMES_IN_TRANSIT_MAX) {
      this.framesInTransit += 1;
      this.stream.write(this.nextFrame(), this.frameTaken);
    }
    this.endWhenAllIsAnswered();
  }

  private nextFrame(): Buffer {
    const calls: PipelinedCall[] = [];
    const nowMs = Date.now();
    const { waiting } = this;
    let frameBytes = 0;
    for (const sent of waiting) {
      const call = pipelinedCall(this.nextId(), sent.call, nowMs);
      frameBytes += pipelinedCallBytes(call);
      if (frameBytes > PIPELINE_FRAME_BYTES_MAX && calls.length > 0) break;
      calls.push(call);
      this.lastId = call.id;
      sent.id = call.id;
      this.written.add(sent.id, sent);
    }
    this.waiting = calls.length === waiting.length ? [] : waiting.slice(calls.length);
    const { cancelled } = this;
    this.cancelled = [];
    return encodePipelineRequest({ calls, cancelled });
  }

  private nextId(): number {
    let id = this.lastId;
    do id = id === ID_MAX ? 1 : id + 1;
    while (this.written.has(id));
    return id;
  }

  private take(frame: Buffer): void {
    this.heardMs = Date.now();
    try {
      for (const answer of decodePipelineResponse(frame).answers) this.settle(answer);
    } catch {
      // Whatever comes after it, nobody can know to which call it belongs.
      this.stream.cancel();
      this.conclude({ code: Status.INTERNAL, details: "an answer cannot be read" });
      return;
    }
    this.endWhenAllIsAnswered();
  }

  private settle({ id, code, body, message, statusDetails }: PipelinedAnswer): void {
    const sent = this.written.get(id);
    // Given up while its answer was on the way.
    if (sent === undefined) return;
    this.forget(sent);
    if (code === Status.OK) sent.taker.answered(asBuffer(body));
    else sent.taker.failed(CallFailure.fromAnswer(code, message, asBuffer(statusDetails)));
  }

  private expire(nowMs: number): void {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const sent of [...this.waiting, ...this.written.oldestFirst(this.lastId)]) {
      const { deadlineMs } = sent.call;
      if (deadlineMs <= nowMs) this.giveUp(sent, deadlineExceeded());
      else nextMs = Math.min(nextMs, deadlineMs);
    }
    this.deadlines.watch(nextMs);
    // A server answers before a deadline passes. One that says nothing may have lost sight of this stream alone.
    if (nowMs - (this.heardMs ?? this.beganMs) > SILENCE_MS_MAX) this.retire();
  }

  /** @param failure what it comes to if it was written */
  private giveUp(sent: SentCall, failure: CallFailure): void {
    const wasWritten = sent.id !== UNWRITTEN;
    this.forget(sent);
    if (wasWritten) {
      this.cancelled.push(sent.id);
      this.planFlush();
    }
    sent.taker.failed(wasWritten ? failure : failure.withOutcome(Outcome.NOT_APPLIED));
    this.endWhenAllIsAnswered();
  }

  private forget(sent: SentCall): void {
    if (sent.id === UNWRITTEN) this.waiting = this.waiting.filter((other) => other !== sent);
    else this.written.take(sent.id);
    this.bytes -= sent.call.body.length;
    sent.cancelling.removeEventListener("abort", sent.cancel);
  }

  private endWhenAllIsAnswered(): void {
    if (this.phase !== "retired" || this.written.size > 0 || this.hasSomethingToSay) return;
    this.phase = "ending";
    this.stream.end();
  }

  private conclude(said: EndStatus): void {
    if (this.phase === "over") return;
    this.phase = "over";
    this.deadlines.stop();
    const written = this.written.oldestFirst(this.lastId);
    const { waiting } = this;
    this.waiting = [];
    for (const sent of [...written, ...waiting]) this.forget(sent);
    if (said.code === Status.UNIMPLEMENTED && this.heardMs === null) {
      this.refused([...written, ...waiting]);
      return;
    }
    const failureOf = said.isUntouched === true ? failureOfWaiting : failureOfWritten;
    for (const { taker } of written) taker.failed(failureOf(said));
    for (const { taker } of waiting) taker.failed(failureOfWaiting(said));
  }
}

const NO_METADATA = {};

function pipelinedCall(
  id: number,
  { path, body, headers, deadlineMs }: OutgoingCall,
  nowMs: number,
): PipelinedCall {
  const { requestId, traceparent, forward, member, hops } = headers;
  return {
    id,
    method: path,
    requestId,
    deadlineMs: leftMs(deadlineMs, nowMs),
    body,
    traceparent,
    forward,
    member,
    hops,
  };
}

/** As uint32 and never 0, which would be no deadline. */
function leftMs(deadlineMs: number, nowMs: number): number {
  if (deadlineMs === Number.POSITIVE_INFINITY) return 0;
  return Math.min(ID_MAX, Math.max(1, Math.ceil(deadlineMs - nowMs)));
}

/** A server that ends the stream well has answered all that it took. */
function failureOfWritten({ code, details }: EndStatus): CallFailure {
  if (code === Status.OK) return shutDown();
  return new CallFailure(
    ErrorReason.CONNECTION_LOST,
    `the connection was lost before the answer: ${details}`,
  );
}

function failureOfWaiting({ code, details }: EndStatus): CallFailure {
  if (code === Status.OK) return shutDown();
  return new CallFailure(
    ErrorReason.UNREACHABLE,
    `the connection was lost before the call was sent: ${details}`,
  );
}

function shutDown(): CallFailure {
  return new CallFailure(ErrorReason.SHUTTING_DOWN, "the server shuts down and has not taken the call");
}
