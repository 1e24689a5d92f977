import type { Metadata, status } from "@grpc/grpc-js";
import { KeptField, type OutgoingField } from "@quorate/proto/http2";

/** How a call ended. */
export interface CallStatus {
  /** A gRPC status code. */
  readonly code: status;
  readonly details: string;
  /** Trailers beside the status. */
  readonly metadata?: Metadata | null;
}

export const OK_TRAILERS: readonly OutgoingField[] = [new KeptField("grpc-status", "0")];

/** The trailers that say it. */
export function trailersOf({ code, details, metadata }: CallStatus): OutgoingField[] {
  const trailers: OutgoingField[] = [
    ["grpc-status", String(code)],
    ["grpc-message", percentEncoded(details)],
  ];
  for (const [name, values] of Object.entries(metadata?.toHttp2Headers() ?? {})) {
    for (const value of Array.isArray(values) ? values : [values]) trailers.push([name, String(value)]);
  }
  return trailers;
}

/** A lone surrogate, for which no UTF-8 stands, must not cost the caller the status. */
function percentEncoded(details: string): string {
  return encodeURI(Buffer.from(details).toString());
}
