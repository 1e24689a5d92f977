import type { ChannelOptions } from "@grpc/grpc-js";

/** A stored value is at most 1 MiB and a request 2 MiB unless configured; 4 MiB is what gRPC clients accept by default. */
export const MESSAGE_BYTES_MAX_DEFAULT = 4 * 1024 * 1024;

/** What may be under way to this end unread: as with clients, a page of a scan or the answers of many calls fit in. */
const WINDOW_BYTES = 1024 * 1024;

/**
 * What a channel to a node is made with.
 *
 * @param messageBytesMax the largest message that is sent or received
 * @param keepalive how often a silent connection is probed, and how long it may stay silent then
 */
export function channelOptions(
  messageBytesMax: number,
  keepalive: { readonly timeMs: number; readonly timeoutMs: number },
): ChannelOptions {
  return {
    "grpc.initial_reconnect_backoff_ms": 50,
    // Whatever its name says, this bounds one attempt to connect, HTTP/2 settings included: nice-grpc, which health and
    // reflection bring along, gives grpc-js the bound that it lacks. A busy or far node needs its time.
    "grpc.min_reconnect_backoff_ms": 2000,
    // The default maximum is two minutes, far longer than a node takes to restart.
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.keepalive_time_ms": keepalive.timeMs,
    "grpc.keepalive_timeout_ms": keepalive.timeoutMs,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.max_receive_message_length": messageBytesMax,
    "grpc.max_send_message_length": messageBytesMax,
    "grpc.enable_channelz": 0,
    "grpc-node.flow_control_window": WINDOW_BYTES,
    "grpc.enable_retries": 0,
    "grpc.service_config_disable_resolution": 1,
    // In the shared pool a renewed channel would get the stuck connection of the one it replaces.
    "grpc.use_local_subchannel_pool": 1,
  };
}
