import { ErrorReason } from "@quorate/proto/kv";
import {
  FetchRecordsRequest,
  FetchRecordsResponse,
  type Hello,
  PeerServiceDefinition,
  VerificationBucketsRequest,
  VerificationBucketsResponse,
  VerificationKeysRequest,
  VerificationKeysResponse,
  VerificationRequest,
  VerificationResponse,
} from "@quorate/proto/raft";
import {
  asBuffer,
  type ByteChannel,
  ByteChannels,
  CallFailure,
  methodPath,
  NO_HEADERS,
  type OutgoingCall,
} from "#forward";
import type { MemberId } from "#raft";
import type {
  BucketHash,
  KeyHash,
  KeySpaceRange,
  RecordsAnswer,
  RepairQuery,
  RootAnswer,
  VerificationPeers,
} from "#verification";
import { helloTo, type PeerIdentity } from "./greeting";
import { PEER_KEEPALIVE, PEER_MESSAGE_BYTES_MAX } from "./peer-options";
import {
  bucketsFromWire,
  keysFromWire,
  keysRequestToWire,
  recordsFromWire,
  repairQueryToWire,
  rootFromWire,
} from "./verification-codec";

export interface PeerVerificationOptions {
  readonly own: PeerIdentity;
  /** host:port of a member's peer service; null where it is not known. */
  readonly addressOf: (member: MemberId) => string | null;
  /** How many changes of the membership this node has applied. */
  readonly epoch: () => number;
  /** How long one answer may take. */
  readonly answerMsMax?: number;
}

const ANSWER_MS_MAX_DEFAULT = 10_000;

type PeerMethod = keyof (typeof PeerServiceDefinition)["methods"];

/** Asks the verifiers of other members, over channels of its own. Rejects with CallFailures. */
export class PeerVerification implements VerificationPeers {
  private readonly options: PeerVerificationOptions;
  private readonly channels = new ByteChannels({
    messageBytesMax: PEER_MESSAGE_BYTES_MAX,
    keepalive: PEER_KEEPALIVE,
  });
  private readonly closing = new AbortController();

  constructor(options: PeerVerificationOptions) {
    this.options = options;
  }

  async root(member: MemberId, round: number): Promise<RootAnswer> {
    const request = { hello: this.helloTo(member), round: BigInt(round) };
    const answer = await this.ask(member, "verification", VerificationRequest.encode(request).finish());
    return rootFromWire(VerificationResponse.decode(answer));
  }

  async buckets(member: MemberId, round: number): Promise<readonly BucketHash[] | null> {
    const request = { hello: this.helloTo(member), round: BigInt(round) };
    const call = this.call("verificationBuckets", VerificationBucketsRequest.encode(request).finish());
    let buckets: BucketHash[] | null = null;
    for await (const message of this.channelTo(member).stream(call, this.closing.signal)) {
      buckets ??= [];
      buckets.push(...bucketsFromWire(VerificationBucketsResponse.decode(message)));
    }
    return buckets;
  }

  async keys(member: MemberId, round: number, range: KeySpaceRange): Promise<readonly KeyHash[] | null> {
    const request = keysRequestToWire(this.helloTo(member), round, range);
    const answer = await this.ask(
      member,
      "verificationKeys",
      VerificationKeysRequest.encode(request).finish(),
    );
    return keysFromWire(VerificationKeysResponse.decode(answer));
  }

  async records(member: MemberId, query: RepairQuery): Promise<RecordsAnswer> {
    const request = repairQueryToWire(this.helloTo(member), query);
    try {
      const answer = await this.ask(member, "fetchRecords", FetchRecordsRequest.encode(request).finish());
      return recordsFromWire(FetchRecordsResponse.decode(answer));
    } catch (error) {
      // So gRPC says it itself of a message beyond its limit.
      if (error instanceof CallFailure && error.reason === ErrorReason.TOO_LARGE)
        return { kind: "too_large" };
      throw error;
    }
  }

  /** Lets go of members that are gone. @param addresses host:port of all peer services that may still be asked */
  keepOnly(addresses: readonly string[]): void {
    this.channels.keepOnly(addresses);
  }

  /** Ends what is asked. Safe to call twice. */
  close(): void {
    this.closing.abort();
    this.channels.close();
  }

  private helloTo(member: MemberId): Hello {
    return helloTo(member, this.options.own, this.options.epoch());
  }

  private ask(member: MemberId, method: PeerMethod, body: Uint8Array): Promise<Buffer> {
    return this.channelTo(member).unary(this.call(method, body), this.closing.signal);
  }

  private call(method: PeerMethod, body: Uint8Array): OutgoingCall {
    return {
      path: methodPath(PeerServiceDefinition, method),
      body: asBuffer(body),
      headers: NO_HEADERS,
      deadlineMs: Date.now() + (this.options.answerMsMax ?? ANSWER_MS_MAX_DEFAULT),
    };
  }

  private channelTo(member: MemberId): ByteChannel {
    const address = this.options.addressOf(member);
    if (address === null) {
      throw new CallFailure(ErrorReason.UNKNOWN_MEMBER, `it is not known where ${member} is reached`);
    }
    return this.channels.to(address);
  }
}
