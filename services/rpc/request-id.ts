import { CallFailure, REQUEST_ID_KEY } from "#forward";
import type { WriteId } from "#kv";
import { invalid } from "./request-fields";

/** Of one number of a request id. */
const DIGITS_MAX = 16;
const ZERO = 0x30;

/** The request id of a write, or null when it is empty. Throws INVALID_ARGUMENT when it is malformed. */
export function requestIdOf(text: string): WriteId | null {
  if (text === "") return null;
  const clientIdEnd = numberEnd(text, 0);
  const sequenceEnd = numberEnd(text, clientIdEnd + 1);
  const firstUnansweredEnd = numberEnd(text, sequenceEnd + 1);
  const clientId = numberIn(text, 0, clientIdEnd);
  const sequence = numberIn(text, clientIdEnd + 1, sequenceEnd);
  const firstUnanswered = numberIn(text, sequenceEnd + 1, firstUnansweredEnd);
  const hasFollows = firstUnansweredEnd < text.length;
  const follows = hasFollows ? numberIn(text, firstUnansweredEnd + 1, text.length) : 0;
  // None of them is 0, or not a number.
  if (!(clientId > 0 && sequence > 0 && firstUnanswered > 0 && follows >= 0)) {
    throw invalid(
      `${REQUEST_ID_KEY} must be CLIENT_ID/SEQUENCE/FIRST_UNANSWERED, three whole numbers from 1, or that and /FOLLOWS, one from 0`,
    );
  }
  if (!Number.isSafeInteger(clientId) || !Number.isSafeInteger(sequence)) {
    throw invalid(`${REQUEST_ID_KEY} has a number above ${Number.MAX_SAFE_INTEGER}`);
  }
  if (firstUnanswered > sequence) {
    throw invalid(`${REQUEST_ID_KEY} has a first unanswered sequence above its own sequence`);
  }
  if (!hasFollows) return { clientId, sequence, firstUnanswered };
  if (follows >= sequence) {
    throw invalid(`${REQUEST_ID_KEY} follows a sequence that is not below its own`);
  }
  return { clientId, sequence, firstUnanswered, follows };
}

/** The same, null as well where it is malformed. */
export function wellFormedRequestId(text: string): WriteId | null {
  try {
    return requestIdOf(text);
  } catch (error) {
    if (error instanceof CallFailure) return null;
    throw error;
  }
}

/** Where the part that begins there ends: at the next slash, or with the text. */
function numberEnd(text: string, start: number): number {
  const end = text.indexOf("/", start);
  return end < 0 ? text.length : end;
}

/** NaN for what is not a whole number in its shortest form. */
function numberIn(text: string, start: number, end: number): number {
  const length = end - start;
  if (length < 1 || length > DIGITS_MAX) return Number.NaN;
  let number = 0;
  for (let at = start; at < end; at += 1) {
    const digit = text.charCodeAt(at) - ZERO;
    if (!(digit >= 0 && digit <= 9) || (digit === 0 && at === start && length > 1)) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}
