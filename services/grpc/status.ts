import { KeptField, type OutgoingField } from "@quorate/proto/http2";

/** How a call ended. */
export interface CallStatus {
  /** A gRPC status code. */
  readonly code: number;
  readonly details: string;
  /** An encoded google.rpc.Status. */
  readonly statusDetails?: Buffer | undefined;
  /** What goes beside the status. */
  readonly trailers?: readonly OutgoingField[] | undefined;
}

export const OK_TRAILERS: readonly OutgoingField[] = [new KeptField("grpc-status", "0")];

/**
 * The longest that is said in words, in bytes of UTF-8, for callers bound what they take of trailers (grpc-java at 8 KiB). The
 * longest of ours names the 31 members that a cluster may have, in 2 KiB; beyond it are those that quote what a caller has said.
 */
const DETAILS_BYTES_MAX = 4096;

/** As much of it as callers are told. */
export function cutDetails(details: string): string {
  // Nothing takes more than three bytes for each unit of its length.
  if (details.length <= DETAILS_BYTES_MAX / 3) return details;
  const bytes = Buffer.from(details);
  if (bytes.length <= DETAILS_BYTES_MAX) return details;
  let end = DETAILS_BYTES_MAX;
  // Not amid a character.
  while (((bytes[end] as number) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}

/** The trailers that say it. */
export function trailersOf({ code, details, statusDetails, trailers = [] }: CallStatus): OutgoingField[] {
  const said: OutgoingField[] = [
    ["grpc-status", String(code)],
    ["grpc-message", percentEncoded(cutDetails(details))],
    ...trailers,
  ];
  if (statusDetails !== undefined) said.push(["grpc-status-details-bin", statusDetails.toString("base64")]);
  return said;
}

/** A lone surrogate, for which no UTF-8 stands, must not cost the caller the status. */
function percentEncoded(details: string): string {
  return encodeURI(Buffer.from(details).toString());
}
