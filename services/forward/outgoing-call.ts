import type { CallingConnection, CallingListener, CallingStream } from "@quorate/proto/calling";
import { ErrorReason } from "@quorate/proto/kv";
import { timeoutText } from "#grpc";
import type { CallHeaders } from "./call-headers";
import { DeadlineTimer } from "./deadline-timer";
import { CallFailure } from "./failure";
import { FORWARD_KEY, HOPS_KEY, MEMBER_KEY, REQUEST_ID_KEY, TRACEPARENT_KEY } from "./routing";

/** A call to pass on. */
export interface OutgoingCall {
  /** Such as "/quorate.kv.v1.KvService/Put". */
  readonly path: string;
  /** Empty where the requests are a stream. */
  readonly body: Uint8Array;
  readonly headers: CallHeaders;
  /** As Date.now() counts. */
  readonly deadlineMs: number;
}

/** Whoever waits for the end of a unary call; told once. Neither may throw. */
export interface AnswerTaker {
  answered(body: Buffer): void;
  failed(failure: CallFailure): void;
}

/** The part of an AbortSignal that a call needs. */
export interface Cancelling {
  readonly aborted: boolean;
  addEventListener(type: "abort", run: () => void): void;
  removeEventListener(type: "abort", run: () => void): void;
}

/** Begins a call that goes by itself. @throws CallFailure UNREACHABLE where the connection takes no more */
export function beginCall(
  connection: CallingConnection,
  call: OutgoingCall,
  listener: CallingListener,
): CallingStream {
  return openStream(connection, call.path, headersOf(call), listener);
}

/** @throws CallFailure UNREACHABLE where the connection takes no more calls */
export function openStream(
  connection: CallingConnection,
  path: string,
  headers: Readonly<Record<string, string>>,
  listener: CallingListener,
): CallingStream {
  try {
    return connection.call(path, headers, listener);
  } catch (error) {
    const why = (error as Error).message;
    throw new CallFailure(
      ErrorReason.UNREACHABLE,
      `the connection was lost before the call was sent: ${why}`,
      {
        cause: error,
      },
    );
  }
}

/** @param onDue called once, when the deadline has passed, unless it is stopped before */
export function deadlineOf({ deadlineMs }: OutgoingCall, onDue: () => void): DeadlineTimer {
  // Timers may run a little early, and none waits longer than some weeks.
  const timer = new DeadlineTimer((nowMs) => {
    if (nowMs >= deadlineMs) onDue();
    else timer.watch(deadlineMs);
  });
  timer.watch(deadlineMs);
  return timer;
}

export function deadlineExceeded(): CallFailure {
  return new CallFailure(ErrorReason.DEADLINE_EXCEEDED, "the deadline passed before the answer");
}

function headersOf({ headers, deadlineMs }: OutgoingCall): Readonly<Record<string, string>> {
  const { requestId, forward, member, hops, traceparent } = headers;
  const said: Record<string, string> = {};
  const say = (name: string, text: string): void => {
    if (text === "") return;
    if (!isHeaderText(text)) {
      throw new CallFailure(ErrorReason.INVALID_ARGUMENT, `${name} is not of printable ASCII characters`);
    }
    said[name] = text;
  };
  say(REQUEST_ID_KEY, requestId);
  say(FORWARD_KEY, forward);
  say(MEMBER_KEY, member);
  say(TRACEPARENT_KEY, traceparent);
  if (hops > 0) said[HOPS_KEY] = String(hops);
  if (deadlineMs !== Number.POSITIVE_INFINITY) said["grpc-timeout"] = timeoutText(deadlineMs - Date.now());
  return said;
}

/** What comes in the frame of a pipeline may be any text. */
function isHeaderText(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}
