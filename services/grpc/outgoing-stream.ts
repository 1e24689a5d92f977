import {
  CallingConnection,
  type CallingListener,
  type CallingStream,
  type KeepaliveTimes,
} from "@quorate/proto/calling";

export interface OutgoingStreamOptions {
  /** host:port; an IPv6 host in brackets */
  readonly address: string;
  /** Such as "/quorate.raft.v1.PeerService/Exchange". */
  readonly path: string;
  /** The longest message that is taken. */
  readonly messageBytesMax: number;
  readonly keepalive: KeepaliveTimes;
}

/** The calling end of one stream both ways, on a connection of its own, which begins at once. */
export class OutgoingStream {
  private readonly connection: CallingConnection;
  private readonly stream: CallingStream;

  constructor(
    { address, path, messageBytesMax, keepalive }: OutgoingStreamOptions,
    listener: Required<CallingListener>,
  ) {
    // What becomes of the connection is told by the end of the stream.
    this.connection = new CallingConnection(
      { address, messageBytesMax, keepalive, isProbedWhenIdle: true },
      { ready: () => {}, closed: () => {} },
    );
    this.stream = this.connection.call(
      path,
      {},
      {
        message: (bytes) => listener.message(bytes),
        drained: () => listener.drained(),
        ended: (said) => {
          this.connection.destroy();
          listener.ended(said);
        },
      },
    );
  }

  /** @returns whether the transport has room for more; else `drained` tells */
  write(message: Uint8Array): boolean {
    return this.stream.write(message);
  }

  /** Ends the stream and its connection; nothing is told any more. Safe to call twice. */
  close(): void {
    this.stream.cancel();
    this.connection.destroy();
  }
}
