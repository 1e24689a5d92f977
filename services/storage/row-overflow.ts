import { crc32 } from "node:zlib";
import { bytesEqual } from "#std";
import type { KeySpace } from "./key-hash";
import type { OverflowFile } from "./overflow-file";
import { PlaceIndex } from "./place-index";

/*
 * A row lies in the file as these words, little-endian, the bytes of its key, and its own.
 */
/** CRC-32 of all behind it. */
const CRC_AT = 0;
/** Where it is: so what lay there in an earlier round is never taken for it. */
const PLACE_AT = 4;
const NAMESPACE_AT = 8;
const GENERATION_AT = 12;
const KEY_BYTES_AT = 16;
const ROW_BYTES_AT = 20;
const HEADER_BYTES = 24;

/** A row that the cache has no more room for; its memory is the cache's. */
export interface EvictedRow {
  readonly hash: number;
  readonly namespaceId: number;
  readonly generation: number;
  readonly memory: Uint8Array;
  /** Of the key, with the row behind it. */
  readonly start: number;
  readonly keyBytes: number;
  readonly rowBytes: number;
}

/**
 * The newest rows that the cache had no more room for, as long as they are the newest: one read of a file that the system
 * has in memory finds one. Nothing is lost with it but time.
 */
export class RowOverflow {
  private readonly places: PlaceIndex;

  constructor(private readonly file: OverflowFile) {
    this.places = new PlaceIndex(file);
  }

  /** Keeps a row; not where it is here still. */
  add({ hash, namespaceId, generation, memory, start, keyBytes, rowBytes }: EvictedRow): void {
    if (this.file.isEnded) return;
    const known = this.places.get(hash);
    if (known !== 0 && !this.file.isGone(known)) return;
    const length = HEADER_BYTES + keyBytes + rowBytes;
    const room = this.file.append(length);
    if (room === null) return;
    const { place, memory: entry } = room;
    entry.writeUInt32LE(place, PLACE_AT);
    entry.writeUInt32LE(namespaceId, NAMESPACE_AT);
    entry.writeUInt32LE(generation, GENERATION_AT);
    entry.writeUInt32LE(keyBytes, KEY_BYTES_AT);
    entry.writeUInt32LE(rowBytes, ROW_BYTES_AT);
    entry.set(memory.subarray(start, start + keyBytes + rowBytes), HEADER_BYTES);
    entry.writeUInt32LE(crc32(entry.subarray(PLACE_AT)), CRC_AT);
    this.places.set(hash, place);
  }

  /** The row of a key, in memory that the next call uses again; null where it is not here. */
  find(hash: number, { namespaceId, generation }: KeySpace, key: Uint8Array): Uint8Array | null {
    const place = this.places.get(hash);
    if (place === 0) return null;
    const bytes = this.file.read(place, lengthOf);
    if (bytes === null || bytes.length < HEADER_BYTES || bytes.readUInt32LE(PLACE_AT) !== place) return null;
    if (bytes.readUInt32LE(KEY_BYTES_AT) !== key.length) return null;
    if (bytes.readUInt32LE(NAMESPACE_AT) !== namespaceId) return null;
    if (bytes.readUInt32LE(GENERATION_AT) !== generation) return null;
    const end = lengthOf(bytes);
    const rowStart = HEADER_BYTES + key.length;
    if (end > bytes.length || !bytesEqual(bytes.subarray(HEADER_BYTES, rowStart), key)) return null;
    if (crc32(bytes.subarray(PLACE_AT, end)) !== bytes.readUInt32LE(CRC_AT)) return null;
    return bytes.subarray(rowStart, end);
  }

  /** Of a key that is changed; of another one with its hash too, maybe. */
  delete(hash: number): void {
    this.places.delete(hash);
  }

  close(): Promise<void> {
    this.places.clear();
    return this.file.close();
  }
}

/** Of an entry, by its header. */
function lengthOf(bytes: Buffer): number {
  if (bytes.length < HEADER_BYTES) return HEADER_BYTES;
  return HEADER_BYTES + bytes.readUInt32LE(KEY_BYTES_AT) + bytes.readUInt32LE(ROW_BYTES_AT);
}
