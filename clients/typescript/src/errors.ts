import { type ErrorDetail, ErrorReason, Outcome } from "@quorate/proto/kv";
import { Status } from "nice-grpc-common";
import { decodeErrorDetail, statusDetailsOf } from "./error-detail";

/** The name of a gRPC status code, such as "UNAVAILABLE". */
export type StatusName = keyof typeof Status;

/** Why a call failed: the names of `quorate.kv.v1.ErrorReason`; "UNSPECIFIED" where no server said so. */
export type Reason = keyof typeof ErrorReason;

/** What is known of a write that failed; null for reads. */
export type WriteOutcome = "not_applied" | "unknown" | null;

/** What a {@link QuorateError} says besides its message. */
export interface QuorateErrorFields {
  readonly code: StatusName;
  readonly reason?: Reason;
  readonly retryable?: boolean;
  readonly outcome?: WriteOutcome;
  readonly leader?: { readonly memberId: string; readonly address: string } | null;
  readonly oldestRevision?: number | null;
  readonly cause?: unknown;
}

/** The one error that calls of the client fail with. */
export class QuorateError extends Error {
  override readonly name = "QuorateError";
  /** The gRPC status code, by name. */
  readonly code: StatusName;
  /** Why, more exactly than the code. */
  readonly reason: Reason;
  /** Whether the same call may succeed later without a change. The client has already repeated it until its deadline. */
  readonly retryable: boolean;
  /** For a write: "not_applied" when nothing was and will be changed, "unknown" when it may have been or may yet be. */
  readonly outcome: WriteOutcome;
  /** The leader, where one is known and the call should have gone to it. */
  readonly leader: { readonly memberId: string; readonly address: string } | null;
  /** The oldest revision that can be read, where an older one was asked for. */
  readonly oldestRevision: number | null;

  constructor(message: string, fields: QuorateErrorFields) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.code = fields.code;
    this.reason = fields.reason ?? "UNSPECIFIED";
    this.retryable = fields.retryable ?? false;
    this.outcome = fields.outcome ?? null;
    this.leader = fields.leader ?? null;
    this.oldestRevision = fields.oldestRevision ?? null;
  }

  /**
   * Any thrown value as a QuorateError: one of ours is returned as it is, a failed gRPC call (of grpc-js or nice-grpc)
   * is taken apart with the detail in its trailer, anything else becomes code UNKNOWN with the value as its cause.
   */
  static from(thrown: unknown): QuorateError {
    if (thrown instanceof QuorateError) return thrown;
    if (!isGrpcFailure(thrown)) {
      const message = thrown instanceof Error ? thrown.message : String(thrown);
      return new QuorateError(message, { code: "UNKNOWN", cause: thrown });
    }
    return failureOfStatus({
      code: thrown.code,
      message: thrown.details,
      statusDetails: statusDetailsOf(thrown),
      cause: thrown,
    });
  }

  /** The same failure with another word on what became of the write. */
  withOutcome(outcome: WriteOutcome): QuorateError {
    return outcome === this.outcome
      ? this
      : new QuorateError(this.message, { ...this, outcome, cause: this.cause });
  }
}

/** A gRPC status other than OK, as it arrives. */
export interface FailedStatus {
  readonly code: number;
  readonly message: string;
  /** An encoded google.rpc.Status; undefined or empty for none. */
  readonly statusDetails: Uint8Array | undefined;
  readonly cause?: unknown;
}

/** What a status says of a call, by its detail if it has one. */
export function failureOfStatus({ code: number, message, statusDetails, cause }: FailedStatus): QuorateError {
  const code = statusName(number);
  const detail = statusDetails === undefined ? null : decodeErrorDetail(statusDetails);
  if (detail !== null) return new QuorateError(message, { code, cause, ...fieldsOfDetail(detail) });
  const reason = code === "DEADLINE_EXCEEDED" ? code : "UNSPECIFIED";
  return new QuorateError(message, { code, reason, retryable: isTransportFault(code, message), cause });
}

/** The failure of an argument that the client refuses before anything is sent. */
export function invalidArgument(message: string, cause?: unknown): QuorateError {
  return new QuorateError(message, {
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    outcome: "not_applied",
    cause,
  });
}

interface GrpcFailure {
  readonly code: number;
  readonly details: string;
}

function isGrpcFailure(thrown: unknown): thrown is GrpcFailure {
  return (
    thrown instanceof Error &&
    typeof (thrown as Partial<GrpcFailure>).code === "number" &&
    typeof (thrown as Partial<GrpcFailure>).details === "string"
  );
}

function statusName(code: number): StatusName {
  return (Status[code] as StatusName | undefined) ?? "UNKNOWN";
}

/**
 * Whether a failure without a detail came from the way to the server rather than from the server's judgement. grpc-js
 * reports a stream that was reset (the process behind it died) as INTERNAL or CANCELLED with this text.
 */
function isTransportFault(code: StatusName, details: string): boolean {
  if (code === "UNAVAILABLE" || code === "DEADLINE_EXCEEDED") return true;
  return (code === "INTERNAL" || code === "CANCELLED") && details.includes("RST_STREAM");
}

const OUTCOME_OF = {
  [Outcome.UNSPECIFIED]: null,
  [Outcome.NOT_APPLIED]: "not_applied",
  [Outcome.UNKNOWN]: "unknown",
} as const satisfies Record<Outcome, WriteOutcome>;

/** A newer server may know reasons and outcomes that this client does not: the first say nothing, the second the least. */
function fieldsOfDetail(detail: ErrorDetail): Omit<QuorateErrorFields, "code"> {
  return {
    reason: (ErrorReason[detail.reason] as Reason | undefined) ?? "UNSPECIFIED",
    retryable: detail.retryable,
    outcome: detail.outcome in OUTCOME_OF ? OUTCOME_OF[detail.outcome] : "unknown",
    leader: detail.leader === undefined ? null : { ...detail.leader },
    oldestRevision: detail.oldestRevision === 0n ? null : Number(detail.oldestRevision),
  };
}
