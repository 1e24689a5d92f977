import { status } from "@grpc/grpc-js";
import type { PipelinedCall } from "@quorate/proto/kv";
import { decodePipelineResponse, encodePipelineRequest } from "@quorate/proto/pipeline";
import { type ByteService, EndedCalls, PipelineServing, SILENT_LOG } from "@quorate/services/forward";
import type { CallListener, ServerCall } from "@quorate/services/grpc";

/** The caller's end of one Pipeline stream, without a transport: a frame goes in, and all of its answers come out. */
export class PipelineCaller {
  private listener: CallListener | null = null;
  private openCount = 0;
  private allAnswered: () => void = () => {};

  constructor(service: Pick<ByteService, "unary" | "begin">) {
    const stream = {
      listen: (listener: CallListener) => {
        this.listener = listener;
      },
      endAtDeadline: () => {},
      pause: () => {},
      resume: () => {},
      write: (frame: Buffer) => this.take(frame),
      getPeer: () => "bench",
    };
    const serving = new PipelineServing(stream as unknown as ServerCall, {
      service,
      ended: new EndedCalls(SILENT_LOG, () => {}),
      defaultDeadlineMs: 30_000,
      onOver: () => {},
    });
    serving.begin();
  }

  /** Resolves when each of its calls is answered. */
  async send(frame: Buffer, calls: number): Promise<void> {
    this.openCount = calls;
    const answered = new Promise<void>((resolve) => {
      this.allAnswered = resolve;
    });
    this.listener?.message(frame);
    await answered;
  }

  private take(frame: Buffer): true {
    for (const { code, message } of decodePipelineResponse(frame).answers) {
      if (code !== status.OK) throw new Error(`a call failed: ${message}`);
      this.openCount -= 1;
    }
    if (this.openCount === 0) setImmediate(this.allAnswered);
    return true;
  }
}

/** A frame of calls as a typed client sends them. */
export function frameOf(calls: readonly Pick<PipelinedCall, "method" | "requestId" | "body">[]): Buffer {
  return encodePipelineRequest({
    calls: calls.map((call, at) => ({
      ...call,
      id: at + 1,
      deadlineMs: 5_000,
      traceparent: "",
      forward: "",
      member: "",
      hops: 0,
    })),
    cancelled: [],
  });
}
