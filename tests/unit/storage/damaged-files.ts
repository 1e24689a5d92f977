import { readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";

type RawDatabase = ClassicLevel<Buffer, Buffer>;

/** A file without the zeros at its end: what a segment of a log has of bytes that somebody wrote. */
export async function writtenOf(path: string): Promise<Buffer> {
  const bytes = await readFile(path);
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return bytes.subarray(0, end);
}

/** The files of a database with that ending, the largest first. */
export async function filesOf(database: string, ending: ".log" | ".ldb"): Promise<readonly string[]> {
  const names = (await readdir(database)).filter((name) => name.endsWith(ending));
  const sized = await Promise.all(
    names.map(async (name) => ({
      path: join(database, name),
      bytes: (await writtenOf(join(database, name))).length,
    })),
  );
  return sized.sort((left, right) => right.bytes - left.bytes).map(({ path }) => path);
}

export async function largestFile(database: string, ending: ".log" | ".ldb"): Promise<string> {
  const [path] = await filesOf(database, ending);
  if (path === undefined) throw new Error(`${database} has no ${ending}`);
  return path;
}

/** Of a log's segment: what lies before its records, and where each of those says how long it is. */
const SEGMENT_HEADER_BYTES = 16;
const RECORD_LENGTH_AT = 8;

/** The segments of a log that hold records, in their order. */
export async function segmentsOf(log: string): Promise<readonly string[]> {
  const paths = await filesOf(log, ".log");
  const bytes = await Promise.all(paths.map(writtenOf));
  return paths.filter((_, at) => (bytes[at] as Buffer).length > SEGMENT_HEADER_BYTES).sort();
}

/** The segment of a log that was written to last. */
export async function lastSegment(log: string): Promise<string> {
  const path = (await segmentsOf(log)).at(-1);
  if (path === undefined) throw new Error(`${log} has no segments`);
  return path;
}

/** Where the records of a segment lie that is not damaged. */
export async function recordsOf(
  segment: string,
): Promise<readonly { readonly from: number; readonly to: number }[]> {
  const bytes = await readFile(segment);
  const records: { from: number; to: number }[] = [];
  for (let from = SEGMENT_HEADER_BYTES; from + RECORD_LENGTH_AT < bytes.length; ) {
    const to = from + bytes.readUInt32BE(from + RECORD_LENGTH_AT);
    if (to === from) break;
    records.push({ from, to });
    from = to;
  }
  return records;
}

/** Flips a bit at a place given as a share of what is written of the file. */
export async function flipBit(path: string, share: number): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.floor((await writtenOf(path)).length * share);
  bytes[at] = (bytes[at] as number) ^ 0x10;
  await writeFile(path, bytes);
}

/** Takes bytes off the end of what is written of the file. */
export async function cutTail(path: string, count: number): Promise<void> {
  await truncate(path, (await writtenOf(path)).length - count);
}

/** What a loss of power leaves of a database that was never synced: its tables. */
export async function loseUnsynced(database: string): Promise<void> {
  for (const path of await filesOf(database, ".log")) await truncate(path, 0);
}

/** Changes a database behind the store's back. */
export async function editDatabase(
  path: string,
  run: (database: RawDatabase) => Promise<void>,
): Promise<void> {
  const database: RawDatabase = new ClassicLevel<Buffer, Buffer>(path, {
    keyEncoding: "buffer",
    valueEncoding: "buffer",
    createIfMissing: false,
  });
  await database.open();
  await run(database);
  await database.close();
}
