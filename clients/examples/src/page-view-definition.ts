import type { PageViews } from "./page-views";

/**
 * The service as nice-grpc takes it. A project with .proto files generates this; gRPC itself only asks how messages
 * become bytes, and this small example writes them as JSON.
 */
export const PageViewServiceDefinition = {
  record: unary<{ readonly page: string }, PageViews>("Record"),
  read: unary<{ readonly page: string }, PageViews>("Read"),
  list: { ...unary<{ readonly prefix: string }, PageViews>("List"), responseStream: true },
} as const;

function unary<Request, Response>(name: string) {
  return {
    path: `/examples.PageViewService/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: encode<Request>,
    requestDeserialize: decode<Request>,
    responseSerialize: encode<Response>,
    responseDeserialize: decode<Response>,
    options: {},
  } as const;
}

function encode<Message>(message: Message): Uint8Array {
  const text = JSON.stringify(message, (_, value: unknown) =>
    typeof value === "bigint" ? { int64: String(value) } : value,
  );
  return Buffer.from(text);
}

function decode<Message>(bytes: Uint8Array): Message {
  return JSON.parse(Buffer.from(bytes).toString(), (_, value: unknown) =>
    isInt64(value) ? BigInt(value.int64) : value,
  ) as Message;
}

function isInt64(value: unknown): value is { readonly int64: string } {
  return typeof value === "object" && value !== null && "int64" in value;
}
