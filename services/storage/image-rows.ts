import { crc32 } from "node:zlib";
import { type ImageChunk, ImageDamaged, type ImageHeader } from "#replica";
import { EMPTY_BYTES } from "#std";
import { checkedValue, RecordWriter } from "./record-writer";
import { headKey, kindOfKey, NEWEST_PREFIX_BYTES } from "./state-layout";
import { readHead, type StateHead } from "./state-records";
import { isPut } from "./version-records";

/*
 * An image is the rows of the state's database as they lie there, the head first: length of the key and of the value as
 * varints of seven bits a byte, the key, the value with its checksum. A position is how many rows there are up to it
 * (u64) and the last key, so that a chunk that is left out or doubled is seen whatever its rows hold.
 */

export const LEVEL_IMAGE_FORMAT = "level-7";

export type ImageRow = readonly [key: Uint8Array, value: Uint8Array];

const COUNT_BYTES = 8;

export function positionOf(rowCount: number, lastKey: Uint8Array): Uint8Array {
  const position = Buffer.alloc(COUNT_BYTES + lastKey.length);
  position.writeBigUInt64BE(BigInt(rowCount));
  position.set(lastKey, COUNT_BYTES);
  return position;
}

/** @throws ImageDamaged for a position that is none of this format */
export function readPosition(position: Uint8Array): {
  readonly rowCount: number;
  readonly lastKey: Uint8Array;
} {
  if (position.length <= COUNT_BYTES) throw new ImageDamaged("a position is none of this format");
  const view = Buffer.from(position.buffer, position.byteOffset, position.byteLength);
  return { rowCount: Number(view.readBigUInt64BE()), lastKey: new Uint8Array(view.subarray(COUNT_BYTES)) };
}

/** What a row takes in a chunk. */
export function rowBytes([key, value]: ImageRow): number {
  return varintBytes(key.length) + varintBytes(value.length) + key.length + value.length;
}

export function chunkOf(
  rows: readonly ImageRow[],
  end: { readonly position: Uint8Array; readonly isLast: boolean },
): ImageChunk {
  let bytes = 0;
  for (const row of rows) bytes += rowBytes(row);
  const data = new Uint8Array(bytes);
  let at = 0;
  for (const [key, value] of rows) {
    at = putVarint(data, at, key.length);
    at = putVarint(data, at, value.length);
    data.set(key, at);
    data.set(value, at + key.length);
    at += key.length + value.length;
  }
  return { ...end, data, checksum: crc32(data) };
}

/** What an image that was read whole holds. */
export interface ImageCounts {
  readonly rows: number;
  readonly bytes: number;
  /** Keys that are there now, of all namespaces. */
  readonly keys: number;
}

/** Reads an image chunk by chunk and checks all of it: nothing is damaged, left out, doubled or out of order. */
export class ImageReader {
  private rowCount = 0;
  private byteCount = 0;
  private lastPosition: Uint8Array | null = null;
  private lastKey: Uint8Array = new Uint8Array(0);
  private foundHead: StateHead | null = null;
  private isWhole = false;
  /** Of each generation of a namespace, by the bytes that name it: the keys that are there. */
  private readonly keyCounts = new Map<string, number>();
  private space: { readonly prefix: Uint8Array; readonly name: string; keys: number } | null = null;

  /** @throws ImageDamaged where the image is of another format */
  constructor(readonly header: ImageHeader) {
    if (header.format === LEVEL_IMAGE_FORMAT) return;
    throw new ImageDamaged(`its format is ${header.format}, and this version reads ${LEVEL_IMAGE_FORMAT}`);
  }

  get position(): Uint8Array | null {
    return this.lastPosition;
  }

  get counts(): ImageCounts {
    let keys = this.space?.keys ?? 0;
    for (const count of this.keyCounts.values()) keys += count;
    return { rows: this.rowCount, bytes: this.byteCount, keys };
  }

  /**
   * The rows of the next chunk, all but the head. Changes nothing where it throws.
   *
   * @throws ImageDamaged
   */
  take(chunk: ImageChunk): readonly ImageRow[] {
    if (this.isWhole) throw new ImageDamaged("it goes on after its last chunk");
    if (crc32(chunk.data) !== chunk.checksum)
      throw new ImageDamaged("the checksum of a chunk does not match");
    const rows = rowsIn(chunk.data);
    const { rowCount } = readPosition(chunk.position);
    if (rowCount !== this.rowCount + rows.length) {
      throw new ImageDamaged("a chunk does not follow on the one before");
    }
    const head = this.checkRows(rows);
    this.foundHead ??= head;
    this.rowCount = rowCount;
    this.byteCount += chunk.data.length;
    this.lastKey = rows.at(-1)?.[0] ?? this.lastKey;
    this.lastPosition = chunk.position;
    this.isWhole = chunk.isLast;
    const taken = head === null ? rows : rows.slice(1);
    for (const row of taken) this.countKey(row);
    return taken;
  }

