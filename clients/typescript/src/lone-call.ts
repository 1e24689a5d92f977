import type { CallingConnection } from "@quorate/proto/calling";
import { Status } from "nice-grpc-common";
import { failureOfStatus, QuorateError } from "./errors";
import type { OutgoingCall } from "./pipeline/outgoing-call";
import { failureOfEnd } from "./pipeline/stream-failure";
import { systemTiming } from "./timing";

/** The header grpc-timeout takes eight digits. */
const TIMEOUT_MS_MAX = 99_999_999;

/** Sends a call as gRPC's own unary one. @throws Error where the connection takes no more calls */
export function sendAlone(connection: CallingConnection, call: OutgoingCall): void {
  if (call.isOver) return;
  const leftMs = call.deadlineAtMs - systemTiming.nowMs();
  let answer: Buffer | null = null;
  const stream = connection.call(
    call.path,
    { ...call.metadata, "grpc-timeout": `${Math.min(TIMEOUT_MS_MAX, Math.max(1, Math.ceil(leftMs)))}m` },
    {
      message: (bytes) => {
        if (answer === null) answer = bytes;
        else leave(new QuorateError("more than one answer came", { code: "INTERNAL" }));
      },
      ended: (said) => {
        cancelAlarm();
        if (said.code !== Status.OK) call.fail(failureOfEnd(said));
        else if (answer === null) call.fail(new QuorateError("no answer came", { code: "INTERNAL" }));
        else call.answer(answer);
      },
    },
  );
  const leave = (failure: QuorateError): void => {
    cancelAlarm();
    stream.cancel();
    call.fail(failure);
  };
  // An open call holds the process by its stream.
  const cancelAlarm = systemTiming.schedule(
    Math.max(0, leftMs),
    () =>
      leave(
        failureOfStatus({
          code: Status.DEADLINE_EXCEEDED,
          message: "Deadline exceeded",
          statusDetails: undefined,
        }),
      ),
    "idle",
  );
  call.goOn({ giveUp: () => leave(new QuorateError("Cancelled on client", { code: "CANCELLED" })) });
  stream.end(call.body);
}
