import { Metadata } from "@grpc/grpc-js";
import type { CallStatus } from "@quorate/services/grpc";

/** A failed call as grpc-js reports it, so that both ends read it the same way as one that came over the wire. */
export function wireFailure({ code, details, statusDetails }: CallStatus): Error {
  const metadata = new Metadata();
  if (statusDetails !== undefined) metadata.set("grpc-status-details-bin", statusDetails);
  return Object.assign(new Error(`${code} ${details}`), { code, details, metadata });
}
