import type { OutgoingHttpHeaders } from "node:http2";
import type { Metadata, status } from "@grpc/grpc-js";

/** How a call ended. */
export interface CallStatus {
  /** A gRPC status code. */
  readonly code: status;
  readonly details: string;
  /** Trailers beside the status. */
  readonly metadata?: Metadata | null;
}

export const OK_TRAILERS: OutgoingHttpHeaders = { "grpc-status": "0" };

/** The trailers that say it. */
export function trailersOf({ code, details, metadata }: CallStatus): OutgoingHttpHeaders {
  return { "grpc-status": code, "grpc-message": percentEncoded(details), ...metadata?.toHttp2Headers() };
}

/** A lone surrogate, for which no UTF-8 stands, must not cost the caller the status. */
function percentEncoded(details: string): string {
  return encodeURI(Buffer.from(details).toString());
}
