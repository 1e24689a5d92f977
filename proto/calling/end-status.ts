import { errorCode, type Headers } from "@quorate/proto/http2";
import { Status } from "nice-grpc-common";
import { isGrpc } from "./content-type";

/** How a call ended, as its caller hears it. */
export interface EndStatus {
  /** A gRPC status code; one that gRPC does not have where the other side said so. */
  readonly code: number;
  readonly details: string;
  /** An encoded google.rpc.Status; absent where none came. */
  readonly statusDetails?: Buffer;
  /** Nobody has looked at the call, as the other side says: it may be made again, whatever it does. */
  readonly isUntouched?: true;
}

/** The trailer of gRPC's richer error model. */
const DETAILS_TRAILER = "grpc-status-details-bin";

/** What trailers say, or the headers of an answer that is nothing but them; null where they say no status. */
export function statusIn(headers: Headers): EndStatus | null {
  const code = headers.get("grpc-status");
  if (code === null || !/^\d{1,3}$/.test(code)) return null;
  const details = percentDecoded(headers.get("grpc-message") ?? "");
  const statusDetails = headers.get(DETAILS_TRAILER);
  return statusDetails === null
    ? { code: Number(code), details }
    : { code: Number(code), details, statusDetails: Buffer.from(statusDetails, "base64") };
}

const CODE_OF_HTTP_STATUS: ReadonlyMap<string, Status> = new Map([
  ["400", Status.INTERNAL],
  ["401", Status.UNAUTHENTICATED],
  ["403", Status.PERMISSION_DENIED],
  ["404", Status.UNIMPLEMENTED],
  ["429", Status.UNAVAILABLE],
  ["502", Status.UNAVAILABLE],
  ["503", Status.UNAVAILABLE],
  ["504", Status.UNAVAILABLE],
]);

/**
 * What it means that an answer is none of gRPC ("HTTP to gRPC Status Code Mapping"): it comes under an HTTP status other than 200, or
 * holds something else. null for one that is, and for trailers.
 */
export function pageIn(headers: Headers): EndStatus | null {
  const httpStatus = headers.get(":status");
  if (httpStatus === null) return null;
  if (httpStatus !== "200") {
    const code = CODE_OF_HTTP_STATUS.get(httpStatus) ?? Status.UNKNOWN;
    return { code, details: `the other side answered with HTTP status ${httpStatus}` };
  }
  const contentType = headers.get("content-type");
  if (isGrpc(contentType)) return null;
  const what = contentType === null ? "without a content-type" : `of the content-type ${contentType}`;
  return { code: Status.UNKNOWN, details: `the other side gave an answer ${what}, which is none of gRPC` };
}

/**
 * What it means that a stream was reset, or its connection lost, without a status (gRPC over HTTP/2, "Errors").
 *
 * @param isAnswered whether an answer had begun
 */
export function statusOfReset(rstCode: number, isAnswered: boolean): EndStatus {
  const details = `Received RST_STREAM with code ${rstCode}`;
  switch (rstCode) {
    case errorCode.none:
      return { code: Status.UNAVAILABLE, details: "the connection was lost" };
    case errorCode.refusedStream:
      return isAnswered
        ? { code: Status.UNAVAILABLE, details }
        : { code: Status.UNAVAILABLE, details, isUntouched: true };
    case errorCode.cancel:
      return { code: Status.CANCELLED, details };
    case errorCode.enhanceYourCalm:
      return { code: Status.RESOURCE_EXHAUSTED, details };
    case errorCode.inadequateSecurity:
      return { code: Status.PERMISSION_DENIED, details };
    default:
      return { code: Status.INTERNAL, details };
  }
}

function percentDecoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
