import { afterInput } from "@quorate/proto/http2";
import { ErrorReason, Outcome, type PipelinedAnswer, type PipelinedCall } from "@quorate/proto/kv";
import {
  decodePipelineRequest,
  encodePipelineResponse,
  MalformedFrameError,
  OpenCalls,
  PIPELINE_FRAME_BYTES_MAX,
  pipelinedAnswerBytes,
} from "@quorate/proto/pipeline";
import { Status } from "nice-grpc-common";
import type { ServerCall } from "#grpc";
import { ByteCall, type ByteService, type EndingCall } from "./call";
import { callerLeft, deadlinePassed, shuttingDown } from "./call-failures";
import { DeadlineTimer } from "./deadline-timer";
import type { EndedCalls } from "./ended-calls";
import { CallFailure } from "./failure";
import { ownDeadlineMs } from "./own-deadline";
import { methodRoutes } from "./routing";

/** What of one stream may be under way here before no more of it is read: calls without an answer, and answers that the transport has not taken. */
export interface PipelineLimits {
  readonly callsMax: number;
  readonly bytesMax: number;
}

export const PIPELINE_LIMITS_DEFAULT: PipelineLimits = { callsMax: 4096, bytesMax: 16 * 1024 * 1024 };

type UnaryService = Pick<ByteService, "unary" | "begin">;

export interface PipelineServingOptions {
  readonly service: UnaryService;
  readonly ended: EndedCalls;
  /** What a call gets that brings no deadline. */
  readonly defaultDeadlineMs: number;
  readonly limits?: PipelineLimits | undefined;
  /** Called once, when the stream is over. */
  readonly onOver: () => void;
}

const NO_BYTES = Buffer.alloc(0);

/** One of a stream, which tells that how it ends. */
class CallOfStream extends ByteCall implements EndingCall {
  readonly id: number;
  private readonly end: (call: CallOfStream, failure: CallFailure | null, body: Uint8Array) => void;

  constructor(
    fields: ConstructorParameters<typeof ByteCall>[0],
    id: number,
    end: (call: CallOfStream, failure: CallFailure | null, body: Uint8Array) => void,
  ) {
    super(fields);
    this.id = id;
    this.end = end;
  }

  answered(body: Uint8Array): void {
    this.end(this, null, body);
  }

  failed(error: unknown): void {
    this.end(this, CallFailure.from(error), NO_BYTES);
  }
}

/**
 * Serves the calls of one Pipeline stream: each is a call like one by itself for the service below. Answers that are there at
 * once leave together.
 */
export class PipelineServing {
  private readonly stream: ServerCall;
  private readonly service: UnaryService;
  private readonly ended: EndedCalls;
  private readonly defaultDeadlineMs: number;
  private readonly limits: PipelineLimits;
  private readonly onOver: () => void;
  private readonly deadlines = new DeadlineTimer((nowMs) => this.expire(nowMs));
  private readonly flush = (): void => this.sendAnswers();
  private readonly open = new OpenCalls<CallOfStream>();
  /** Those that have not gone out yet. */
  private answers: PipelinedAnswer[] = [];
  /** Of the requests that are open and of the answers that have not gone out. */
  private heldBytes = 0;
  private isFlushPlanned = false;
  /** Whether the transport has taken all that it was given. */
  private isDrained = true;
  private isPaused = false;
  /** "finishing" answers what there is, refuses what comes, and ends the stream. */
  private phase: "serving" | "finishing" | "over" = "serving";

  constructor(stream: ServerCall, options: PipelineServingOptions) {
    this.stream = stream;
    this.service = options.service;
    this.ended = options.ended;
    this.defaultDeadlineMs = options.defaultDeadlineMs;
    this.limits = options.limits ?? PIPELINE_LIMITS_DEFAULT;
    this.onOver = options.onOver;
  }

  begin(): void {
    this.stream.listen({
      message: (frame) => this.take(frame),
      end: () => this.finish(),
      cancelled: () => this.leave(),
      drained: () => {
        this.isDrained = true;
        this.sendAnswers();
      },
    });
    this.stream.endAtDeadline();
  }

  /** Takes no more calls, and ends the stream when those that were taken are answered. */
  finish(): void {
    if (this.phase !== "serving") return;
    this.phase = "finishing";
    this.endWhenAllIsSaid();
  }

  private take(frame: Buffer): void {
    if (this.phase === "over") return;
    try {
      const { calls, cancelled } = decodePipelineRequest(frame);
      for (const id of cancelled) this.cancel(id);
      const nowMs = Date.now();
      const arrivedMs = performance.now();
      for (const call of calls) this.serve(call, nowMs, arrivedMs);
    } catch (error) {
      if (!(error instanceof MalformedFrameError)) throw error;
      this.breakOff(error.message);
    }
    this.pauseOrResume();
  }

