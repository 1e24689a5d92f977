import { CallFailure, REQUEST_ID_KEY } from "#forward";
import type { WriteId } from "#kv";
import { invalid } from "./request-fields";

const SHAPE = /^([1-9]\d{0,15})\/([1-9]\d{0,15})\/([1-9]\d{0,15})(?:\/(0|[1-9]\d{0,15}))?$/;

/** The request id of a write, or null when it is empty. Throws INVALID_ARGUMENT when it is malformed. */
export function requestIdOf(text: string): WriteId | null {
  if (text === "") return null;
  const parts = SHAPE.exec(text);
  if (parts === null) {
    throw invalid(
      `${REQUEST_ID_KEY} must be CLIENT_ID/SEQUENCE/FIRST_UNANSWERED, three whole numbers from 1, or that and /FOLLOWS, one from 0`,
    );
  }
  const clientId = Number(parts[1]);
  const sequence = Number(parts[2]);
  const firstUnanswered = Number(parts[3]);
  if (!Number.isSafeInteger(clientId) || !Number.isSafeInteger(sequence)) {
    throw invalid(`${REQUEST_ID_KEY} has a number above ${Number.MAX_SAFE_INTEGER}`);
  }
  if (firstUnanswered > sequence) {
    throw invalid(`${REQUEST_ID_KEY} has a first unanswered sequence above its own sequence`);
  }
  if (parts[4] === undefined) return { clientId, sequence, firstUnanswered };
  const follows = Number(parts[4]);
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
