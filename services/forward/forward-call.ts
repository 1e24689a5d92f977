import { Metadata } from "@grpc/grpc-js";
import type { OutgoingCall } from "./byte-channel";
import type { ByteCall, ByteSink } from "./call";
import type { CallChannel } from "./call-channel";
import { FORWARD_KEY, HOPS_KEY, hopsOf, MEMBER_KEY, REQUEST_ID_KEY, TRACEPARENT_KEY } from "./routing";

/** What of a call's metadata goes along; the rest is between the caller and its first hop. */
const passedOnKeys: readonly string[] = [REQUEST_ID_KEY, FORWARD_KEY, MEMBER_KEY];

/** The same call for the next node: its bytes, its routing metadata, one hop more, and the deadline that is left. */
export function outgoingCall(call: ByteCall, deadlineMs = call.deadlineMs): OutgoingCall {
  const metadata = new Metadata();
  for (const key of passedOnKeys) {
    const value = call.metadata.get(key)[0];
    if (value !== undefined) metadata.set(key, value);
  }
  const { traceparent } = call;
  if (traceparent !== null) metadata.set(TRACEPARENT_KEY, traceparent);
  metadata.set(HOPS_KEY, String(hopsOf(call.metadata) + 1));
  return {
    path: call.method.path,
    body: call.body,
    metadata,
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
