import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { maskedCrc32c } from "./crc32c";
import { LevelBytes, MalformedBytes } from "./leveldb-bytes";

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
const RECORD = { full: 1, first: 2, middle: 3, last: 4 } as const;
/** Fields of a version edit (db/version_edit.cc). */
const TAG = {
  comparator: 1,
  logNumber: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLog: 9,
} as const;

/**
 * The numbers of the table files that make up a LevelDB database: what its manifest adds and does not remove again.
 * Others in the directory are left from a compaction that a crash ended, and may be torn.
 */
export async function liveTables(databasePath: string): Promise<readonly number[]> {
  const current = (await readFile(join(databasePath, "CURRENT"), "utf8")).trim();
  if (!/^MANIFEST-[0-9]+$/.test(current)) throw new MalformedBytes("CURRENT names no manifest");
  const live = new Set<number>();
  for (const edit of records(await readFile(join(databasePath, current)))) applyEdit(live, edit);
  return [...live].sort((left, right) => left - right);
}

/** The records of a file in the format of LevelDB's logs, up to the first that is torn. */
function records(file: Uint8Array): readonly Uint8Array[] {
  const whole: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= file.length) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (left < HEADER_BYTES) {
      at += left;
      continue;
    }
    const header = new LevelBytes(file, at);
    const crc = header.u32();
    const length = header.u8() | (header.u8() << 8);
    const type = header.u8();
    const end = at + HEADER_BYTES + length;
    if (end > file.length || maskedCrc32c(file, at + HEADER_BYTES - 1, end) !== crc) break;
    const part = file.subarray(at + HEADER_BYTES, end);
    at = end;
    if (type === RECORD.full || type === RECORD.first) parts = [part];
    else parts.push(part);
    if (type === RECORD.full || type === RECORD.last) whole.push(Buffer.concat(parts));
  }
  return whole;
}

function applyEdit(live: Set<number>, edit: Uint8Array): void {
  const bytes = new LevelBytes(edit);
  while (!bytes.isAtEnd) {
    const tag = bytes.varint();
    switch (tag) {
      case TAG.comparator:
        bytes.skipSlice();
        break;
      case TAG.logNumber:
      case TAG.nextFile:
      case TAG.lastSequence:
      case TAG.previousLog:
        bytes.varint();
        break;
      case TAG.compactPointer:
        bytes.varint();
        bytes.skipSlice();
        break;
      case TAG.deletedFile:
        bytes.varint();
        live.delete(bytes.varint());
        break;
      case TAG.newFile:
        bytes.varint();
        live.add(bytes.varint());
        bytes.varint();
        bytes.skipSlice();
        bytes.skipSlice();
        break;
      default:
        throw new MalformedBytes(`the manifest has an unknown field ${tag}`);
    }
  }
}
