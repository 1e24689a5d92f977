import type { status } from "@grpc/grpc-js";
import { afterEach, beforeEach } from "@jest/globals";
import {
  type AttemptOptions,
  type CallTransport,
  GrpcConnection,
  type Method,
  type QuorateError,
} from "@quorate/client";
import { ErrorDetail, ErrorReason, Outcome, RpcStatus } from "@quorate/client/generated";
import { FakePipelineServer, type ServedStream } from "./fake-pipeline";

/** Messages that are their own bytes. */
export const bytes = {
  encode: (message: Uint8Array) => ({ finish: () => message }),
  decode: (message: Uint8Array) => message,
};
export const PUT: Method<Uint8Array, Uint8Array> = {
  path: "/quorate.kv.v1.KvService/Put",
  requestType: bytes,
  responseType: bytes,
};
export const GET: Method<Uint8Array, Uint8Array> = { ...PUT, path: "/quorate.kv.v1.KvService/Get" };
export const options: AttemptOptions = { metadata: {}, timeoutMs: 600_000, signal: undefined };

/** Of each test. */
export let server: FakePipelineServer;
export let connection: GrpcConnection;

beforeEach(async () => {
  server = await FakePipelineServer.open();
  connection = connectionTo(server.address);
});

/** What is to be closed after the test. */
export const closing: { close(): void }[] = [];

afterEach(() => {
  for (const open of closing.splice(0)) open.close();
  server.stop();
});

/** From now on by themselves, to this server. */
export function connectWithoutPipeline(): void {
  connection = connectionTo(server.address, "unary");
}

/** Another server in place of the first, one that knows no pipelines. */
export async function replaceByOlderServer(): Promise<void> {
  server.stop();
  server = await FakePipelineServer.open(false);
  connection = connectionTo(server.address);
}

export function connectionTo(address: string, transport?: CallTransport): GrpcConnection {
  const made = new GrpcConnection(address, 60_000, transport);
  closing.push(made);
  return made;
}

/** A server that echoes each call at once. */
export function echo(
  stream: ServedStream,
  { calls }: { readonly calls: readonly { id: number; body: Uint8Array }[] },
): void {
  if (calls.length > 0) stream.answer(...calls.map(({ id, body }) => ({ id, body })));
}

export async function text(call: Promise<Uint8Array>): Promise<string> {
  return Buffer.from(await call).toString();
}

export async function failureOf(call: Promise<unknown>): Promise<QuorateError> {
  return call.then(
    () => Promise.reject(new Error("the call succeeded")),
    (error: QuorateError) => error,
  );
}

export function put(body: string | Uint8Array, given: Partial<AttemptOptions> = {}): Promise<Uint8Array> {
  return connection.unary(PUT, Buffer.from(body), { ...options, ...given });
}

/** A connection whose stream is open, so that what comes next is all in one frame. */
export async function warm(): Promise<void> {
  const { onFrame } = server;
  server.onFrame = echo;
  await put("warm");
  server.onFrame = onFrame;
}

/** The details of a status, as a server sends them. */
export function detailed(code: status, message: string, fields: Partial<ErrorDetail>): Buffer {
  const value = ErrorDetail.encode({
    reason: ErrorReason.INTERNAL,
    retryable: false,
    outcome: Outcome.UNSPECIFIED,
    leader: undefined,
    oldestRevision: 0n,
    ...fields,
  }).finish();
  const details = [{ typeUrl: "type.googleapis.com/quorate.kv.v1.ErrorDetail", value }];
  return Buffer.from(RpcStatus.encode({ code, message, details }).finish());
}
