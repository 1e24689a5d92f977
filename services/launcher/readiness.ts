import { setTimeout as delay } from "node:timers/promises";
import { HealthDefinition } from "@quorate/proto/health";
import { createChannel, createClient } from "nice-grpc";

const POLL_MS = 50;
const CHECK_MS_MAX = 500;

/** What a process can be waited for to be: the service of gRPC health that tells it. */
export const SERVICES = {
  /** It takes calls. */
  process: "",
  /** It knows a leader, so it serves reads and writes. */
  kv: "quorate.kv.v1.KvService",
} as const;

/** HealthCheckResponse.ServingStatus.SERVING */
const SERVING = 1;

/**
 * Waits until the address says that it serves.
 *
 * @param stillWorthWaiting throws when there is no point in waiting any longer
 * @returns whether it did within the time
 */
export async function serves(
  address: string,
  service: (typeof SERVICES)[keyof typeof SERVICES],
  withinMs: number,
  stillWorthWaiting: () => void = () => undefined,
): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs;
  const channel = createChannel(address, undefined, {
    "grpc.initial_reconnect_backoff_ms": POLL_MS,
    // Whatever its name says: how long one attempt to connect may take.
    "grpc.min_reconnect_backoff_ms": CHECK_MS_MAX,
    "grpc.max_reconnect_backoff_ms": 2 * POLL_MS,
    "grpc.enable_channelz": 0,
    "grpc.use_local_subchannel_pool": 1,
  });
  try {
    const health = createClient(HealthDefinition, channel);
    while (performance.now() < deadlineMs) {
      stillWorthWaiting();
      const serving = await health.check({ service }, { signal: AbortSignal.timeout(CHECK_MS_MAX) }).then(
        ({ status }) => status === SERVING,
        // Not listening yet, or too busy starting to answer: it is asked again.
        () => false,
      );
      if (serving) return true;
      await delay(POLL_MS);
    }
    return false;
  } finally {
    channel.close();
  }
}
