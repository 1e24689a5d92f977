import {
  KvServiceDefinition,
  LeaseServiceDefinition,
  NamespaceServiceDefinition,
  WatchServiceDefinition,
} from "@quorate/proto/kv";
import { HealthDefinition, HealthServiceImpl, HealthState } from "nice-grpc-server-health";
import type { ByteServer } from "./byte-server";
import { type MessageCodec, serverStreamHandler, unaryHandler } from "./nice-handlers";

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
    server.add(pathOf(check), unaryHandler(codecOf(check), implementation.check));
    server.add(
      pathOf(watch),
      serverStreamHandler(codecOf(watch), implementation.watch, this.stopping.signal),
    );
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

type HealthMethod = typeof check | typeof watch;

function pathOf({ name }: HealthMethod): string {
  return `/${HealthDefinition.fullName}/${name}`;
}

function codecOf({
  requestType,
  responseType,
}: HealthMethod): MessageCodec<
  ReturnType<typeof requestType.decode>,
  Parameters<typeof responseType.encode>[0]
> {
  return {
    decode: (bytes) => requestType.decode(bytes),
    encode: (response) => responseType.encode(response).finish(),
  };
}
