import type { CallingConnection } from "@quorate/proto/calling";
import { ErrorReason } from "@quorate/proto/kv";
import { Status } from "nice-grpc-common";
import { callerLeft } from "./call-failures";
import { CallFailure } from "./failure";
import {
  type AnswerTaker,
  beginCall,
  type Cancelling,
  deadlineExceeded,
  deadlineOf,
  type OutgoingCall,
} from "./outgoing-call";

/** Sends a call as gRPC's own unary one. @throws CallFailure where the connection takes no more calls */
export function sendAlone(
  connection: CallingConnection,
  call: OutgoingCall,
  cancelling: Cancelling,
  taker: AnswerTaker,
): void {
  let answer: Buffer | null = null;
  const stream = beginCall(connection, call, {
    message: (bytes) => {
      if (answer === null) answer = bytes;
      else leave(new CallFailure(ErrorReason.INTERNAL, "more than one answer came"));
    },
    ended: (said) => {
      stopWaiting();
      if (said.code !== Status.OK) taker.failed(CallFailure.fromStatus(said));
      else if (answer === null) taker.failed(new CallFailure(ErrorReason.INTERNAL, "no answer came"));
      else taker.answered(answer);
    },
  });
  const leave = (failure: CallFailure): void => {
    stopWaiting();
    stream.cancel();
    taker.failed(failure);
  };
  const cancel = (): void => leave(callerLeft());
  const deadline = deadlineOf(call, () => leave(deadlineExceeded()));
  const stopWaiting = (): void => {
    deadline.stop();
    cancelling.removeEventListener("abort", cancel);
  };
  cancelling.addEventListener("abort", cancel);
  stream.end(call.body);
}
