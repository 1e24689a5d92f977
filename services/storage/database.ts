import { ClassicLevel, type ChainedBatch as LevelBatch } from "classic-level";
import { StoreFailure } from "#replica";

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
 * @throws StoreFailure
 */
export async function openDatabase(
  path: string,
  mode: "create" | "existing",
  sizes: DatabaseSizes,
): Promise<DatabaseOpened> {
  const database: Database = new ClassicLevel<Uint8Array, Uint8Array>(path, {
    keyEncoding: "view",
    valueEncoding: "view",
    createIfMissing: mode === "create",
    errorIfExists: mode === "create",
    writeBufferSize: sizes.writeBufferBytes,
    cacheSize: sizes.blockCacheBytes,
  });
  try {
    await database.open();
    return { kind: "opened", database };
  } catch (error) {
    await database.close();
    const cause = causeOf(error);
    if (errorCode(cause) === "LEVEL_LOCKED") return { kind: "locked" };
    throw new StoreFailure(`the database ${path} cannot be opened: ${errorText(cause)}`, {
      dataLoss: /does not exist|corrupt|missing|CURRENT|MANIFEST/i.test(errorText(cause)),
      cause: error,
    });
  }
}

/** What LevelDB gave as the reason of an error of its JavaScript layer, or the error itself. */
export function causeOf(error: unknown): unknown {
  return field(error, "cause") ?? error;
}

export function errorCode(error: unknown): string | null {
  const code = field(error, "code");
  return typeof code === "string" ? code : null;
}

export function errorText(error: unknown): string {
  const message = field(error, "message");
  return typeof message === "string" ? message : String(error);
}

/** Not by instanceof: errors of the platform may come from another realm, as they do under jest. */
function field(error: unknown, name: string): unknown {
  return typeof error === "object" && error !== null ? Reflect.get(error, name) : undefined;
}
