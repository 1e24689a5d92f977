import { connect } from "node:net";
import { HealthDefinition } from "@quorate/proto/health";
import { createChannel, createClient } from "nice-grpc";
import { until } from "./wait";

const POLL_MS = 2;

/** HealthCheckResponse.ServingStatus.SERVING */
const SERVING = 1;

/** Resolves at once when something accepts connections. */
export function accepts(address: string, signal?: AbortSignal): Promise<true> {
  const [host, port] = address.split(":") as [string, string];
  const attempt = () =>
    new Promise<true>((resolve, reject) => {
      const socket = connect({ host, port: Number(port) }, () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", reject);
    });
  return until(`${address} accepts connections`, attempt, { everyMs: POLL_MS, signal });
}

/** Resolves at once when gRPC health says that the service serves. Nothing is connected before somebody listens. */
export async function servesHealth(address: string, service: string, signal?: AbortSignal): Promise<void> {
  await accepts(address, signal);
  const channel = createChannel(address, undefined, {
    "grpc.enable_channelz": 0,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": POLL_MS,
  });
  try {
    const health = createClient(HealthDefinition, channel);
    const isServing = async () => (await health.check({ service })).status === SERVING || undefined;
    await until(`${address} serves ${service || "calls"}`, isServing, { everyMs: POLL_MS, signal });
  } finally {
    channel.close();
  }
}
