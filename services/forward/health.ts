import { EventEmitter, on } from "node:events";
import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthDefinition,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "@quorate/proto/health";
import {
  KvServiceDefinition,
  LeaseServiceDefinition,
  NamespaceServiceDefinition,
  WatchServiceDefinition,
} from "@quorate/proto/kv";
import { type CallContext, ServerError, Status } from "nice-grpc-common";
import type { ByteServer } from "./byte-server";
import { type MessageCodec, serverStreamHandler, unaryHandler } from "./nice-handlers";

const servicesOfTheLeader: readonly string[] = [
  KvServiceDefinition.fullName,
  WatchServiceDefinition.fullName,
  LeaseServiceDefinition.fullName,
  NamespaceServiceDefinition.fullName,
];

const codec: MessageCodec<HealthCheckRequest, HealthCheckResponse> = {
  decode: (bytes) => HealthCheckRequest.decode(bytes),
  encode: (response) => HealthCheckResponse.encode(response).finish(),
};

/**
 * grpc.health.v1: the service "" is SERVING while the process works, the services of quorate.kv.v1 only while a leader is
 * known; none once the process shuts down. Of any other, Check says NOT_FOUND and Watch SERVICE_UNKNOWN.
 *
 * It is our own, for the package that serves it brings grpc-js with it, a fifth of what a start takes.
 */
export class Health {
  private readonly statuses = new Map<string, ServingStatus>([["", ServingStatus.SERVING]]);
  private readonly changes = new EventEmitter();
  private readonly stopping = new AbortController();
  private isStopped = false;

  constructor() {
    this.setLeaderKnown(false);
    // One listener a watch, of which there may be many.
    this.changes.setMaxListeners(0);
  }

  addTo(server: ByteServer): void {
    const { check, watch } = HealthDefinition.methods;
    const pathOf = ({ name }: { readonly name: string }): string => `/${HealthDefinition.fullName}/${name}`;
    server.add(
      pathOf(check),
      unaryHandler(codec, (request) => this.check(request)),
    );
    server.add(
      pathOf(watch),
      serverStreamHandler(codec, (request, context) => this.watch(request, context), this.stopping.signal),
    );
  }

  setLeaderKnown(isKnown: boolean): void {
    if (this.isStopped) return;
    this.setStatuses(servicesOfTheLeader, isKnown ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);
  }

  /** Everything NOT_SERVING from now on. */
  stop(): void {
    this.isStopped = true;
    this.setStatuses([...servicesOfTheLeader, ""], ServingStatus.NOT_SERVING);
  }

  /** Ends all watches, which would hold up a shutdown for ever, once they have said that nothing is served any more. */
  close(): void {
    this.stop();
    setImmediate(() => this.stopping.abort());
  }

  private async check({ service }: HealthCheckRequest): Promise<HealthCheckResponse> {
    const status = this.statuses.get(service);
    if (status === undefined)
      throw new ServerError(Status.NOT_FOUND, `there is no service ${JSON.stringify(service)} here`);
    return { status };
  }

  private async *watch(
    { service }: HealthCheckRequest,
    { signal }: CallContext,
  ): AsyncGenerator<HealthCheckResponse, void, undefined> {
    const changes = on(this.changes, "change", { signal });
    let told: ServingStatus | null = null;
    try {
      do {
        const status = this.statuses.get(service) ?? ServingStatus.SERVICE_UNKNOWN;
        if (status !== told) yield { status };
        told = status;
      } while (!(await changes.next()).done);
    } finally {
      await changes.return?.();
    }
  }

  private setStatuses(services: readonly string[], status: ServingStatus): void {
    for (const service of services) this.statuses.set(service, status);
    this.changes.emit("change");
  }
}
