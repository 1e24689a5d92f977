import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { maskedCrc32c } from "./crc32c";
import { errorCode } from "./error-fields";

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
const RECORD = { full: 1, first: 2 } as const;

/**
 * Looks in the logs of a LevelDB database that is not open for a damaged record before an intact one. LevelDB takes the
 * first for a torn tail, and with it drops the rest of its block of 32 KiB (db/log_reader.cc): up to hundreds of batches
 * that were synced. Where the intact one was synced no crash can leave that: what was written before it is whole too. Only a
 * power failure in the midst of its sync could, where the later of two blocks came to the disk first.
 *
 * @param isSynced whether a record, of which the first bytes are given, was written with a sync
 * @returns what is wrong with the first bad log, or null
 */
export async function faultyLog(
  databasePath: string,
  isSynced: (batch: Uint8Array) => boolean,
): Promise<string | null> {
  const names = (await namesIn(databasePath)).filter((name) => /^[0-9]+\.log$/.test(name)).sort();
  for (const name of names) {
    const file = await contentOf(join(databasePath, name));
    const damagedAt = endOfIntact(file);
    const goesOnAt = findIntact(file, damagedAt, isSynced);
    if (goesOnAt !== null) return `${name}: damaged at byte ${damagedAt}, and it goes on at byte ${goesOnAt}`;
  }
  return null;
}

/** Where the last of the records ends that are intact from the start. */
function endOfIntact(file: Uint8Array): number {
  let at = 0;
  for (;;) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (left < HEADER_BYTES) at += left;
    else if (isIntact(file, at)) at += HEADER_BYTES + lengthAt(file, at);
    else return at;
  }
}

/** A damaged length hides where the next record begins, so it is looked for at every byte. */
function findIntact(
  file: Uint8Array,
  after: number,
  isSynced: (batch: Uint8Array) => boolean,
): number | null {
  for (let at = after + 1; at + HEADER_BYTES <= file.length; at += 1) {
    const type = file[at + HEADER_BYTES - 1];
    if (type !== RECORD.full && type !== RECORD.first) continue;
    if (isSynced(file.subarray(at + HEADER_BYTES)) && isIntact(file, at)) return at;
  }
  return null;
}

function isIntact(file: Uint8Array, at: number): boolean {
  if (at + HEADER_BYTES > file.length) return false;
  const end = at + HEADER_BYTES + lengthAt(file, at);
  if (end > file.length || end - (at - (at % BLOCK_BYTES)) > BLOCK_BYTES) return false;
  const crc =
    ((file[at] as number) |
      ((file[at + 1] as number) << 8) |
      ((file[at + 2] as number) << 16) |
      ((file[at + 3] as number) << 24)) >>>
    0;
  return maskedCrc32c(file, at + HEADER_BYTES - 1, end) === crc;
}

function lengthAt(file: Uint8Array, at: number): number {
  return (file[at + 4] as number) | ((file[at + 5] as number) << 8);
}

/** A missing directory or file is left for LevelDB to report. */
async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

async function contentOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return new Uint8Array();
    throw error;
  }
}
