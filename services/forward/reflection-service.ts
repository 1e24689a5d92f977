import { readFileSync } from "node:fs";
import { ClusterServiceDefinition } from "@quorate/proto/cluster";
import {
  KvServiceDefinition,
  LeaseServiceDefinition,
  NamespaceServiceDefinition,
  WatchServiceDefinition,
} from "@quorate/proto/kv";
import { ServerReflection, ServerReflectionService } from "nice-grpc-server-reflection";

/** The services that a client may discover: those that it may call. */
const servicesShown: readonly string[] = [
  KvServiceDefinition.fullName,
  WatchServiceDefinition.fullName,
  LeaseServiceDefinition.fullName,
  NamespaceServiceDefinition.fullName,
  ClusterServiceDefinition.fullName,
];

/** The one method of the service: how its messages are encoded, and what answers it. */
export const codec = ServerReflectionService.serverReflectionInfo;

export const { serverReflectionInfo } = ServerReflection(
  readFileSync(require.resolve("@quorate/proto/descriptors")),
  servicesShown,
);
