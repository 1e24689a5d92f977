import { ErrorReason } from "@quorate/proto/kv";
import { type ByteCall, type ByteSink, CallFailure } from "#forward";
import type { NodeContext } from "./node-context";
import { isWellFormedMessage } from "./well-formed-message";

/** A unary call served here: from the bytes of the request to the bytes of the answer. Rejects, or throws at once. */
export type UnaryMethod = (node: NodeContext, call: ByteCall) => Promise<Uint8Array>;

/** A call with a streamed answer served here, as ByteService.stream() has it. */
export type StreamMethod = (node: NodeContext, call: ByteCall, sink: ByteSink) => Promise<void>;

/** A stream both ways served here, as ByteService.duplex() has it. */
export type DuplexMethod = (
  node: NodeContext,
  call: ByteCall,
  source: AsyncIterable<Buffer>,
  sink: ByteSink,
) => Promise<void>;

/** The part of a generated message type that is needed to read it. */
interface Decodes<T> {
  decode(bytes: Uint8Array): T;
}

interface Encodes<T> {
  encode(message: T): { finish(): Uint8Array };
}

/** Joins a handler to the types of its messages; nothing here knows which server carries the bytes. */
export function unaryMethod<Request, Response>(
  requestType: Decodes<Request>,
  responseType: Encodes<Response>,
  handle: (node: NodeContext, request: Request, call: ByteCall) => Promise<Response>,
): UnaryMethod {
  return async (node, call) => {
    const response = await handle(node, decodeRequest(requestType, call.body), call);
    return responseType.encode(response).finish();
  };
}

/** The request, or the failure that says that it is not one. */
export function decodeRequest<Request>(type: Decodes<Request>, body: Uint8Array): Request {
  if (!isWellFormedMessage(body)) throw malformed("its bytes are not a sequence of fields");
  try {
    return type.decode(body);
  } catch (error) {
    throw malformed(error instanceof Error ? error.message : String(error), error);
  }
}

function malformed(why: string, cause?: unknown): CallFailure {
  const message = `the request is not a well-formed Protobuf message of its type: ${why}`;
  return new CallFailure(ErrorReason.MALFORMED_REQUEST, message, { cause });
}
