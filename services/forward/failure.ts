import type { EndStatus } from "@quorate/proto/calling";
import {
  ErrorDetail,
  ErrorReason,
  type LeaderHint,
  type Outcome,
  Outcome as Outcomes,
} from "@quorate/proto/kv";
import { RpcStatus } from "@quorate/proto/rpc-status";
import { Status } from "nice-grpc-common";
import { cutDetails } from "#grpc";
import { type FailureRow, failureTable } from "./failure-table";

const DETAILS_KEY = "grpc-status-details-bin";
const DETAIL_TYPE_URL = "type.googleapis.com/quorate.kv.v1.ErrorDetail";

/** What a failure may know beyond its reason. */
export interface FailureExtras {
  /** Instead of the one in the table. */
  readonly outcome?: Outcome;
  readonly leader?: LeaderHint | undefined;
  readonly oldestRevision?: number;
  /** The failure that this one was made from, for the log. */
  readonly cause?: unknown;
}

/** A call that failed, with everything that its caller is told. Thrown by handlers, made from whatever crosses a border. */
export class CallFailure extends Error {
  override readonly name = "CallFailure";
  readonly reason: ErrorReason;
  readonly code: Status;
  readonly retryable: boolean;
  readonly outcome: Outcome;
  readonly leader: LeaderHint | undefined;
  readonly oldestRevision: number;
  /** The details as another node encoded them: passed on unchanged, with fields that this version may not know. */
  private received: Buffer | null = null;

  /** @param message a sentence for people that names the field and the limit; cut where it is longer than callers are told */
  constructor(reason: ErrorReason, message: string, extras: FailureExtras = {}) {
    super(cutDetails(message), extras.cause === undefined ? undefined : { cause: extras.cause });
    const row: FailureRow = failureTable[reason];
    this.reason = reason;
    this.code = row.code;
    this.retryable = row.retryable;
    this.outcome = extras.outcome ?? row.outcome;
    this.leader = extras.leader;
    this.oldestRevision = extras.oldestRevision ?? 0;
  }

  /** The failure that anything thrown stands for. What nobody expected is INTERNAL, and tells the caller no more. */
  static from(error: unknown): CallFailure {
    if (error instanceof CallFailure) return error;
    if (isGrpcFailure(error)) return CallFailure.fromStatus(statusIn(error));
    return new CallFailure(ErrorReason.INTERNAL, "the server failed; its log says more", { cause: error });
  }

  /** The failure that a gRPC status stands for: by its detail, or by its code where a layer below us made the status. */
  static fromStatus(received: EndStatus): CallFailure {
    const { code, details, statusDetails } = received;
    const failure = statusDetails === undefined ? null : CallFailure.fromDetails(details, statusDetails);
    if (failure !== null) return failure;
    if (received.isUntouched === true) return new CallFailure(ErrorReason.UNREACHABLE, details);
    const reason = wasReset(received)
      ? ErrorReason.CONNECTION_LOST
      : (reasonsOfBareCodes.get(code) ?? ErrorReason.INTERNAL);
    return new CallFailure(reason, details, { outcome: Outcomes.UNKNOWN });
  }

  /**
   * The failure of a call on a pipeline.
   *
   * @param code a gRPC status code but OK
   * @param details as the trailers of a call by itself have them; not kept, since they view the frame that they came in
   */
  static fromAnswer(code: number, message: string, details: Buffer): CallFailure {
    return CallFailure.fromStatus({ code, details: message, statusDetails: Buffer.from(details) });
  }

  private static fromDetails(message: string, details: Buffer): CallFailure | null {
    const detail = decodeDetail(details);
    if (detail === null) return null;
    const failure = new CallFailure(detail.reason, message, {
      outcome: detail.outcome,
      leader: detail.leader,
      oldestRevision: Number(detail.oldestRevision),
    });
    failure.received = details;
    return failure;
  }

  /** The same failure with another outcome. */
  withOutcome(outcome: Outcome): CallFailure {
    if (outcome === this.outcome) return this;
    const { leader, oldestRevision } = this;
    return new CallFailure(this.reason, this.message, { outcome, leader, oldestRevision, cause: this.cause });
  }

  /** Whether it speaks of every attempt at the call or of this one alone: see FailureRow. */
  get scope(): FailureRow["scope"] {
    return failureTable[this.reason].scope;
  }

  /** What goes into the trailers of the call. */
  toStatus(): Required<Omit<EndStatus, "isUntouched">> {
    return { code: this.code, details: this.message, statusDetails: this.statusDetails };
  }

  /** What programs are told: a google.rpc.Status with our detail. */
  get statusDetails(): Buffer {
    return this.received ?? this.encodeDetails();
  }

  private encodeDetails(): Buffer {
    const detail = ErrorDetail.encode({
      reason: this.reason,
      retryable: this.retryable,
      outcome: this.outcome,
      leader: this.leader,
      oldestRevision: BigInt(this.oldestRevision),
    }).finish();
    const encoded = RpcStatus.encode({
      code: this.code,
      message: this.message,
      details: [{ typeUrl: DETAIL_TYPE_URL, value: detail }],
    }).finish();
    return Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  }
}

/** A status without our detail was made by gRPC itself: in the other process or in this one, before or after sending. */
const reasonsOfBareCodes: ReadonlyMap<number, ErrorReason> = new Map([
  [Status.CANCELLED, ErrorReason.CANCELLED],
  [Status.DEADLINE_EXCEEDED, ErrorReason.DEADLINE_EXCEEDED],
  [Status.RESOURCE_EXHAUSTED, ErrorReason.TOO_LARGE],
  [Status.UNIMPLEMENTED, ErrorReason.UNIMPLEMENTED],
  [Status.UNAVAILABLE, ErrorReason.CONNECTION_LOST],
]);

/** A stream that the other process reset, as when it is cut at a shutdown, is reported with this text; by grpc-js, too. */
function wasReset({ code, details }: EndStatus): boolean {
  return (code === Status.CANCELLED || code === Status.INTERNAL) && details.includes("RST_STREAM");
}

function decodeDetail(details: Buffer): ErrorDetail | null {
  try {
    const any = RpcStatus.decode(details).details.find(({ typeUrl }) => typeUrl === DETAIL_TYPE_URL);
    if (any === undefined) return null;
    const detail = ErrorDetail.decode(any.value);
    return Object.hasOwn(failureTable, detail.reason) ? detail : null;
  } catch {
    // Whatever it is, it is not a detail of ours: the code alone speaks then.
    return null;
  }
}

/** What a call of grpc-js, or of something like it, fails with. */
interface GrpcFailure extends Error {
  readonly code: number;
  readonly details: string;
  readonly metadata?: { get(key: string): readonly unknown[] } | undefined;
}

function isGrpcFailure(error: unknown): error is GrpcFailure {
  return (
    error instanceof Error && typeof (error as Partial<GrpcFailure>).code === "number" && "details" in error
  );
}

function statusIn({ code, details, metadata }: GrpcFailure): EndStatus {
  const statusDetails = metadata?.get(DETAILS_KEY)[0];
  return Buffer.isBuffer(statusDetails) ? { code, details, statusDetails } : { code, details };
}
