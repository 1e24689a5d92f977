import type { Cancelling, OutgoingCall } from "./outgoing-call";

/** A way to one node for calls as bytes. Failures are CallFailures. */
export interface CallChannel {
  unary(call: OutgoingCall, cancelling: Cancelling): Promise<Uint8Array>;
  /** The messages of a streamed answer, read no faster than they are taken. */
  stream(call: OutgoingCall, cancelling: Cancelling): AsyncIterable<Uint8Array>;
  /**
   * A stream both ways, begun when its answers are first asked for. The source is read no faster than the transport takes
   * its messages; what it throws ends the call and is thrown to whoever takes the answers.
   */
  duplex(
    call: OutgoingCall,
    source: AsyncIterable<Uint8Array>,
    cancelling: Cancelling,
  ): AsyncIterable<Uint8Array>;
}

/** The ways to all nodes: over gRPC the ByteChannels, inside one process whatever joins its nodes. */
export interface CallChannels {
  /** @param address host:port */
  to(address: string): CallChannel;
}
