import { Metadata, type StatusObject } from "@grpc/grpc-js";

/** A failed call as grpc-js reports it, so that both ends read it the same way as one that came over the wire. */
export function wireFailure(told: Pick<StatusObject, "code" | "details"> & Partial<StatusObject>): Error {
  const { code, details, metadata = new Metadata() } = told;
  return Object.assign(new Error(`${code} ${details}`), { code, details, metadata });
}
