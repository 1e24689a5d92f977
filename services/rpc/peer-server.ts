import { Server, ServerCredentials, type ServerDuplexStream, status } from "@grpc/grpc-js";
import { ExchangeRequest, ExchangeResponse, type Hello, PeerServiceDefinition } from "@quorate/proto/raft";
import { asBuffer, type Log, methodPath, serverOptions } from "#forward";
import type { MemberId, Message } from "#raft";
import { helloFault, helloTo, type PeerIdentity, type StoreRegister, storeFault } from "./greeting";
import { GROUP_ID, messageFromWire } from "./message-codec";
import { PEER_MESSAGE_BYTES_MAX } from "./peer-options";

export interface PeerServerOptions {
  readonly own: PeerIdentity;
  readonly isMember: (id: MemberId) => boolean;
  readonly replica: StoreRegister & { receive(messages: readonly Message[]): void };
  readonly log: Log;
  /** How long a new stream may stay without a hello. */
  readonly helloTimeoutMs?: number;
}

type Stream = ServerDuplexStream<ExchangeRequest, ExchangeResponse>;

const HELLO_TIMEOUT_MS_DEFAULT = 2000;

/** Receives what peers send. On the peer port only, which clients are not meant to reach. */
export class PeerServer {
  private readonly options: PeerServerOptions;
  private readonly server: Server;
  private readonly streams = new Set<PeerStream>();

  constructor(options: PeerServerOptions) {
    this.options = options;
    this.server = new Server({
      ...serverOptions(PEER_MESSAGE_BYTES_MAX),
      // A peer that was cut off without a word must not keep its half of a stream here for ever.
      "grpc.keepalive_time_ms": 2000,
      "grpc.keepalive_timeout_ms": 1000,
    });
    this.server.addService(
      {
        exchange: {
          path: methodPath(PeerServiceDefinition, "exchange"),
          requestStream: true,
          responseStream: true,
          requestSerialize: (request: ExchangeRequest) => asBuffer(ExchangeRequest.encode(request).finish()),
          requestDeserialize: (bytes: Buffer) => ExchangeRequest.decode(bytes),
          responseSerialize: (response: ExchangeResponse) =>
            asBuffer(ExchangeResponse.encode(response).finish()),
          responseDeserialize: (bytes: Buffer) => ExchangeResponse.decode(bytes),
        },
      },
      { exchange: (stream: Stream) => this.accept(stream) },
    );
  }

  /** @returns the port, drawn by the system when `address` (host:port) says 0; rejects when it cannot be taken */
  listen(address: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
  }

  /** Cuts all streams. Safe to call twice. */
  close(): void {
    for (const stream of [...this.streams]) stream.close();
    this.server.forceShutdown();
  }

  private accept(stream: Stream): void {
    const peerStream: PeerStream = new PeerStream(stream, this.options, () =>
      this.streams.delete(peerStream),
    );
    this.streams.add(peerStream);
  }
}

/** One peer's stream: first its hello, then its messages. */
class PeerStream {
  private readonly stream: Stream;
  private readonly options: PeerServerOptions;
  private readonly onEnd: () => void;
  private readonly timer: NodeJS.Timeout;
  private hello: Hello | null = null;
  private hasEnded = false;

  constructor(stream: Stream, options: PeerServerOptions, onEnd: () => void) {
    this.stream = stream;
    this.options = options;
    this.onEnd = onEnd;
    this.timer = setTimeout(
      () => this.refuse("it did not introduce itself in time"),
      options.helloTimeoutMs ?? HELLO_TIMEOUT_MS_DEFAULT,
    );
    stream.on("data", (request: ExchangeRequest) => this.onFrame(request));
    stream.on("end", () => this.close());
    stream.on("error", () => this.close());
    stream.on("cancelled", () => this.close());
  }

  close(): void {
    if (this.hasEnded) return;
    this.finish();
    this.stream.end();
  }

  private onFrame({ frame }: ExchangeRequest): void {
    if (this.hasEnded) return;
    switch (frame?.$case) {
      case "hello":
        this.greet(frame.value);
        return;
      case "messages":
        this.receive(frame.value.messages.filter((wire) => wire.groupId === GROUP_ID).map(messageFromWire));
        return;
      case undefined:
        // A frame of a newer version: nothing in it is for us.
        return;
    }
  }

  private greet(hello: Hello): void {
    const { own, isMember, replica, log } = this.options;
    if (this.hello !== null) {
      this.refuse("it introduced itself twice");
      return;
    }
    const fault = helloFault(hello, own, isMember, replica);
    if (fault !== null) {
      this.refuse(fault, hello.memberId);
      return;
    }
    clearTimeout(this.timer);
    this.hello = hello;
    replica.noteStore(hello.memberId, hello.storeId);
    this.stream.write({ hello: helloTo(hello.memberId, own) });
    log.info({ peer: hello.memberId, address: this.stream.getPeer() }, "a peer connected");
  }

  private receive(messages: readonly (Message | null)[]): void {
    const { hello } = this;
    const { own, replica } = this.options;
    if (hello === null) {
      this.refuse("it sent messages before it introduced itself");
      return;
    }
    const fault = storeFault(hello, replica);
    if (fault !== null) {
      this.refuse(fault, hello.memberId);
      return;
    }
    // A peer speaks for itself and to this node only.
    const addressed = messages.filter(
      (message): message is Message =>
        message !== null && message.from === hello.memberId && message.to === own.memberId,
    );
    replica.receive(addressed);
  }

  private refuse(why: string, peer = ""): void {
    if (this.hasEnded) return;
    const { log } = this.options;
    log.warn({ peer, address: this.stream.getPeer(), reason: why }, "refused a peer");
    this.finish();
    this.stream.emit("error", { code: status.FAILED_PRECONDITION, details: `refused: ${why}` });
  }

  private finish(): void {
    this.hasEnded = true;
    clearTimeout(this.timer);
    this.onEnd();
  }
}
