import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import {
  ClusterServiceDefinition,
  ErrorDetail,
  ErrorReason,
  KvServiceDefinition,
  LeaseServiceDefinition,
  NamespaceServiceDefinition,
  Outcome,
  RpcStatus,
} from "@quorate/client/generated";
import {
  type CallOptions,
  type Channel,
  type ClientMiddlewareCall,
  createChannel,
  createClientFactory,
} from "nice-grpc";
import { eventually } from "./eventually";

/** The name of a gRPC status, such as "UNAVAILABLE". */
export type CodeName = keyof typeof status;

/** How one call ended, with all that the server said. */
export type Reply<Response> =
  | {
      readonly ok: true;
      readonly response: Response;
      /** The response as it came over the wire. */
      readonly body: Buffer;
    }
  | {
      readonly ok: false;
      readonly code: CodeName;
      readonly message: string;
      /** The quorate.kv.v1.ErrorDetail of the trailer; null where there was none. */
      readonly detail: ErrorDetail | null;
    };

type Failed = Extract<Reply<unknown>, { ok: false }>;

/** A server stream that was read to its end. */
export interface StreamRead<Response> {
  readonly messages: Response[];
  readonly sizesBytes: number[];
}

/** What is sent besides the request. */
export interface BareOptions {
  /** In milliseconds; 10,000 by default, and 60,000 for what is to succeed. */
  readonly deadlineMs?: number;
  /** Such as `{ "quorate-request-id": "1/1/1" }`. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A call that ended with another status than OK. */
export class BareFailure extends Error {
  override readonly name = "BareFailure";
  readonly code: CodeName;
  readonly detail: ErrorDetail | null;

  constructor(method: string, reply: Failed) {
    super(`${method}: ${reply.code}: ${reply.message}`);
    this.code = reply.code;
    this.detail = reply.detail;
  }
}

interface MethodShape {
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: the generated codecs of all messages, each used with its own message only
  readonly requestType: { encode(message: any): { finish(): Uint8Array }; decode(bytes: Uint8Array): any };
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly responseType: { decode(bytes: Uint8Array): any };
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

type Methods = Readonly<Record<string, MethodShape>>;
type RequestOf<M extends MethodShape> = ReturnType<M["requestType"]["decode"]>;
type ResponseOf<M extends MethodShape> = ReturnType<M["responseType"]["decode"]>;
type NameOf<Ms extends Methods, Streams extends boolean> = {
  [Name in keyof Ms]: Ms[Name]["requestStream"] extends false
    ? Ms[Name]["responseStream"] extends Streams
      ? Name
      : never
    : never;
}[keyof Ms];

/** A service of one endpoint, called without retries, sessions or any other cleverness. */
export class BareService<Ms extends Methods> {
  readonly #client: () => Client;
  readonly #fullName: string;
  readonly #methods: Ms;

  constructor(client: () => Client, definition: { readonly fullName: string; readonly methods: Ms }) {
    this.#client = client;
    this.#fullName = definition.fullName;
    this.#methods = definition.methods;
  }

  /** One unary call; fields that are not given have their Protobuf defaults. Never rejects. */
  attempt<Name extends NameOf<Ms, false> & string>(
    name: Name,
    fields: Partial<RequestOf<Ms[Name]>>,
    options: BareOptions = {},
  ): Promise<Reply<ResponseOf<Ms[Name]>>> {
    const method = this.#methods[name] as Ms[Name];
    return this.attemptBytes(name, encodeRequest(method, fields), options);
  }

  /** The same with a request body of any bytes. */
  attemptBytes<Name extends NameOf<Ms, false> & string>(
    name: Name,
    body: Uint8Array,
    options: BareOptions = {},
  ): Promise<Reply<ResponseOf<Ms[Name]>>> {
    const method = this.#methods[name] as Ms[Name];
    return unaryBytes(this.#client(), `/${this.#fullName}/${method.name}`, body, options).then((reply) =>
      reply.ok ? { ...reply, response: method.responseType.decode(reply.body) } : reply,
    );
  }

