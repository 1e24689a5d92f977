import type { CallingConnection } from "@quorate/proto/calling";
import { ErrorReason } from "@quorate/proto/kv";
import { Status } from "nice-grpc-common";
import { callerLeft } from "./call-failures";
import { CallFailure } from "./failure";
import { beginCall, type Cancelling, deadlineExceeded, deadlineOf, type OutgoingCall } from "./outgoing-call";

/** Sends a call as gRPC's own unary one. Rejects with CallFailures. */
export function callAlone(
  connection: CallingConnection,
  call: OutgoingCall,
  cancelling: Cancelling,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let answer: Buffer | null = null;
    const stream = beginCall(connection, call, {
      message: (bytes) => {
        answer = bytes;
      },
      ended: (said) => {
        stopWaiting();
        if (said.code !== Status.OK) reject(CallFailure.fromStatus(said));
        else if (answer === null) reject(new CallFailure(ErrorReason.INTERNAL, "no answer came"));
        else resolve(answer);
      },
    });
    const leave = (failure: CallFailure): void => {
      stopWaiting();
      stream.cancel();
      reject(failure);
    };
    const cancel = (): void => leave(callerLeft());
    const deadline = deadlineOf(call, () => leave(deadlineExceeded()));
    const stopWaiting = (): void => {
      deadline.stop();
      cancelling.removeEventListener("abort", cancel);
    };
    cancelling.addEventListener("abort", cancel);
    stream.end(call.body);
  });
}
