import { Server, type ServiceDefinition, type UntypedHandleCall } from "@grpc/grpc-js";
import {
  ExchangeResponse,
  FetchRecordsRequest,
  FetchRecordsResponse,
  FetchSnapshotRequest,
  FetchSnapshotResponse,
  PeerServiceDefinition,
  VerificationBucketsRequest,
  VerificationBucketsResponse,
  VerificationKeysRequest,
  VerificationKeysResponse,
  VerificationRequest,
  VerificationResponse,
} from "@quorate/proto/raft";
import { asBuffer, GrpcListener, methodPath, serverOptions } from "#forward";
import type { Replica } from "#replica";
import { unreachable } from "#std";
import { decodeFrame, type PeerFrame } from "./frame-codec";
import type { EntryTraces } from "./message-codec";
import { PEER_MESSAGE_BYTES_MAX } from "./peer-options";
import { type ExchangeStream, PeerStream, type PeerStreamOptions } from "./peer-stream";
import { SnapshotSender, type SnapshotStream } from "./snapshot-sender";
import { VerificationServer, type VerificationServerOptions } from "./verification-server";

export interface PeerServerOptions
  extends PeerStreamOptions,
    Pick<VerificationServerOptions, "verification"> {
  readonly replica: PeerStreamOptions["replica"] & Pick<Replica, "images">;
  readonly traces?: EntryTraces | undefined;
  /** How many images of the state are sent at once. */
  readonly sendingMax?: number;
}

/** The part of a generated message type that is needed to carry it. */
interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

type PeerMethod = keyof (typeof PeerServiceDefinition)["methods"];

/** Receives what peers send. On the peer port only, which clients are not meant to reach. */
export class PeerServer {
  private readonly options: PeerServerOptions;
  private readonly server: Server;
  private readonly listener = new GrpcListener();
  private readonly streams = new Set<PeerStream>();
  private readonly snapshots: SnapshotSender;

  constructor(options: PeerServerOptions) {
    this.options = options;
    this.snapshots = new SnapshotSender(options);
    this.server = new Server({
      ...serverOptions(PEER_MESSAGE_BYTES_MAX),
      // A peer that was cut off without a word must not keep its half of a stream here for ever.
      "grpc.keepalive_time_ms": 2000,
      "grpc.keepalive_timeout_ms": 1000,
    });
    const verification = new VerificationServer(options);
    this.server.addService(definitionFor(options.traces ?? null), {
      exchange: (stream: ExchangeStream) => this.accept(stream),
      fetchSnapshot: (stream: SnapshotStream) => this.snapshots.serve(stream),
      verification: verification.root.bind(verification),
      verificationBuckets: verification.buckets.bind(verification),
      verificationKeys: verification.keys.bind(verification),
      fetchRecords: verification.records.bind(verification),
    } satisfies Record<PeerMethod, UntypedHandleCall>);
  }

  /** Ids of the peers that have a stream to this node, sorted. */
  get connectedPeers(): readonly string[] {
    const ids = [...this.streams].flatMap(({ peerId }) => (peerId === null ? [] : [peerId]));
    return [...new Set(ids)].sort();
  }

  /** @returns the port, drawn by the system when `address` (host:port) says 0; rejects when it cannot be taken */
  listen(address: string): Promise<number> {
    return this.listener.listen(this.server, address, (error) =>
      this.options.log.error({ err: error }, "a peer's connection was not accepted"),
    );
  }

  /** Cuts all streams, and after this turn all connections. Safe to call twice. */
  close(): void {
    this.listener.close();
    for (const stream of [...this.streams]) stream.close();
    this.snapshots.close();
    this.server.forceShutdown();
    // A peer may keep one that has no stream, and with it this process. Not at once, so that the ends of streams are written.
    setImmediate(() => this.listener.connections.cut());
  }

  private accept(stream: ExchangeStream): void {
    const peerStream: PeerStream = new PeerStream(stream, this.options, () =>
      this.streams.delete(peerStream),
    );
    this.streams.add(peerStream);
  }
}

const definition = {
  fetchSnapshot: methodDefinition("fetchSnapshot", FetchSnapshotRequest, FetchSnapshotResponse),
  verification: methodDefinition("verification", VerificationRequest, VerificationResponse),
  verificationBuckets: methodDefinition(
    "verificationBuckets",
    VerificationBucketsRequest,
    VerificationBucketsResponse,
  ),
  verificationKeys: methodDefinition("verificationKeys", VerificationKeysRequest, VerificationKeysResponse),
  fetchRecords: methodDefinition("fetchRecords", FetchRecordsRequest, FetchRecordsResponse),
} as const satisfies ServiceDefinition & Record<Exclude<PeerMethod, "exchange">, unknown>;

/** Frames are decoded as they come, and never encoded by a server. */
function definitionFor(traces: EntryTraces | null) {
  const frames: Codec<PeerFrame> = {
    encode: () => unreachable(undefined as never),
    decode: (bytes) => decodeFrame(bytes, traces),
  };
  return {
    ...definition,
    exchange: methodDefinition("exchange", frames, ExchangeResponse),
  } as const satisfies ServiceDefinition & Record<PeerMethod, unknown>;
}

function methodDefinition<Request, Response>(
  method: PeerMethod,
  requestType: Codec<Request>,
  responseType: Codec<Response>,
) {
  const { requestStream, responseStream } = PeerServiceDefinition.methods[method];
  return {
    path: methodPath(PeerServiceDefinition, method),
    requestStream,
    responseStream,
    requestSerialize: (request: Request) => asBuffer(requestType.encode(request).finish()),
    requestDeserialize: (bytes: Buffer) => requestType.decode(bytes),
    responseSerialize: (response: Response) => asBuffer(responseType.encode(response).finish()),
    responseDeserialize: (bytes: Buffer) => responseType.decode(bytes),
  };
}
