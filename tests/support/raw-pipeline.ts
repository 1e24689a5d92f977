import { type Client, type ClientDuplexStream, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { PipelinedAnswer, PipelinedCall, PipelineRequest } from "@quorate/proto/kv";
import { decodePipelineResponse, encodePipelineRequest } from "@quorate/proto/pipeline";
import { eventually } from "./eventually";

const PIPELINE_PATH = "/quorate.kv.v1.KvService/Pipeline";

const asIs = (bytes: Buffer): Buffer => bytes;

/** A call that says nothing but its method and body. */
export function callOf(
  id: number,
  method: string,
  body: Uint8Array,
  more: Partial<PipelinedCall> = {},
): PipelinedCall {
  const none = { requestId: "", deadlineMs: 0, traceparent: "", forward: "", member: "", hops: 0 };
  return { id, method, body, ...none, ...more };
}

/** The stream of a caller who knows nothing but the frames. */
export class RawPipeline {
  readonly stream: ClientDuplexStream<Buffer, Buffer>;
  readonly answers: PipelinedAnswer[] = [];
  /** How many answers came in each frame. */
  readonly frames: number[] = [];
  hasEnded = false;
  /** What the stream ended with; null while it is open, and where it ended well. */
  error: ServiceError | null = null;

  constructor(client: Client, metadata = new Metadata()) {
    this.stream = client.makeBidiStreamRequest(PIPELINE_PATH, asIs, asIs, metadata);
    this.stream.on("data", (frame: Buffer) => {
      const { answers } = decodePipelineResponse(frame);
      this.frames.push(answers.length);
      this.answers.push(...answers);
    });
    this.stream.on("error", (error: ServiceError) => {
      this.error = error;
      this.hasEnded = true;
    });
    this.stream.on("end", () => {
      this.hasEnded = true;
    });
  }

  /** @returns whether the transport takes more at the moment */
  send(frame: Partial<PipelineRequest>): boolean {
    return this.sendBytes(encodePipelineRequest({ calls: [], cancelled: [], ...frame }));
  }

  sendBytes(frame: Buffer): boolean {
    return this.stream.write(frame);
  }

  async answersTo(count: number): Promise<readonly PipelinedAnswer[]> {
    await eventually(`there are ${count} answers`, () => this.answers.length >= count);
    return this.answers;
  }

  /** What the stream failed with, once it has. */
  failure(): Promise<ServiceError> {
    return eventually("the stream has failed", () => this.error);
  }
}
