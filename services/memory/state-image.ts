import { type ImageChunk, ImageDamaged, type ImageHeader } from "#replica";
import { hexDecode, hexEncode, utf8Decode, utf8Encode } from "#std";
import { crc32 } from "./crc32";
import type { StateContents, StateRow } from "./state-contents";

/** A chunk is the JSON of some rows; a position is how many rows there are up to it. */
export const MEMORY_IMAGE_FORMAT = "memory-1";

/** Few, so that images have borders in tests. */
const CHUNK_ROWS = 16;
const BYTES_MARK = "$bytes";

export function headerOf(contents: StateContents): ImageHeader {
  return { format: MEMORY_IMAGE_FORMAT, applied: contents.applied, revision: contents.revision };
}

/** @throws ImageDamaged for a position that is none of this format */
export function* imageChunks(contents: StateContents, after: Uint8Array | null): Generator<ImageChunk> {
  let rowCount = 0;
  const skipped = after === null ? 0 : countAt(after);
  let rows: StateRow[] = [];
  for (const row of contents.rows()) {
    if (rows.length === CHUNK_ROWS) {
      yield chunkOf(rows, rowCount, false);
      rows = [];
    }
    rowCount += 1;
    if (rowCount > skipped) rows.push(row);
  }
  yield chunkOf(rows, rowCount, true);
}

/**
 * The rows of the chunk that follows on so many rows.
 *
 * @throws ImageDamaged
 */
export function rowsOf(chunk: ImageChunk, rowsBefore: number): readonly StateRow[] {
  if (crc32(chunk.data) !== chunk.checksum) throw new ImageDamaged("the checksum of a chunk does not match");
  const rows = parsed(chunk.data);
  if (rows === null) throw new ImageDamaged("a chunk is not of rows");
  if (countAt(chunk.position) !== rowsBefore + rows.length) {
    throw new ImageDamaged("a chunk does not follow on the one before");
  }
  return rows;
}

function chunkOf(rows: readonly StateRow[], rowCount: number, isLast: boolean): ImageChunk {
  const text = JSON.stringify(rows, function (this: Record<string, unknown>, name, value: unknown) {
    // The value as it is held, for a Buffer turns into something else before it gets here.
    const held = this[name];
    return ArrayBuffer.isView(held) ? { [BYTES_MARK]: hexEncode(held as Uint8Array) } : value;
  });
  const data = utf8Encode(text);
  const position = utf8Encode(String(rowCount));
  return { position, data, checksum: crc32(data), isLast };
}

function parsed(data: Uint8Array): readonly StateRow[] | null {
  const text = utf8Decode(data);
  if (text === null) return null;
  return JSON.parse(text, (_, value: unknown) => {
    if (typeof value !== "object" || value === null) return value;
    const hex: unknown = Reflect.get(value, BYTES_MARK);
    return typeof hex === "string" ? hexDecode(hex) : value;
  }) as readonly StateRow[];
}

function countAt(position: Uint8Array): number {
  const count = Number(utf8Decode(position));
  if (!Number.isSafeInteger(count) || count < 1) throw new ImageDamaged("a position is none");
  return count;
}