  /** @throws ImageDamaged where the last chunk has not come */
  head(): StateHead {
    if (!this.isWhole || this.foundHead === null) throw new ImageDamaged("its end is missing");
    return this.foundHead;
  }

  /** How many keys are there of the present generation of a namespace. */
  keysOf(namespaceId: number, generation: number): number {
    const prefix = Buffer.alloc(COUNT_BYTES);
    prefix.writeUInt32BE(namespaceId, 0);
    prefix.writeUInt32BE(generation, 4);
    const name = prefix.toString("latin1");
    return (this.keyCounts.get(name) ?? 0) + (this.space?.name === name ? this.space.keys : 0);
  }

  /** Returns the head where it is among them. */
  private checkRows(rows: readonly ImageRow[]): StateHead | null {
    let head: StateHead | null = null;
    let before = positionInOrder(this.lastKey);
    for (const [key, stored] of rows) {
      const kind = kindOfKey(key);
      if (kind === null || kind === "batch") throw new ImageDamaged("a row is of no kind that an image has");
      const isInOrder =
        kind === "head" ? this.rowCount === 0 && head === null && before.length === 0 : isBefore(before, key);
      if (!isInOrder) throw new ImageDamaged("its rows are not in order");
      const value = checkedValue(key, stored);
      if (value === null) throw new ImageDamaged("the checksum of a row does not match");
      if (kind === "head") head = this.checkHead(readHead(value));
      before = positionInOrder(key);
    }
    if (this.foundHead === null && rows.length > 0 && head === null)
      throw new ImageDamaged("its head is missing");
    return head;
  }

  private checkHead(head: StateHead): StateHead {
    const { applied, revision } = this.header;
    const isSame =
      head.applied.term === applied.term &&
      head.applied.index === applied.index &&
      head.meta.revision === revision;
    if (!isSame) throw new ImageDamaged("it is of another entry than its header says");
    return head;
  }

  private countKey([key, stored]: ImageRow): void {
    if (kindOfKey(key) !== "newest" || !isPut(stored)) return;
    const prefix = key.subarray(1, NEWEST_PREFIX_BYTES);
    if (this.space !== null && Buffer.compare(this.space.prefix, prefix) === 0) {
      this.space.keys += 1;
      return;
    }
    // The rows of a generation lie together.
    if (this.space !== null) this.keyCounts.set(this.space.name, this.space.keys);
    const name = Buffer.from(prefix).toString("latin1");
    this.space = { prefix: new Uint8Array(prefix), name, keys: 1 };
  }
}

/** What reading a whole image found out. */
export interface ImageSummary extends ImageCounts {
  readonly header: ImageHeader;
}

/**
 * Reads an image to its end without making anything of it.
 *
 * @throws ImageDamaged, or what the chunks throw
 */
export async function verifyImageRows(
  header: ImageHeader,
  chunks: AsyncIterable<ImageChunk>,
): Promise<ImageSummary> {
  const reader = new ImageReader(header);
  for await (const chunk of chunks) reader.take(chunk);
  reader.head();
  return { header, ...reader.counts };
}

/** The head as it is written into an image's place: batches are numbered anew there. */
export function headOfImage(head: StateHead): StateHead {
  return { ...head, batchNumber: 0, checkpointNumber: 0 };
}

/** The head comes before all others, wherever its key sorts. */
function positionInOrder(key: Uint8Array): Uint8Array {
  return kindOfKey(key) === "head" ? EMPTY_BYTES : key;
}

function isBefore(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) < 0;
}

/** The key that an image begins with. */
export const HEAD_KEY: Uint8Array = headKey(new RecordWriter()).takeKey();

function rowsIn(data: Uint8Array): readonly ImageRow[] {
  const rows: ImageRow[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let weight = 1; weight < 2 ** 35; weight *= 0x80) {
      const byte = data[at] ?? 0;
      at += 1;
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) return value;
    }
    throw new ImageDamaged("a row has an impossible length");
  };
  while (at < data.length) {
    const keyBytes = varint();
    const valueBytes = varint();
    if (keyBytes === 0 || at + keyBytes + valueBytes > data.length) {
      throw new ImageDamaged("a row does not fit into its chunk");
    }
    const valueAt = at + keyBytes;
    rows.push([data.subarray(at, valueAt), data.subarray(valueAt, valueAt + valueBytes)]);
    at = valueAt + valueBytes;
  }
  return rows;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}

function putVarint(data: Uint8Array, from: number, value: number): number {
  let at = from;
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
    data[at] = (rest % 0x80) | 0x80;
    at += 1;
  }
  data[at] = rest;
  return at + 1;
}
