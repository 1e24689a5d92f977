import type { CallingConnection } from "@quorate/proto/calling";
import type { Cancelling, OutgoingCall } from "./outgoing-call";
import { OutgoingPipeline, type SentCall } from "./outgoing-pipeline";
import { methodRoutes } from "./routing";

/** How long a node that knows no pipeline is not asked for one again: it may have been replaced by a newer one. */
const UNKNOWN_MS = 10_000;

/** A larger call is made by itself: nothing is won by sharing its way, and others would wait behind it. */
const BODY_BYTES_MAX = 256 * 1024;

/** Sends a call by itself. */
export type SendAlone = (call: OutgoingCall, cancelling: Cancelling) => Promise<Buffer>;

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

  /** Sends a call on the stream that is open, without a look at the connection. @returns null where there is none with room */
  onOpenStream(call: OutgoingCall, cancelling: Cancelling): Promise<Buffer> | null {
    const { current } = this;
    if (current === null || !current.isOpen || !mayShare(call)) return null;
    return current.hasRoomFor(call) ? current.send(call, cancelling) : null;
  }

  /** @returns null where the call is to go by itself @throws CallFailure where the connection takes no more calls */
  unary(connection: CallingConnection, call: OutgoingCall, cancelling: Cancelling): Promise<Buffer> | null {
    if (!mayShare(call)) return null;
    if (this.current === null || !this.current.isOpen) {
      if (this.isClosed || Date.now() < this.notBeforeMs) return null;
      this.current = new OutgoingPipeline(connection, (calls) => this.goAlone(calls));
    }
    return this.current.hasRoomFor(call) ? this.current.send(call, cancelling) : null;
  }

  /** Calls under way go on to their end. */
  close(): void {
    this.isClosed = true;
    this.current?.retire();
  }

  /** The node knows no pipeline, so it has taken none of these. */
  private goAlone(calls: readonly SentCall[]): void {
    this.notBeforeMs = Date.now() + UNKNOWN_MS;
    for (const { call, cancelling, resolve, reject } of calls) {
      this.alone(call, cancelling).then(resolve, reject);
    }
  }
}

function mayShare({ path, body }: OutgoingCall): boolean {
  if (body.length > BODY_BYTES_MAX) return false;
  const method = methodRoutes.get(path);
  return method !== undefined && !method.responseStream;
}