  /**
   * One unary call, repeated where an election came in between and nothing was applied: on a busy machine that is no
   * failure. @throws BareFailure
   */
  async call<Name extends NameOf<Ms, false> & string>(
    name: Name,
    fields: Partial<RequestOf<Ms[Name]>>,
    { deadlineMs = CALL_MS_MAX, ...options }: BareOptions = {},
  ): Promise<ResponseOf<Ms[Name]>> {
    const reply = await eventually(`${name} finds a leader`, async () => {
      const attempted = await this.attempt(name, fields, { deadlineMs, ...options });
      return isBetweenLeaders(attempted) ? null : attempted;
    });
    if (!reply.ok) throw new BareFailure(name, reply);
    return reply.response;
  }

  /** One server stream, read to its end, with the size of each message on the wire; repeated as `call` is. @throws BareFailure */
  async stream<Name extends NameOf<Ms, true> & string>(
    name: Name,
    fields: Partial<RequestOf<Ms[Name]>>,
    options: BareOptions = {},
  ): Promise<StreamRead<ResponseOf<Ms[Name]>>> {
    const read = await eventually(`${name} finds a leader`, async () => {
      const attempted = await this.#attemptStream(name, fields, options);
      return "failure" in attempted && isBetweenLeaders(attempted.failure) ? null : attempted;
    });
    if ("failure" in read) throw new BareFailure(name, read.failure);
    return read;
  }

  /** Never rejects. */
  #attemptStream<Name extends NameOf<Ms, true> & string>(
    name: Name,
    fields: Partial<RequestOf<Ms[Name]>>,
    { deadlineMs = CALL_MS_MAX, ...options }: BareOptions,
  ): Promise<StreamRead<ResponseOf<Ms[Name]>> | { readonly failure: Failed }> {
    const method = this.#methods[name] as Ms[Name];
    const call = this.#client().makeServerStreamRequest(
      `/${this.#fullName}/${method.name}`,
      Buffer.from,
      (bytes: Buffer) => bytes,
      encodeRequest(method, fields),
      metadataOf(options),
      { deadline: deadlineOf({ deadlineMs }) },
    );
    const messages: ResponseOf<Ms[Name]>[] = [];
    const sizesBytes: number[] = [];
    return new Promise((resolve) => {
      call.on("data", (bytes: Buffer) => {
        messages.push(method.responseType.decode(bytes));
        sizesBytes.push(bytes.length);
      });
      call.on("error", (failure: ServiceError) => resolve({ failure: failedReply(failure) }));
      call.on("end", () => resolve({ messages, sizesBytes }));
    });
  }
}

/** An endpoint, seen through the generated definitions and nothing else. */
export class BareEndpoint {
  readonly address: string;
  readonly kv: BareService<typeof KvServiceDefinition.methods>;
  readonly leases: BareService<typeof LeaseServiceDefinition.methods>;
  readonly namespaces: BareService<typeof NamespaceServiceDefinition.methods>;
  readonly admin: BareService<typeof ClusterServiceDefinition.methods>;
  #client: Client | null = null;
  #channel: Channel | null = null;

  /** @param address host:port */
  constructor(address: string) {
    this.address = address;
    this.kv = new BareService(() => this.client(), KvServiceDefinition);
    this.leases = new BareService(() => this.client(), LeaseServiceDefinition);
    this.namespaces = new BareService(() => this.client(), NamespaceServiceDefinition);
    this.admin = new BareService(() => this.client(), ClusterServiceDefinition);
  }

  /** The grpc-js client, for calls that are none of the services' own. */
  client(): Client {
    this.#client ??= new Client(this.address, credentials.createInsecure(), CHANNEL_OPTIONS);
    return this.#client;
  }

  /** Resolves when there is a connection. */
  connected(deadlineMs = 10_000): Promise<void> {
    return new Promise((resolve, reject) => {
      this.client().waitForReady(Date.now() + deadlineMs, (late) =>
        late === undefined ? resolve() : reject(late),
      );
    });
  }

  /** The channel of nice-grpc. */
  channel(): Channel {
    this.#channel ??= createChannel(this.address, undefined, CHANNEL_OPTIONS);
    return this.#channel;
  }

