import { gunzipSync, inflateSync } from "node:zlib";
import { Status } from "nice-grpc-common";
import type { CallStatus } from "./status";

/** What is understood of grpc-encoding. Answers are never compressed. */
const ENCODINGS = "identity,deflate,gzip";

/**
 * A message that came compressed. At once, in the order of messages, since hardly any caller compresses; the limit holds for
 * what comes out.
 *
 * @param encoding as the call's header grpc-encoding has it; null where there is none
 */
export function decompressed(
  message: Buffer,
  encoding: string | null,
  bytesMax: number,
): { readonly message: Buffer } | { readonly fault: CallStatus } {
  try {
    switch (encoding) {
      case "gzip":
        return { message: gunzipSync(message, { maxOutputLength: bytesMax }) };
      case "deflate":
        return { message: inflateSync(message, { maxOutputLength: bytesMax }) };
      case "identity":
      case null:
        return fault(Status.INTERNAL, "Received a message that says it is compressed, without an encoding");
      default:
        return unsupported(encoding);
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE"
      ? fault(
          Status.RESOURCE_EXHAUSTED,
          `Received message that decompresses to a size larger than ${bytesMax}`,
        )
      : fault(Status.INTERNAL, "Failed to decompress message");
  }
}

/** With what is, so that the caller may choose. */
function unsupported(encoding: string): { readonly fault: CallStatus } {
  const details = `Received message compressed with unsupported encoding "${encoding}"`;
  return { fault: { code: Status.UNIMPLEMENTED, details, trailers: [["grpc-accept-encoding", ENCODINGS]] } };
}

function fault(code: Status, details: string): { readonly fault: CallStatus } {
  return { fault: { code, details } };
}
