import type { CallingConnection } from "@quorate/proto/calling";
import { PIPELINE_FRAME_BYTES_MAX } from "@quorate/proto/pipeline";
import { Status } from "nice-grpc-common";
import type { Timing } from "#client/timing";
import type { OutgoingCall } from "./outgoing-call";
import { PipelineStream, type StreamEnd } from "./pipeline-stream";
import { isPipelinable } from "./pipelined-metadata";
import { lostCall, unsentCall } from "./stream-failure";

/**
 * A larger call goes by itself, where that costs it little: others would wait behind it, and one over the server's limit would
 * end their stream.
 */
const BODY_BYTES_MAX = PIPELINE_FRAME_BYTES_MAX;

/** For how long a server that knows no pipelines is taken for one: it may be a newer one when it comes back. */
const UNKNOWN_MS = 60_000;

/** The pipelined calls of one connection. */
export class PipelinedCalls {
  readonly #timing: Timing;
  readonly #sendAlone: (connection: CallingConnection, call: OutgoingCall) => void;
  #stream: PipelineStream | null = null;
  #unknownUntilMs = 0;

  /** @param sendAlone sends a call by itself, where the server knows no other way */
  constructor(timing: Timing, sendAlone: (connection: CallingConnection, call: OutgoingCall) => void) {
    this.#timing = timing;
    this.#sendAlone = sendAlone;
  }

  /** Whether this call can go so, to this server. */
  carries({ body, metadata }: OutgoingCall): boolean {
    if (body.length > BODY_BYTES_MAX || !isPipelinable(metadata)) return false;
    return this.#unknownUntilMs === 0 || this.#timing.nowMs() >= this.#unknownUntilMs;
  }

  /** @param connection one that is ready */
  send(connection: CallingConnection, call: OutgoingCall): void {
    let stream = this.#stream;
    if (stream?.isOpen !== true || stream.isStuck) {
      const next = new PipelineStream(connection, this.#timing, (end) => this.#onEnd(connection, end));
      if (stream?.isOpen === true) for (const waiting of stream.leave()) next.add(waiting);
      this.#stream = next;
      stream = next;
    }
    stream.add(call);
  }

  /** Lets go of the stream, which ends when its calls are answered: the next call opens another. */
  retire(): void {
    this.#stream?.retire();
    this.#stream = null;
  }

  #onEnd(
    connection: CallingConnection,
    { status: received, hasAnswered, written, waiting }: StreamEnd,
  ): void {
    if (received.code === Status.UNIMPLEMENTED && !hasAnswered) {
      this.#unknownUntilMs = this.#timing.nowMs() + UNKNOWN_MS;
      for (const call of [...written, ...waiting]) this.#sendAlone(connection, call);
      return;
    }
    for (const call of written) call.fail(lostCall(received, hasAnswered));
    for (const call of waiting) call.fail(unsentCall(received));
  }
}
