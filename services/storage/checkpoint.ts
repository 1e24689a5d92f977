import { readdir } from "node:fs/promises";
import type { Database } from "./database";
import { RANGE_WITHOUT_KEYS } from "./state-layout";

/**
 * Puts all completed writes of an unsynced database into synced tables.
 *
 * LevelDB's CompactRange begins by changing to a new log file and waiting until what was in memory is a table, synced
 * and named by the synced manifest; then the old log file is removed (LevelDB 1.20, db_impl.cc: TEST_CompactMemTable,
 * CompactMemTable). It reports no errors, so that the old files are gone is the only sign that it worked.
 *
 * @returns whether it did
 */
export async function forceIntoTables(database: Database): Promise<boolean> {
  const before = await logFiles(database);
  await database.compactRange(...RANGE_WITHOUT_KEYS);
  const after = new Set(await logFiles(database));
  return before.length > 0 && before.every((name) => !after.has(name));
}

async function logFiles(database: Database): Promise<readonly string[]> {
  return (await readdir(database.location)).filter((name) => name.endsWith(".log"));
}
