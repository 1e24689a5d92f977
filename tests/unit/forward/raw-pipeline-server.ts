import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from "@grpc/grpc-js";
import type { PipelinedAnswer, PipelinedCall } from "@quorate/proto/kv";
import { decodePipelineRequest, encodePipelineResponse } from "@quorate/proto/pipeline";
import { PIPELINE_PATH } from "@quorate/services/forward";
import { eventually } from "../../support/eventually";

const asIs = (bytes: Buffer): Buffer => bytes;

export const PUT = "/quorate.kv.v1.KvService/Put";

/** A server that says on its pipelines what the test says, and answers a Put by itself with its own body. */
export class RawPipelineServer {
  readonly streams: ServerDuplexStream<Buffer, Buffer>[] = [];
  /** All that came on pipelines, whichever one. */
  readonly calls: PipelinedCall[] = [];
  readonly cancelled: number[] = [];
  /** How many calls came in each frame. */
  readonly frames: number[] = [];
  /** Bodies of the calls that came by themselves. */
  readonly alone: Buffer[] = [];
  address = "";
  private readonly server = new Server();

  /** @param knowsPipelines false for a server of before there were any */
  constructor({ knowsPipelines = true }: { readonly knowsPipelines?: boolean } = {}) {
    const pipeline: handleBidiStreamingCall<Buffer, Buffer> = (stream) => this.serve(stream);
    const put: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
      this.alone.push(call.request);
      callback(null, call.request);
    };
    this.server.addService({ [PUT]: definition(PUT, false) }, { [PUT]: put });
    if (!knowsPipelines) return;
    const definitions = { [PIPELINE_PATH]: definition(PIPELINE_PATH, true) };
    this.server.addService(definitions, { [PIPELINE_PATH]: pipeline });
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
        this.address = `127.0.0.1:${port}`;
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  close(): void {
    this.server.forceShutdown();
  }

  arrived(count: number): Promise<unknown> {
    return eventually(`${count} calls have arrived`, () => this.calls.length >= count);
  }

  /** On the newest stream. */
  answer(...answers: Partial<PipelinedAnswer>[]): void {
    const none = { id: 0, body: Buffer.alloc(0), code: 0, message: "", statusDetails: Buffer.alloc(0) };
    this.newest.write(encodePipelineResponse({ answers: answers.map((answer) => ({ ...none, ...answer })) }));
  }

  get newest(): ServerDuplexStream<Buffer, Buffer> {
    return this.streams.at(-1)!;
  }

  private serve(stream: ServerDuplexStream<Buffer, Buffer>): void {
    this.streams.push(stream);
    stream.on("data", (frame: Buffer) => {
      const { calls, cancelled } = decodePipelineRequest(frame);
      this.frames.push(calls.length);
      this.calls.push(...calls);
      this.cancelled.push(...cancelled);
    });
    stream.on("end", () => stream.end());
  }
}

function definition(path: string, isStream: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    path,
    requestStream: isStream,
    responseStream: isStream,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}
