import {
  type FetchRecordsRequest,
  type FetchRecordsResponse,
  type Hello,
  type VerificationBucketsRequest,
  VerificationBucketsResponse,
  type VerificationKeysRequest,
  type VerificationKeysResponse,
  type VerificationRequest,
  type VerificationResponse,
} from "@quorate/proto/raft";
import { Status } from "nice-grpc-common";
import { type Log, StreamSink } from "#forward";
import type { ServerCall } from "#grpc";
import type {
  BucketHash,
  KeyHash,
  KeySpaceRange,
  RecordsAnswer,
  RepairQuery,
  RootAnswer,
} from "#verification";
import type { MemberRegister, PeerIdentity } from "./greeting";
import { checkCaller, PeerRefusal } from "./peer-refusal";
import {
  bucketsToWire,
  keysToWire,
  rangeFromWire,
  recordsToWire,
  repairQueryFromWire,
  rootToWire,
} from "./verification-codec";

/** The part of a verifier that answers those of other members; see VerificationPeers for what each answer is. */
export interface AnsweringVerifier {
  answerRoot(round: number): RootAnswer | Promise<RootAnswer>;
  answerBuckets(round: number): readonly BucketHash[] | null | Promise<readonly BucketHash[] | null>;
  answerKeys(
    round: number,
    range: KeySpaceRange,
  ): readonly KeyHash[] | null | Promise<readonly KeyHash[] | null>;
  answerRecords(query: RepairQuery): RecordsAnswer | Promise<RecordsAnswer>;
}

export interface VerificationServerOptions {
  readonly own: PeerIdentity;
  readonly replica: Pick<MemberRegister, "membership" | "memberStore">;
  /** null or unset where replicas are not compared. Looked at when it is asked. */
  readonly verification?: AnsweringVerifier | null | undefined;
  readonly log: Log;
}

/** Buckets in one message, and about how many bytes of keys that they start at: far below the largest message. */
const BUCKETS_PER_MESSAGE = 1000;
const START_BYTES_PER_MESSAGE = 1024 * 1024;

interface Introduced {
  readonly hello?: Hello | undefined;
}

/** Answers the verifiers of other members. */
export class VerificationServer {
  constructor(private readonly options: VerificationServerOptions) {}

  root(request: VerificationRequest): Promise<VerificationResponse> {
    return this.answer(request, async (verifier) =>
      rootToWire(await verifier.answerRoot(Number(request.round))),
    );
  }

  keys(request: VerificationKeysRequest): Promise<VerificationKeysResponse> {
    return this.answer(request, async (verifier) =>
      keysToWire(await verifier.answerKeys(Number(request.round), rangeFromWire(request))),
    );
  }

  records(request: FetchRecordsRequest): Promise<FetchRecordsResponse> {
    return this.answer(request, async (verifier) => {
      const answer = await verifier.answerRecords(repairQueryFromWire(request));
      if (answer.kind !== "too_large") return recordsToWire(answer);
      throw new PeerRefusal(Status.RESOURCE_EXHAUSTED, "the records are too large together");
    });
  }

  /**
   * A round that is not known is a stream without messages; one without buckets has one empty message.
   *
   * @returns how to end it when nobody waits for it any more
   */
  buckets(request: VerificationBucketsRequest, call: ServerCall): () => void {
    const ending = new AbortController();
    this.sendBuckets(request, call, ending.signal).then(
      () => call.end(),
      (error: unknown) => call.fail(this.refusalOf(error, request).toStatus()),
    );
    return () => ending.abort();
  }

  private async sendBuckets(
    request: VerificationBucketsRequest,
    call: ServerCall,
    ending: AbortSignal,
  ): Promise<void> {
    const buckets = await this.verifierFor(request).answerBuckets(Number(request.round));
    if (buckets === null) return;
    const sink = new StreamSink(call, ending);
    for (const some of inMessages(buckets)) {
      await sink.write(VerificationBucketsResponse.encode(bucketsToWire(some)).finish());
    }
  }

  /** Rejects with a PeerRefusal. */
  private async answer<Response>(
    request: Introduced,
    handle: (verifier: AnsweringVerifier) => Promise<Response>,
  ): Promise<Response> {
    try {
      return await handle(this.verifierFor(request));
    } catch (error) {
      throw this.refusalOf(error, request);
    }
  }

  private verifierFor(request: Introduced): AnsweringVerifier {
    const { own, replica, verification } = this.options;
    checkCaller(request.hello, own, replica);
    if (verification != null) return verification;
    throw new PeerRefusal(Status.UNIMPLEMENTED, "replicas are not compared here");
  }

  private refusalOf(error: unknown, { hello }: Introduced): PeerRefusal {
    if (error instanceof PeerRefusal) return error;
    const peer = hello?.memberId ?? "";
    this.options.log.debug({ err: error, peer }, "a question of a peer's verifier was not answered");
    return new PeerRefusal(Status.UNAVAILABLE, error instanceof Error ? error.message : String(error));
  }
}

/** At least one message. */
function* inMessages(buckets: readonly BucketHash[]): Generator<readonly BucketHash[], void, undefined> {
  let from = 0;
  let bytes = 0;
  for (const [at, { start }] of buckets.entries()) {
    if (at - from >= BUCKETS_PER_MESSAGE || bytes >= START_BYTES_PER_MESSAGE) {
      yield buckets.slice(from, at);
      from = at;
      bytes = 0;
    }
    bytes += start.length;
  }
  yield buckets.slice(from);
}
