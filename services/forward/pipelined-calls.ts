import type { CallingConnection } from "@quorate/proto/calling";
import type { AnswerTaker, Cancelling, OutgoingCall } from "./outgoing-call";
import { OutgoingPipeline, type SentCall } from "./outgoing-pipeline";
import { methodRoutes } from "./routing";

/** How long a node that knows no pipeline is not asked for one again: it may have been replaced by a newer one. */
const UNKNOWN_MS = 10_000;

/** A larger call is made by itself: nothing is won by sharing its way, and others would wait behind it. */
const BODY_BYTES_MAX = 256 * 1024;

/** Sends a call by itself. */
export type SendAlone = (call: OutgoingCall, cancelling: Cancelling, taker: AnswerTaker) => void;

/**
 * The unary calls that one process makes to a node, merged into one stream whoever made them. What does not fit there goes by
 * itself: so a stream that stands still holds up no more than what is on it already.
 */
export class PipelinedCalls {
  private readonly alone: SendAlone;
  private current: OutgoingPipeline | null = null;
  private notBeforeMs = 0;
  private isClosed = false;

  constructor(alone: SendAlone) {
    this.alone = alone;
  }

  /** Sends a call on the stream that is open, without a look at the connection. @returns whether there is one with room */
  sendOnOpenStream(call: OutgoingCall, cancelling: Cancelling, taker: AnswerTaker): boolean {
    const { current } = this;
    if (current === null || !current.isOpen || !mayShare(call) || !current.hasRoomFor(call)) return false;
    current.send(call, cancelling, taker);
    return true;
  }

  /** @returns false where the call is to go by itself @throws CallFailure where the connection takes no more calls */
  send(
    connection: CallingConnection,
    call: OutgoingCall,
    cancelling: Cancelling,
    taker: AnswerTaker,
  ): boolean {
    if (!mayShare(call)) return false;
    if (this.current === null || !this.current.isOpen) {
      if (this.isClosed || Date.now() < this.notBeforeMs) return false;
      this.current = new OutgoingPipeline(connection, (calls) => this.goAlone(calls));
    }
    if (!this.current.hasRoomFor(call)) return false;
    this.current.send(call, cancelling, taker);
    return true;
  }

  /** Calls under way go on to their end. */
  close(): void {
    this.isClosed = true;
    this.current?.retire();
  }

  /** The node knows no pipeline, so it has taken none of these. */
  private goAlone(calls: readonly SentCall[]): void {
    this.notBeforeMs = Date.now() + UNKNOWN_MS;
    for (const { call, cancelling, taker } of calls) this.alone(call, cancelling, taker);
  }
}

function mayShare({ path, body }: OutgoingCall): boolean {
  if (body.length > BODY_BYTES_MAX) return false;
  const method = methodRoutes.get(path);
  return method !== undefined && !method.responseStream;
}