  /** What grpc.health.v1 says of a service; "" is the process as a whole. */
  async health(service: string, deadlineMs = CALL_MS_MAX): Promise<Serving> {
    const name = Buffer.from(service);
    const request =
      service === "" ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
    const reply = await unaryBytes(this.client(), "/grpc.health.v1.Health/Check", request, { deadlineMs });
    if (!reply.ok) throw new BareFailure(`health of "${service}"`, reply);
    return SERVING[reply.body[1] ?? 0] ?? "UNKNOWN";
  }

  close(): void {
    this.#client?.close();
    this.#channel?.close();
    this.#client = null;
    this.#channel = null;
  }
}

/** Clients of nice-grpc whose calls are given up after 10 s unless they bring a signal of their own. */
export const bareClients = createClientFactory().use(async function* giveUp<Request, Response>(
  call: ClientMiddlewareCall<Request, Response>,
  options: CallOptions,
) {
  return yield* call.next(call.request, {
    ...options,
    signal: options.signal ?? AbortSignal.timeout(10_000),
  });
});

const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
const ATTEMPT_MS_MAX = 10_000;
const CALL_MS_MAX = 60_000;

/** A restarted node is reached again at once, and two endpoints of one address never share a connection. */
export const CHANNEL_OPTIONS = {
  "grpc.initial_reconnect_backoff_ms": 50,
  // Whatever its name says: how long one attempt to connect may take (nice-grpc sees to it).
  "grpc.min_reconnect_backoff_ms": 2000,
  "grpc.max_reconnect_backoff_ms": 200,
  "grpc.enable_channelz": 0,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
} as const;

/** What grpc.health.v1 says. */
export type Serving = "UNKNOWN" | "SERVING" | "NOT_SERVING" | "SERVICE_UNKNOWN";

/** By number, as grpc.health.v1.HealthCheckResponse.ServingStatus has them. */
const SERVING: readonly Serving[] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/** One unary call of any method with any bytes. Never rejects. */
export function unaryBytes(
  client: Client,
  path: string,
  body: Uint8Array,
  options: BareOptions = {},
): Promise<Reply<Buffer>> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      path,
      Buffer.from,
      (bytes: Buffer) => bytes,
      body,
      metadataOf(options),
      { deadline: deadlineOf(options) },
      (failure: ServiceError | null, bytes?: Buffer) => {
        if (failure !== null || bytes === undefined) resolve(failedReply(failure as ServiceError));
        else resolve({ ok: true, response: bytes, body: bytes });
      },
    );
  });
}

function encodeRequest<M extends MethodShape>(method: M, fields: Partial<RequestOf<M>>): Uint8Array {
  return method.requestType.encode({ ...method.requestType.decode(new Uint8Array()), ...fields }).finish();
}

function metadataOf(options: BareOptions): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(options.metadata ?? {})) metadata.set(name, value);
  return metadata;
}

function deadlineOf(options: BareOptions): number {
  return Date.now() + (options.deadlineMs ?? ATTEMPT_MS_MAX);
}

/** Whether a call failed for an election that came in between, without a trace. */
function isBetweenLeaders(reply: Reply<unknown>): boolean {
  if (reply.ok || reply.detail === null) return false;
  const { reason, outcome } = reply.detail;
  const isElection = reason === ErrorReason.NO_LEADER || reason === ErrorReason.SUPERSEDED;
  return isElection && outcome !== Outcome.UNKNOWN;
}

/** The reply that a failure of grpc-js stands for. */
export function failedReply(failure: ServiceError): Failed {
  const [details] = failure.metadata?.get("grpc-status-details-bin") ?? [];
  return {
    ok: false,
    code: status[failure.code] as CodeName,
    message: failure.details,
    detail: details instanceof Uint8Array ? detailOf(details) : null,
  };
}

function detailOf(bytes: Uint8Array): ErrorDetail | null {
  const any = RpcStatus.decode(bytes).details.find(({ typeUrl }) =>
    typeUrl.endsWith("/quorate.kv.v1.ErrorDetail"),
  );
  return any === undefined ? null : ErrorDetail.decode(any.value);
}
