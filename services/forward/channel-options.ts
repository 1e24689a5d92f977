import type { KeepaliveTimes } from "@quorate/proto/calling";

/** A stored value is at most 1 MiB and a request 2 MiB unless configured; 4 MiB is what gRPC clients accept by default. */
export const MESSAGE_BYTES_MAX_DEFAULT = 4 * 1024 * 1024;

/** What a channel to a node is made with. */
export interface ByteChannelOptions {
  /** The longest message that is taken. */
  readonly messageBytesMax: number;
  /** How often a connection is probed, with calls or without, and how long it may stay silent then. */
  readonly keepalive: KeepaliveTimes;
  /** How long an attempt to connect may take. */
  readonly connectTimeoutMs?: number | undefined;
  /** Whether unary calls share a stream, which the public server of a node takes. */
  readonly pipelining?: boolean | undefined;
}
