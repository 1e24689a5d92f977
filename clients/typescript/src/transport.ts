/** Encodes messages of one type, as what ts-proto writes for it does. finish() is called at once. */
export interface MessageEncoder<Message> {
  encode(message: Message): { finish(): Uint8Array };
}

/** Decodes messages of one type. */
export interface MessageDecoder<Message> {
  decode(bytes: Uint8Array): Message;
}

/** A method of a service as its caller has it. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly requestType: MessageEncoder<Request>;
  readonly responseType: MessageDecoder<Response>;
}

/** What is sent with one attempt of a call. */
export interface AttemptOptions {
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * The time for this attempt, connecting included, in milliseconds; for a streamed answer the time between two messages;
   * for a duplex stream the time to connect, since only its caller knows when to expect an answer.
   */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * One way to one endpoint. Calls reject with a QuorateError: with outcome "not_applied" where nothing was sent, with the
 * server's detail where it gave one, otherwise with outcome null, which for a write means that nothing is known.
 */
export interface Connection {
  unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: AttemptOptions,
  ): Promise<Response>;
  serverStream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: AttemptOptions,
  ): AsyncIterable<Response>;
  /**
   * A stream both ways, which begins when its answers are first asked for. Each request is taken when the transport has
   * room for it, and answers are read no faster than they are taken. The end of the requests is told to the server; the
   * end of the iteration, or the signal, cancels the call. What the requests throw ends the call and is thrown here.
   */
  duplex<Request, Response>(
    method: Method<Request, Response>,
    requests: AsyncIterable<Request>,
    options: AttemptOptions,
  ): AsyncIterable<Response>;
  close(): void;
}

/** Makes the connection to an endpoint; connects when it is first used. */
export type Connect = (address: string) => Connection;

interface GeneratedMethod<Request, Response> {
  readonly name: string;
  readonly requestType: MessageEncoder<Request>;
  readonly responseType: MessageDecoder<Response>;
}

/** The method of a generated service definition, with its path. */
export function methodOf<Request, Response>(
  service: { readonly fullName: string },
  method: GeneratedMethod<Request, Response>,
): Method<Request, Response> {
  return {
    path: `/${service.fullName}/${method.name}`,
    requestType: method.requestType,
    responseType: method.responseType,
  };
}
