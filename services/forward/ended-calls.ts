import { ErrorReason } from "@quorate/proto/kv";
import { Status } from "nice-grpc-common";
import type { ByteCall } from "./call";
import { toldToCaller } from "./call-failures";
import type { CallFailure } from "./failure";
import type { Log } from "./log";
import type { MethodRoute } from "./routing";

/**
 * Told of each call of a public method when it ends.
 *
 * @param code a gRPC status code
 * @param elapsedMs from the arrival of its headers to the answer; of a stream, as long as it was open
 */
export type OnCallEnd = (method: MethodRoute, code: number, elapsedMs: number) => void;

/** Counts and logs how calls end, in whichever way they came. */
export class EndedCalls {
  private readonly log: Log;
  private readonly onEnd: OnCallEnd | undefined;

  constructor(log: Log, onEnd: OnCallEnd | undefined) {
    this.log = log;
    this.onEnd = onEnd;
  }

  answered({ method, arrivedMs }: ByteCall): void {
    this.onEnd?.(method, Status.OK, performance.now() - arrivedMs);
  }

  /** @returns the failure as the caller is told it */
  failed(call: ByteCall, failure: CallFailure): CallFailure {
    this.onEnd?.(call.method, failure.code, performance.now() - call.arrivedMs);
    switch (failure.reason) {
      case ErrorReason.MALFORMED_REQUEST:
      case ErrorReason.TOO_LARGE:
        this.log.info(fieldsOf(call, failure), `request refused: ${failure.message}`);
        break;
      case ErrorReason.CANCELLED:
        this.log.debug(fieldsOf(call, failure), "the caller left before the answer");
        break;
      case ErrorReason.INTERNAL:
      case ErrorReason.DATA_LOSS:
        this.log.error({ ...fieldsOf(call, failure), err: failure.cause ?? failure }, "call failed");
        break;
      default:
        break;
    }
    return toldToCaller(call, failure);
  }
}

function fieldsOf({ method, peer }: ByteCall, { reason }: CallFailure): object {
  return { method: method.path, peer, reason: ErrorReason[reason] };
}
