import { encodeScanResponse, ScanRequest } from "@quorate/proto/kv";
import type { ByteCall, ByteSink } from "#forward";
import { type KeyRange, rangeIsEmpty, type StoredRecord } from "#kv";
import { compareBytes, EMPTY_BYTES } from "#std";
import { plainHeader } from "./header";
import { decodeRequest } from "./method";
import type { NodeContext } from "./node-context";
import { isStateReplaced } from "./outcome-failures";
import { placeOf, RECORD_OVERHEAD_BYTES, readPoint } from "./read-methods";
import { checkCount, checkRange, invalid } from "./request-fields";

/**
 * A part of the answer is sent once it holds this much: the first parts early, so that the caller works on them while the next
 * are made, and later ones less often. It is the memory that a scan takes, with one record more.
 */
const PART_BYTES_FIRST = 128 * 1024;
const PART_BYTES_LAST = 256 * 1024;
const CURSOR_VERSION = 1;

/** Streams a range in key order at one revision, no faster than the caller takes it. */
export async function scan(node: NodeContext, call: ByteCall, sink: ByteSink): Promise<void> {
  const request = decodeRequest(ScanRequest, call.body);
  const limit = checkCount(request.limit, "limit") || Number.POSITIVE_INFINITY;
  const range = afterCursor(checkRange(request, node.limits), request, node.limits.keyBytesMax);
  const point = await readPoint(node, request, call);
  const header = plainHeader(node, point.term, point.revision);
  const { reverse, keysOnly } = request;

  const send = (records: readonly StoredRecord[], nextCursor: Uint8Array | null): Promise<void> =>
    sink.write(
      encodeScanResponse({
        header,
        records,
        more: nextCursor !== null,
        nextCursor: nextCursor ?? EMPTY_BYTES,
      }),
    );
  // One record past the limit shows that there is more.
  const query = { ...placeOf(point), ...range, reverse, keysOnly, recordsWanted: limit + 1 };

  let part: StoredRecord[] = [];
  let partBytes = 0;
  let partBytesMin = PART_BYTES_FIRST;
  let count = 0;
  let lastKey: Uint8Array = EMPTY_BYTES;
  if (rangeIsEmpty(range)) return send(part, null);
  try {
    for await (const chunk of node.replica.state.scan(query)) {
      for (const record of chunk) {
        if (count === limit) return await send(part, cursorAfter(lastKey));
        if (partBytes >= partBytesMin) {
          await send(part, null);
          part = [];
          partBytes = 0;
          partBytesMin = Math.min(partBytesMin * 2, PART_BYTES_LAST);
        }
        part.push(record);
        partBytes += record.key.length + record.value.length + RECORD_OVERHEAD_BYTES;
        count += 1;
        lastKey = record.key;
      }
    }
  } catch (error) {
    // What was read is good, and the rest is in the state that took the place of this one.
    if (isStateReplaced(error) && count > 0) await send(part, cursorAfter(lastKey));
    throw error;
  }
  return send(part, null);
}

/** A cursor is the place behind the last key that was sent, and nothing else: it stays good across nodes and restarts. */
export function cursorAfter(lastKey: Uint8Array): Uint8Array {
  const cursor = new Uint8Array(lastKey.length + 1);
  cursor[0] = CURSOR_VERSION;
  cursor.set(lastKey, 1);
  return cursor;
}

/** What of the range lies behind the cursor in the direction of the scan. */
function afterCursor(
  range: KeyRange,
  { cursor, reverse }: { readonly cursor: Uint8Array; readonly reverse: boolean },
  keyBytesMax: number,
): KeyRange {
  if (cursor.length === 0) return range;
  if (cursor[0] !== CURSOR_VERSION || cursor.length < 2 || cursor.length > keyBytesMax + 1) {
    throw invalid("cursor is not the next_cursor of an earlier Scan");
  }
  const key = cursor.subarray(1);
  if (reverse) {
    const isWithin = range.end === null || compareBytes(key, range.end) < 0;
    return isWithin ? { start: range.start, end: key } : range;
  }
  const successor = new Uint8Array(key.length + 1);
  successor.set(key);
  return compareBytes(successor, range.start) > 0 ? { start: successor, end: range.end } : range;
}
