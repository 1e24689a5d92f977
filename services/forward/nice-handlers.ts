import { on, setMaxListeners } from "node:events";
import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type ServerDuplexStream,
  type ServerWritableStream,
  status,
} from "@grpc/grpc-js";
import { type CallContext, Metadata, ServerError } from "nice-grpc-common";

/*
 * Serves implementations written for nice-grpc on the server that carries bytes: health and reflection come as packages
 * of that kind, and one port has room for one server.
 */

export function unaryHandler<Request, Response>(
  implementation: (request: Request, context: CallContext) => Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    implementation(call.request, contextOf(call.getPeer(), new AbortController().signal)).then(
      (answer) => callback(null, answer),
      (error: unknown) => callback(statusOf(error)),
    );
  };
}

/** @param stopping aborted when the server shuts down: ends streams that would never end by themselves */
export function serverStreamHandler<Request, Response>(
  implementation: (request: Request, context: CallContext) => AsyncIterable<Response>,
  stopping: AbortSignal,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    const ended = endOf(call, stopping);
    pump(implementation(call.request, contextOf(call.getPeer(), ended)), call, ended);
  };
}

export function bidiStreamHandler<Request, Response>(
  implementation: (requests: AsyncIterable<Request>, context: CallContext) => AsyncIterable<Response>,
  stopping: AbortSignal,
): handleBidiStreamingCall<Request, Response> {
  return (call) => {
    const ended = endOf(call, stopping);
    pump(implementation(requestsOf(call), contextOf(call.getPeer(), ended)), call, ended);
  };
}

/** Iterating over a duplex stream itself would destroy it at the end of the requests, with the last answers unsent. */
async function* requestsOf<Request>(call: ServerDuplexStream<Request, unknown>): AsyncIterable<Request> {
  const events: AsyncIterable<unknown> = on(call, "data", { close: ["end", "cancelled"] });
  for await (const [request] of events as AsyncIterable<[Request]>) yield request;
}

function endOf<T>(
  call: ServerWritableStream<T, unknown> | ServerDuplexStream<T, unknown>,
  stopping: AbortSignal,
) {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  call.once("cancelled", end);
  call.once("close", () => stopping.removeEventListener("abort", end));
  // One listener a stream, of which there may be many.
  setMaxListeners(0, stopping);
  if (stopping.aborted) end();
  else stopping.addEventListener("abort", end);
  return ended.signal;
}

function pump<Request, Response>(
  answers: AsyncIterable<Response>,
  call: ServerWritableStream<Request, Response> | ServerDuplexStream<Request, Response>,
  ended: AbortSignal,
): void {
  const run = async (): Promise<void> => {
    for await (const answer of answers) {
      if (ended.aborted) break;
      if (!call.write(answer)) await drained(call, ended);
    }
  };
  run().then(
    () => call.end(),
    (error: unknown) => {
      call.emit(
        "error",
        ended.aborted ? { code: status.UNAVAILABLE, details: "shutting down" } : statusOf(error),
      );
    },
  );
}

function drained(
  call: { once(event: "drain", run: () => void): unknown },
  ended: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    call.once("drain", resolve);
    ended.addEventListener("abort", () => resolve(), { once: true });
  });
}

function contextOf(peer: string, signal: AbortSignal): CallContext {
  return {
    metadata: Metadata(),
    peer,
    header: Metadata(),
    trailer: Metadata(),
    sendHeader: () => {},
    signal,
  };
}

function statusOf(error: unknown): { code: status; details: string } {
  if (error instanceof ServerError) return { code: error.code as number, details: error.details };
  return { code: status.INTERNAL, details: "the server failed" };
}