  private serve(said: PipelinedCall, nowMs: number, arrivedMs: number): void {
    const { id } = said;
    if (this.open.has(id)) throw new MalformedFrameError(`the id ${id} is that of a call which is open`);
    if (this.phase === "finishing") {
      this.answer(failed(id, shuttingDown()));
      return;
    }
    const method = methodRoutes.get(said.method);
    if (method === undefined || method.responseStream) {
      this.answer(failed(id, notUnary(said.method)));
      return;
    }
    const { body } = said;
    const deadlineMs =
      said.deadlineMs === 0 ? nowMs + this.defaultDeadlineMs : ownDeadlineMs(nowMs + said.deadlineMs, nowMs);
    const connection = this.stream;
    const call = new CallOfStream(
      { method, body, headers: said, connection, deadlineMs, arrivedMs },
      id,
      this.end,
    );
    this.open.add(id, call);
    this.heldBytes += body.length;
    this.deadlines.watch(deadlineMs);
    if (this.service.begin !== undefined) {
      this.service.begin(call);
      return;
    }
    this.service.unary(call).then(
      (answer) => call.answered(answer),
      (error: unknown) => call.failed(error),
    );
  }

  private readonly end = (call: CallOfStream, failure: CallFailure | null, body: Uint8Array): void => {
    if (call.aborted) return;
    this.close(call);
    if (failure === null) {
      this.ended.answered(call);
      this.answer({ id: call.id, body, code: Status.OK, message: "", statusDetails: NO_BYTES });
    } else {
      this.answer(failed(call.id, this.ended.failed(call, failure)));
    }
  };

  private cancel(id: number): void {
    const call = this.open.get(id);
    if (call === undefined) return;
    this.close(call);
    this.ended.failed(call, callerLeft());
  }

  private close(call: CallOfStream): void {
    this.open.take(call.id);
    this.heldBytes -= call.body.length;
    call.abort();
  }

  private expire(nowMs: number): void {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [, call] of this.open.entries()) {
      if (call.deadlineMs <= nowMs) this.end(call, deadlinePassed(call), NO_BYTES);
      else nextMs = Math.min(nextMs, call.deadlineMs);
    }
    this.deadlines.watch(nextMs);
  }

  private answer(answer: PipelinedAnswer): void {
    this.answers.push(answer);
    this.heldBytes += answer.body.length;
    if (this.isFlushPlanned || !this.isDrained) return;
    this.isFlushPlanned = true;
    // With what else is answered by then; what else this turn brings is of other streams.
    afterInput(this.flush);
  }

  private sendAnswers(): void {
    this.isFlushPlanned = false;
    if (this.phase === "over") return;
    let from = 0;
    while (from < this.answers.length && this.isDrained) {
      const to = this.frameEnd(from);
      // All of them in most cases: those are not copied.
      const answers = to - from === this.answers.length ? this.answers : this.answers.slice(from, to);
      this.isDrained = this.stream.write(encodePipelineResponse({ answers }));
      for (const { body } of answers) this.heldBytes -= body.length;
      from = to;
    }
    this.answers = from === this.answers.length ? [] : this.answers.slice(from);
    this.endWhenAllIsSaid();
    this.pauseOrResume();
  }

  /** Which answers go into one frame with the first: at least that one. */
  private frameEnd(from: number): number {
    let bytes = 0;
    let to = from;
    for (; to < this.answers.length; to += 1) {
      bytes += pipelinedAnswerBytes(this.answers[to] as PipelinedAnswer);
      if (bytes > PIPELINE_FRAME_BYTES_MAX && to > from) break;
    }
    return to;
  }

  /** Reads no more while too much is under way, so that HTTP/2 makes the caller wait. */
  private pauseOrResume(): void {
    const { callsMax, bytesMax } = this.limits;
    const isFull = this.open.size + this.answers.length >= callsMax || this.heldBytes >= bytesMax;
    if (isFull === this.isPaused || this.phase === "over") return;
    this.isPaused = isFull;
    if (isFull) this.stream.pause();
    else this.stream.resume();
  }

  private endWhenAllIsSaid(): void {
    if (this.phase !== "finishing" || this.open.size > 0 || this.answers.length > 0) return;
    this.conclude();
    // Well, also where the server shuts down: grpc-js delivers no answers that come just before a failure.
    this.stream.end();
  }

  /** What the caller says cannot be read: nobody can know any more which answer belongs to which call. */
  private breakOff(why: string): void {
    const message = `the frame of calls is malformed: ${why}`;
    const failure = new CallFailure(ErrorReason.MALFORMED_REQUEST, message, { outcome: Outcome.UNKNOWN });
    this.leave();
    this.stream.fail(failure.toStatus());
  }

  /** Nobody waits for any answer any more. */
  private leave(): void {
    if (this.phase === "over") return;
    this.conclude();
    this.answers = [];
    for (const [id] of this.open.entries()) this.cancel(id);
  }

  private conclude(): void {
    this.phase = "over";
    this.deadlines.stop();
    this.onOver();
  }
}

function failed(id: number, failure: CallFailure): PipelinedAnswer {
  return {
    id,
    body: NO_BYTES,
    code: failure.code,
    message: failure.message,
    statusDetails: failure.statusDetails,
  };
}

function notUnary(path: string): CallFailure {
  return new CallFailure(ErrorReason.UNIMPLEMENTED, `"${path}" is no unary method of this server`);
}
