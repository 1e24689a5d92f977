import { asBuffer } from "./as-buffer";
import type { ByteServer } from "./byte-server";
import { bidiStreamHandler } from "./nice-handlers";
import type * as Service from "./reflection-service";

/** v1, and under the older name the same messages once more: grpcurl before 1.8.8 asks for v1alpha alone. */
const reflectionPaths: readonly string[] = [
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

type Request = ReturnType<typeof Service.codec.requestDeserialize>;
type Response = ReturnType<typeof Service.codec.responseDeserialize>;

/** gRPC server reflection, so that grpcurl and `buf curl` work with no .proto files. */
export class Reflection {
  private readonly stopping = new AbortController();

  addTo(server: ByteServer): void {
    for (const path of reflectionPaths) {
      server.add(
        path,
        bidiStreamHandler<Request, Response>(
          {
            decode: (bytes) => service().codec.requestDeserialize(asBuffer(bytes)),
            encode: (response) => service().codec.responseSerialize(response),
          },
          (requests, context) => service().serverReflectionInfo(requests, context),
          this.stopping.signal,
        ),
      );
    }
  }

  /** Ends the streams that clients keep open. */
  close(): void {
    this.stopping.abort();
  }
}

/** Loaded when it is asked for: few ever ask, and to read the descriptors is the longest part of a node's start. */
function service(): typeof Service {
  return require("./reflection-service") as typeof Service;
}
