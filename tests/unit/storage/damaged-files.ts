import { readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";

type RawDatabase = ClassicLevel<Buffer, Buffer>;

/** The files of a database with that ending, the largest first. */
export async function filesOf(database: string, ending: ".log" | ".ldb"): Promise<readonly string[]> {
  const names = (await readdir(database)).filter((name) => name.endsWith(ending));
  const sized = await Promise.all(
    names.map(async (name) => ({
      path: join(database, name),
      bytes: (await readFile(join(database, name))).length,
    })),
  );
  return sized.sort((left, right) => right.bytes - left.bytes).map(({ path }) => path);
}

export async function largestFile(database: string, ending: ".log" | ".ldb"): Promise<string> {
  const [path] = await filesOf(database, ending);
  if (path === undefined) throw new Error(`${database} has no ${ending}`);
  return path;
}

/** Flips a bit at a place given as a share of the file's length. */
export async function flipBit(path: string, share: number): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length * share);
  bytes[at] = (bytes[at] as number) ^ 0x10;
  await writeFile(path, bytes);
}

/** Takes bytes off the end. */
export async function cutTail(path: string, count: number): Promise<void> {
  await truncate(path, (await readFile(path)).length - count);
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
