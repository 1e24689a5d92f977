import type { KeepaliveTimes } from "@quorate/proto/calling";
import type { CallWindows } from "#grpc";

/**
 * A frame takes all that is queued up to this; one message alone may be larger (an append message holds up to 1 MiB of
 * entries, or one entry of whatever size).
 */
export const FRAME_BYTES_MAX = 1024 * 1024;

/** What a frame may reach with one largest message: far above the sum of the limits, far below what hurts. */
export const PEER_MESSAGE_BYTES_MAX = 32 * 1024 * 1024;

/** A peer is probed every 2 s, and given up a second later: half of an election timeout, or a little more. */
export const PEER_KEEPALIVE: KeepaliveTimes = { timeMs: 2000, timeoutMs: 1000 };

/**
 * What a node lets be under way to it: with the 64 KiB that HTTP/2 has by default each second frame of a busy leader is
 * answered by a frame that opens the window again, which wakes both ends.
 */
export const PEER_WINDOWS: CallWindows = { callBytes: 4 * 1024 * 1024, connectionBytes: 8 * 1024 * 1024 };

/**
 * For what is large and is pulled over a connection of its own: the 64 KiB that HTTP/2 lets be under way by default is one
 * round trip for each quarter of a chunk.
 */
export const BULK_WINDOWS: CallWindows = { callBytes: 2 * 1024 * 1024, connectionBytes: 2 * 1024 * 1024 };
