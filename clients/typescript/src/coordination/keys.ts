import { toBytes } from "#client/bytes";
import { invalidArgument } from "#client/errors";

/** What all keys of locks, elections, semaphores and barriers begin with. */
const ROOT = "_quorate";

/** How long a name may be, in bytes of UTF-8: written out in a key it may take three times as many. */
const NAME_BYTES_MAX = 512;

/** What a name can belong to. */
export type CoordinationKind = "lock" | "election" | "semaphore" | "barrier";

/**
 * What the keys of one lock (or the like) begin with. The name is written so that no other name's keys begin the same.
 *
 * @throws QuorateError INVALID_ARGUMENT for a name that is empty or too long
 */
export function prefixOf(kind: CoordinationKind, name: string): string {
  const { length } = toBytes(name);
  if (length === 0) throw invalidArgument(`the name of a ${kind} must not be empty`);
  if (length > NAME_BYTES_MAX) {
    throw invalidArgument(
      `the name of a ${kind} has ${length} bytes, more than the limit of ${NAME_BYTES_MAX}`,
    );
  }
  return `${ROOT}/${kind}/${encodeURIComponent(name)}/`;
}

/** The key of one who waits or holds: no two have the same, for no two have the same lease. */
export function placeKey(prefix: string, leaseId: bigint): string {
  return prefix + BigInt.asUintN(64, leaseId).toString(16).padStart(16, "0");
}
