import { type ServerUnaryCall, type ServerWritableStream, type sendUnaryData, status } from "@grpc/grpc-js";
import type {
  FetchRecordsRequest,
  FetchRecordsResponse,
  Hello,
  VerificationBucketsRequest,
  VerificationBucketsResponse,
  VerificationKeysRequest,
  VerificationKeysResponse,
  VerificationRequest,
  VerificationResponse,
} from "@quorate/proto/raft";
import { type Log, StreamSink } from "#forward";
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

  root(
    call: ServerUnaryCall<VerificationRequest, VerificationResponse>,
    callback: sendUnaryData<VerificationResponse>,
  ): void {
    this.answer(call, callback, async (verifier, { round }) =>
      rootToWire(await verifier.answerRoot(Number(round))),
    );
  }

  keys(
    call: ServerUnaryCall<VerificationKeysRequest, VerificationKeysResponse>,
    callback: sendUnaryData<VerificationKeysResponse>,
  ): void {
    this.answer(call, callback, async (verifier, request) =>
      keysToWire(await verifier.answerKeys(Number(request.round), rangeFromWire(request))),
    );
  }

  records(
    call: ServerUnaryCall<FetchRecordsRequest, FetchRecordsResponse>,
    callback: sendUnaryData<FetchRecordsResponse>,
  ): void {
    this.answer(call, callback, async (verifier, request) => {
      const answer = await verifier.answerRecords(repairQueryFromWire(request));
      if (answer.kind !== "too_large") return recordsToWire(answer);
      throw new PeerRefusal(status.RESOURCE_EXHAUSTED, "the records are too large together");
    });
  }

  /** A round that is not known is a stream without messages; one without buckets has one empty message. */
  buckets(stream: ServerWritableStream<VerificationBucketsRequest, VerificationBucketsResponse>): void {
    const ending = new AbortController();
    const end = (): void => ending.abort();
    stream.once("cancelled", end);
    stream.once("error", end);
    this.sendBuckets(stream, ending.signal).then(
      () => stream.end(),
      (error: unknown) => stream.emit("error", this.refusalOf(error, stream.request).toStatus()),
    );
  }

  private async sendBuckets(
    stream: ServerWritableStream<VerificationBucketsRequest, VerificationBucketsResponse>,
    ending: AbortSignal,
  ): Promise<void> {
    const buckets = await this.verifierFor(stream.request).answerBuckets(Number(stream.request.round));
    if (buckets === null) return;
    const sink = new StreamSink<VerificationBucketsResponse>(stream, ending);
    for (const some of inMessages(buckets)) await sink.write(bucketsToWire(some));
  }

  private answer<Request extends Introduced, Response>(
    call: ServerUnaryCall<Request, Response>,
    callback: sendUnaryData<Response>,
    handle: (verifier: AnsweringVerifier, request: Request) => Promise<Response>,
  ): void {
    const { request } = call;
    const answered = async (): Promise<Response> => handle(this.verifierFor(request), request);
    answered().then(
      (response) => callback(null, response),
      (error: unknown) => callback(this.refusalOf(error, request).toStatus()),
    );
  }

  private verifierFor(request: Introduced): AnsweringVerifier {
    const { own, replica, verification } = this.options;
    checkCaller(request.hello, own, replica);
    if (verification != null) return verification;
    throw new PeerRefusal(status.UNIMPLEMENTED, "replicas are not compared here");
  }

  private refusalOf(error: unknown, { hello }: Introduced): PeerRefusal {
    if (error instanceof PeerRefusal) return error;
    const peer = hello?.memberId ?? "";
    this.options.log.debug({ err: error, peer }, "a question of a peer's verifier was not answered");
    return new PeerRefusal(status.UNAVAILABLE, error instanceof Error ? error.message : String(error));
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
