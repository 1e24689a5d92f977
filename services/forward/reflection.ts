import { readFileSync } from "node:fs";
import { ClusterServiceDefinition } from "@quorate/proto/cluster";
import {
  KvServiceDefinition,
  LeaseServiceDefinition,
  NamespaceServiceDefinition,
  WatchServiceDefinition,
} from "@quorate/proto/kv";
import { ServerReflection, ServerReflectionService } from "nice-grpc-server-reflection";
import type { ByteServer } from "./byte-server";
import { bidiStreamHandler } from "./nice-handlers";

/** The services that a client may discover: those that it may call. */
const servicesShown: readonly string[] = [
  KvServiceDefinition.fullName,
  WatchServiceDefinition.fullName,
  LeaseServiceDefinition.fullName,
  NamespaceServiceDefinition.fullName,
  ClusterServiceDefinition.fullName,
];

/** v1, and under the older name the same messages once more: grpcurl before 1.8.8 asks for v1alpha alone. */
const reflectionPaths: readonly string[] = [
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/** gRPC server reflection, so that grpcurl and `buf curl` work with no .proto files. */
export class Reflection {
  private readonly stopping = new AbortController();

  addTo(server: ByteServer): void {
    const descriptors = readFileSync(require.resolve("@quorate/proto/descriptors"));
    const implementation = ServerReflection(descriptors, servicesShown);
    for (const path of reflectionPaths) {
      server.add(
        { serverReflectionInfo: { ...ServerReflectionService.serverReflectionInfo, path } },
        {
          serverReflectionInfo: bidiStreamHandler(implementation.serverReflectionInfo, this.stopping.signal),
        },
      );
    }
  }

  /** Ends the streams that clients keep open. */
  close(): void {
    this.stopping.abort();
  }
}
