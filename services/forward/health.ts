import type { ServiceDefinition } from "@grpc/grpc-js";
import {
  KvServiceDefinition,
  LeaseServiceDefinition,
  NamespaceServiceDefinition,
  WatchServiceDefinition,
} from "@quorate/proto/kv";
import { HealthDefinition, HealthServiceImpl, HealthState } from "nice-grpc-server-health";
import type { ByteServer } from "./byte-server";
import { serverStreamHandler, unaryHandler } from "./nice-handlers";

const servicesOfTheLeader: readonly string[] = [
  KvServiceDefinition.fullName,
  WatchServiceDefinition.fullName,
  LeaseServiceDefinition.fullName,
  NamespaceServiceDefinition.fullName,
];

/**
 * grpc.health.v1: the service "" is SERVING while the process works, the services of quorate.kv.v1 only while a leader is
 * known; none once the process shuts down.
 */
export class Health {
  private readonly state = HealthState();
  private readonly stopping = new AbortController();
  private isStopped = false;

  constructor() {
    this.setLeaderKnown(false);
    // One listener a watch, of which there may be many.
    this.state.setMaxListeners(0);
  }

  addTo(server: ByteServer): void {
    const implementation = HealthServiceImpl(this.state);
    server.add(definition, {
      check: unaryHandler(implementation.check),
      watch: serverStreamHandler(implementation.watch, this.stopping.signal),
    });
  }

  setLeaderKnown(isKnown: boolean): void {
    if (this.isStopped) return;
    this.setLeaderServices(isKnown ? "healthy" : "unhealthy");
  }

  /** Everything NOT_SERVING from now on. */
  stop(): void {
    this.isStopped = true;
    this.setLeaderServices("unhealthy");
    this.state.setStatus("unhealthy", "");
  }

  /** Ends all watches, which would hold up a shutdown for ever, once they have said that nothing is served any more. */
  close(): void {
    this.stop();
    setImmediate(() => this.stopping.abort());
  }

  private setLeaderServices(status: "healthy" | "unhealthy"): void {
    for (const service of servicesOfTheLeader) this.state.setStatus(status, service);
  }
}

const { check, watch } = HealthDefinition.methods;

const definition: ServiceDefinition = {
  check: {
    path: `/${HealthDefinition.fullName}/${check.name}`,
    requestStream: false,
    responseStream: false,
    ...codec(check),
  },
  watch: {
    path: `/${HealthDefinition.fullName}/${watch.name}`,
    requestStream: false,
    responseStream: true,
    ...codec(watch),
  },
};

type HealthMethod = typeof check | typeof watch;

function codec({ requestType, responseType }: HealthMethod) {
  return {
    requestSerialize: (request: Parameters<typeof requestType.encode>[0]) =>
      Buffer.from(requestType.encode(request).finish()),
    requestDeserialize: (bytes: Buffer) => requestType.decode(bytes),
    responseSerialize: (response: Parameters<typeof responseType.encode>[0]) =>
      Buffer.from(responseType.encode(response).finish()),
    responseDeserialize: (bytes: Buffer) => responseType.decode(bytes),
  };
}
