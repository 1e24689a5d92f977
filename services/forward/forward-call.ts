import type { ByteCall, ByteSink } from "./call";
import type { CallChannel } from "./call-channel";
import type { OutgoingCall } from "./outgoing-call";

/** The same call for the next node: its bytes, its headers, one hop more, and the deadline that is left. */
export function outgoingCall(call: ByteCall, deadlineMs = call.deadlineMs): OutgoingCall {
  const { requestId, forward, member, hops } = call.headers;
  return {
    path: call.method.path,
    body: call.body,
    headers: { requestId, forward, member, hops: hops + 1, traceparent: call.traceparent ?? "" },
    deadlineMs: Math.min(deadlineMs, call.deadlineMs),
  };
}

/** Passes a streamed answer on, message by message, no faster than it is taken. */
export async function forwardStream(channel: CallChannel, call: ByteCall, sink: ByteSink): Promise<void> {
  for await (const message of channel.stream(outgoingCall(call), call)) await sink.write(message);
}

/** Passes both sides of a stream on, each no faster than it is taken. */
export async function forwardDuplex(
  channel: CallChannel,
  call: ByteCall,
  source: AsyncIterable<Buffer>,
  sink: ByteSink,
): Promise<void> {
  for await (const message of channel.duplex(outgoingCall(call), source, call)) await sink.write(message);
}
