import {
  FetchRecordsRequest,
  FetchRecordsResponse,
  FetchSnapshotRequest,
  PeerServiceDefinition,
  VerificationBucketsRequest,
  VerificationKeysRequest,
  VerificationKeysResponse,
  VerificationRequest,
  VerificationResponse,
} from "@quorate/proto/raft";
import { Status } from "nice-grpc-common";
import { GrpcListener, methodPath } from "#forward";
import { type CallHandler, type CallStatus, GrpcServer, readRequest, type ServerCall } from "#grpc";
import type { Replica } from "#replica";
import { PEER_KEEPALIVE, PEER_MESSAGE_BYTES_MAX, PEER_WINDOWS } from "./peer-options";
import { PeerRefusal } from "./peer-refusal";
import { PeerStream, type PeerStreamOptions } from "./peer-stream";
import { SnapshotSender } from "./snapshot-sender";
import { VerificationServer, type VerificationServerOptions } from "./verification-server";

export interface PeerServerOptions
  extends PeerStreamOptions,
    Pick<VerificationServerOptions, "verification"> {
  readonly replica: PeerStreamOptions["replica"] & Pick<Replica, "images">;
  /** How many images of the state are sent at once. */
  readonly sendingMax?: number;
}

/** The part of a generated message type that is needed to carry it. */
interface Decoder<T> {
  decode(bytes: Uint8Array): T;
}

interface Encoder<T> {
  encode(message: T): { finish(): Uint8Array };
}

type PeerMethod = keyof (typeof PeerServiceDefinition)["methods"];

/** Receives what peers send. On the peer port only, which clients are not meant to reach. */
export class PeerServer {
  private readonly options: PeerServerOptions;
  private readonly server: GrpcServer;
  private readonly listener = new GrpcListener();
  private readonly streams = new Set<PeerStream>();
  private readonly snapshots: SnapshotSender;

  constructor(options: PeerServerOptions) {
    this.options = options;
    this.snapshots = new SnapshotSender(options);
    // A peer that was cut off without a word must not keep its half of a stream here for ever.
    this.server = new GrpcServer({
      messageBytesMax: PEER_MESSAGE_BYTES_MAX,
      keepalive: PEER_KEEPALIVE,
      windows: PEER_WINDOWS,
    });
    const verification = new VerificationServer(options);
    const handlers = {
      exchange: (call) => this.accept(call),
      fetchSnapshot: streamed(FetchSnapshotRequest, (request, call) => this.snapshots.serve(request, call)),
      verification: unary(VerificationRequest, VerificationResponse, (request) => verification.root(request)),
      verificationBuckets: streamed(VerificationBucketsRequest, (request, call) =>
        verification.buckets(request, call),
      ),
      verificationKeys: unary(VerificationKeysRequest, VerificationKeysResponse, (request) =>
        verification.keys(request),
      ),
      fetchRecords: unary(FetchRecordsRequest, FetchRecordsResponse, (request) =>
        verification.records(request),
      ),
    } satisfies Record<PeerMethod, CallHandler>;
    for (const [method, handler] of Object.entries(handlers)) {
      this.server.handle(methodPath(PeerServiceDefinition, method), handler);
    }
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
    // A peer may keep one that has no stream, and with it this process. Not at once, so that the ends of streams are written.
    setImmediate(() => this.listener.connections.cut());
  }

  private accept(call: ServerCall): void {
    const stream: PeerStream = new PeerStream(call, this.options, () => this.streams.delete(stream));
    this.streams.add(stream);
  }
}

function unary<Request, Response>(
  requestType: Decoder<Request>,
  responseType: Encoder<Response>,
  serve: (request: Request) => Promise<Response>,
): CallHandler {
  return (call) => {
    call.endAtDeadline();
    readRequest(call, {
      request: (body) => {
        const answer = async (): Promise<Response> => serve(decoded(requestType, body));
        answer().then(
          (response) => call.answer(responseType.encode(response).finish()),
          (error: unknown) => call.fail(failureOf(error)),
        );
      },
      cancelled: () => {},
    });
  };
}

/** @param serve gives how to end it when nobody waits for it any more */
function streamed<Request>(
  requestType: Decoder<Request>,
  serve: (request: Request, call: ServerCall) => () => void,
): CallHandler {
  return (call) => {
    let end = (): void => {};
    call.endAtDeadline();
    readRequest(call, {
      request: (body) => {
        try {
          end = serve(decoded(requestType, body), call);
        } catch (error) {
          call.fail(failureOf(error));
        }
      },
      cancelled: () => end(),
    });
  };
}

function decoded<T>(type: Decoder<T>, bytes: Buffer): T {
  try {
    return type.decode(bytes);
  } catch (error) {
    throw new PeerRefusal(Status.INTERNAL, `the request is malformed: ${(error as Error).message}`);
  }
}

function failureOf(error: unknown): CallStatus {
  if (error instanceof PeerRefusal) return error.toStatus();
  return { code: Status.INTERNAL, details: error instanceof Error ? error.message : String(error) };
}
