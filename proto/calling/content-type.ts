/** With a suffix such as "+proto", or parameters, or neither; "application/grpc-web" is another protocol. */
const GRPC = /^application\/grpc(?:\+[^;]*)?\s*(?:;.*)?$/i;

/** @param contentType as a header says it; null where it says none */
export function isGrpc(contentType: string | null): boolean {
  return contentType !== null && GRPC.test(contentType);
}
