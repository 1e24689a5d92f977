import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type StatusObject,
  type sendUnaryData,
} from "@grpc/grpc-js";
import {
  type PipelinedAnswer,
  type PipelinedCall,
  PipelineRequest,
  PipelineResponse,
} from "@quorate/client/generated";

/** A call that came by itself. */
export interface LoneCall {
  readonly path: string;
  readonly body: Buffer;
  readonly metadata: Metadata;
}

/** A stream of calls as its server sees it. */
export class ServedStream {
  /** The frames that have arrived, as they were. */
  readonly frames: PipelineRequest[] = [];
  /** Whether the client has said all. */
  isDone = false;
  isCancelled = false;

  constructor(private readonly stream: ServerDuplexStream<Buffer, Buffer>) {}

  get calls(): readonly PipelinedCall[] {
    return this.frames.flatMap(({ calls }) => calls);
  }

  get cancelled(): readonly number[] {
    return this.frames.flatMap(({ cancelled }) => cancelled);
  }

  /** Answers in one frame. */
  answer(...answers: (Partial<PipelinedAnswer> & { readonly id: number })[]): void {
    const complete = answers.map((answer) => ({
      body: new Uint8Array(0),
      code: 0,
      message: "",
      statusDetails: new Uint8Array(0),
      ...answer,
    }));
    this.write(PipelineResponse.encode({ answers: complete }).finish());
  }

  write(frame: Uint8Array): void {
    this.stream.write(Buffer.from(frame));
  }

  /** Ends it with a status; OK without one. */
  end(failure?: Partial<StatusObject>): void {
    if (failure === undefined) this.stream.end();
    else this.stream.emit("error", failure);
  }

  /** Reads no more of it. */
  stall(): void {
    this.stream.pause();
  }
}

/** A server over real gRPC that does with streams of calls what a test says, and takes calls by themselves. */
export class FakePipelineServer {
  readonly streams: ServedStream[] = [];
  readonly loneCalls: LoneCall[] = [];
  address = "";
  /** Told of each frame. */
  onFrame: (stream: ServedStream, frame: PipelineRequest) => void = () => {};
  /** Serves a call by itself; echoes it by default. */
  onLoneCall: (call: LoneCall, end: sendUnaryData<Buffer>) => void = ({ body }, end) => end(null, body);
  readonly #server = new Server({ "grpc.max_receive_message_length": 16 * 1024 * 1024 });
  readonly #knowsPipelines: boolean;

  constructor(knowsPipelines = true) {
    this.#knowsPipelines = knowsPipelines;
  }

  static async open(knowsPipelines = true): Promise<FakePipelineServer> {
    const fake = new FakePipelineServer(knowsPipelines);
    await fake.listen("127.0.0.1:0");
    return fake;
  }

  /** The newest stream. */
  get stream(): ServedStream {
    return this.streams.at(-1)!;
  }

  async listen(at: string): Promise<void> {
    for (const path of ["/quorate.kv.v1.KvService/Put", "/quorate.kv.v1.KvService/Get"]) {
      this.#server.register(
        path,
        (call: ServerUnaryCall<Buffer, Buffer>, end: sendUnaryData<Buffer>) => {
          const lone = { path, body: call.request, metadata: call.metadata };
          this.loneCalls.push(lone);
          this.onLoneCall(lone, end);
        },
        asIs,
        asIs,
        "unary",
      );
    }
    if (this.#knowsPipelines) {
      const serve = (stream: ServerDuplexStream<Buffer, Buffer>): void => this.#serve(stream);
      this.#server.register("/quorate.kv.v1.KvService/Pipeline", serve, asIs, asIs, "bidi");
    }
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(at, ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    this.address = `127.0.0.1:${port}`;
  }

  /** Cuts all connections. */
  stop(): void {
    this.#server.forceShutdown();
  }

  #serve(stream: ServerDuplexStream<Buffer, Buffer>): void {
    const served = new ServedStream(stream);
    this.streams.push(served);
    stream.on("data", (bytes: Buffer) => {
      const frame = PipelineRequest.decode(bytes);
      served.frames.push(frame);
      this.onFrame(served, frame);
    });
    stream.on("end", () => {
      served.isDone = true;
      stream.end();
    });
    stream.on("cancelled", () => {
      served.isCancelled = true;
    });
    stream.on("error", () => {});
  }
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
