import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { type Metadata, status } from "@grpc/grpc-js";

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

/** What trailers say, or the headers of an answer that is nothing but them; null where they say no status. */
export function statusIn(headers: IncomingHttpHeaders): CallStatus | null {
  const code = headers["grpc-status"];
  if (typeof code !== "string" || !/^\d{1,3}$/.test(code)) return null;
  const message = headers["grpc-message"];
  return { code: Number(code), details: typeof message === "string" ? percentDecoded(message) : "" };
}

/** What it means that a stream was reset, or its connection lost, without a status (gRPC over HTTP/2, "Errors"). */
export function statusOfReset(rstCode: number): CallStatus {
  const details = `the stream was reset with code ${rstCode}`;
  switch (rstCode) {
    case constants.NGHTTP2_NO_ERROR:
      return { code: status.UNAVAILABLE, details: "the connection was lost" };
    case constants.NGHTTP2_REFUSED_STREAM:
      return { code: status.UNAVAILABLE, details };
    case constants.NGHTTP2_CANCEL:
      return { code: status.CANCELLED, details };
    case constants.NGHTTP2_ENHANCE_YOUR_CALM:
      return { code: status.RESOURCE_EXHAUSTED, details };
    case constants.NGHTTP2_INADEQUATE_SECURITY:
      return { code: status.PERMISSION_DENIED, details };
    default:
      return { code: status.INTERNAL, details };
  }
}

/** A lone surrogate, for which no UTF-8 stands, must not cost the caller the status. */
function percentEncoded(details: string): string {
  return encodeURI(Buffer.from(details).toString());
}

function percentDecoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
