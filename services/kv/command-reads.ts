import type { DeleteRange } from "@quorate/proto/log";
import { type KeyRange, rangeIsEmpty } from "./key-range";
import type { LeaseTable } from "./lease-table";
import type { Namespace } from "./namespace";
import type { CommandReads, KeyRead, RangeRead } from "./view";

/*
 * What the operations need of the store, each as far as it can be told before its batch.
 */

export const NO_READS: CommandReads = { keys: [], ranges: [], startsBatch: false, endsBatch: false };
/** Shared, for a command that reads a key comes with each put. */
const NO_RANGES: readonly RangeRead[] = [];

export function keyReads(namespace: Namespace, key: Uint8Array, withValue: boolean): CommandReads {
  const { id: namespaceId, generation } = namespace;
  return {
    keys: [{ namespaceId, generation, key, withValue }],
    ranges: NO_RANGES,
    startsBatch: false,
    endsBatch: false,
  };
}

export function deleteRangeReads(namespace: Namespace, deletion: DeleteRange): CommandReads {
  const range = rangeOf(deletion);
  if (rangeIsEmpty(range)) return NO_READS;
  const { id: namespaceId, generation } = namespace;
  // One more than is allowed tells a range that is too large.
  const limit = Number(deletion.keysMax) + 1;
  return {
    keys: [],
    ranges: [
      {
        namespaceId,
        generation,
        ...range,
        limit,
        keyBytesMax: Number.POSITIVE_INFINITY,
        withValues: false,
        valueBytesMax: 0,
      },
    ],
    startsBatch: true,
    endsBatch: false,
  };
}

/** A key that is attached within the batch is written in it, so it need not be read. */
export function leaseReads(leases: LeaseTable, leaseIds: readonly number[]): readonly KeyRead[] {
  return leaseIds.flatMap((leaseId) =>
    leases
      .keys(leaseId)
      .map(({ namespaceId, generation, key }) => ({ namespaceId, generation, key, withValue: false })),
  );
}

/** The range of an operation whose empty end says that there is none. */
export function rangeOf(operation: { readonly start: Uint8Array; readonly end: Uint8Array }): KeyRange {
  return { start: operation.start, end: operation.end.length === 0 ? null : operation.end };
}
