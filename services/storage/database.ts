import { ClassicLevel, type ChainedBatch as LevelBatch } from "classic-level";
import { StoreFailure } from "#replica";
import { syncDirectory } from "./durable-file";
import { causeOf, errorCode, errorText } from "./error-fields";
import { faultyTable } from "./leveldb-table";

export type ChainedBatch = LevelBatch<Database, Uint8Array, Uint8Array>;
export type Database = ClassicLevel<Uint8Array, Uint8Array>;
export type DatabaseSnapshot = ReturnType<Database["snapshot"]>;

export interface DatabaseSizes {
  /** Of what was written and is not yet in a table, twice while a table is made. */
  readonly writeBufferBytes: number;
  /** Of table blocks kept in memory. */
  readonly blockCacheBytes: number;
}

export type DatabaseOpened =
  | { readonly kind: "opened"; readonly database: Database }
  /** Another process has it open. */
  | { readonly kind: "locked" };

/**
 * Opens a LevelDB database that is there, or makes a new one. A database whose CURRENT file is gone would be opened
 * as an empty one if LevelDB were allowed to create it.
 *
 * @param options.advice what to do about a damaged database
 * @throws StoreFailure
 */
export async function openDatabase(
  path: string,
  mode: "create" | "existing",
  options: { readonly sizes: DatabaseSizes; readonly advice: string },
): Promise<DatabaseOpened> {
  const fault = mode === "existing" ? await faultyTable(path) : null;
  if (fault !== null) {
    throw new StoreFailure(
      `the database ${path} is damaged: ${fault}; it must not be served: ${options.advice}`,
      { dataLoss: true },
    );
  }
  // A database that was made opens by itself in the next turn, so it is made after the check.
  const database: Database = new ClassicLevel<Uint8Array, Uint8Array>(path, {
    keyEncoding: "view",
    valueEncoding: "view",
    createIfMissing: mode === "create",
    errorIfExists: mode === "create",
    writeBufferSize: options.sizes.writeBufferBytes,
    cacheSize: options.sizes.blockCacheBytes,
    // Snappy took some 4 % of what a put costs a node, merges included; and what a cluster is told of is small.
    compression: false,
  });
  try {
    await database.open();
    // LevelDB renames CURRENT without this, and what opening put into a table counts as durable from now on.
    await syncDirectory(path);
    return { kind: "opened", database };
  } catch (error) {
    await database.close();
    const cause = causeOf(error);
    if (errorCode(cause) === "LEVEL_LOCKED") return { kind: "locked" };
    const isDamage =
      errorCode(cause) === "LEVEL_CORRUPTION" ||
      /create_if_missing is false|No such file or directory/.test(errorText(cause));
    const advice = isDamage ? `; it must not be served: ${options.advice}` : "";
    throw new StoreFailure(`the database ${path} cannot be opened: ${errorText(cause)}${advice}`, {
      dataLoss: isDamage,
      cause: error,
    });
  }
}
