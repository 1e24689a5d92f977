import { Answers, type CallingConnection, type CallingStream } from "@quorate/proto/calling";
import { callerLeft } from "./call-failures";
import { CallFailure } from "./failure";
import { beginCall, type Cancelling, deadlineExceeded, deadlineOf, type OutgoingCall } from "./outgoing-call";

/** What sends the requests of a call: it begins at once. @returns what lets go of them at the end of the call */
export type SendRequests = (stream: CallingStream, onFailure: (thrown: unknown) => void) => () => void;

/**
 * The messages of a streamed answer, read no faster than they are taken. Throws CallFailures. Whoever stops taking them
 * leaves the call.
 */
export async function* streamedAnswers(
  connection: CallingConnection,
  call: OutgoingCall,
  cancelling: Cancelling,
  send: SendRequests,
): AsyncGenerator<Buffer, void, undefined> {
  const answers = new Answers((said) => CallFailure.fromStatus(said));
  const stream = beginCall(connection, call, answers);
  answers.begin(stream);
  const leave = (failure: CallFailure): void => {
    answers.fail(failure);
    stream.cancel();
  };
  const cancel = (): void => leave(callerLeft());
  cancelling.addEventListener("abort", cancel);
  const deadline = deadlineOf(call, () => leave(deadlineExceeded()));
  const stopSending = send(stream, (thrown) => leave(CallFailure.from(thrown)));
  try {
    for (let answer = await answers.next(); answer !== null; answer = await answers.next()) yield answer;
  } finally {
    deadline.stop();
    cancelling.removeEventListener("abort", cancel);
    stopSending();
    stream.cancel();
  }
}
