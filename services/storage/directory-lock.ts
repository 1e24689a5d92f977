import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { StoreFailure } from "#replica";
import { causeOf, errorCode, errorText } from "./error-fields";

const LOCK_DIRECTORY = "lock";
/** Nothing is ever written to it; the least that LevelDB takes. */
const WRITE_BUFFER_BYTES = 64 * 1024;

/** A directory that no other process can lock meanwhile. */
export interface DirectoryLock {
  release(): Promise<void>;
}

/**
 * Locks a directory that is there; null where another process has. The system forgets the lock with the process, however
 * that ends: it is the one of an empty LevelDB database in the directory, for Node itself has no call for such a lock
 * (fcntl(2)), and a file with a process id would outlive a killed process.
 *
 * @throws StoreFailure
 */
export async function lockDirectory(path: string): Promise<DirectoryLock | null> {
  const database = new ClassicLevel(join(path, LOCK_DIRECTORY), {
    writeBufferSize: WRITE_BUFFER_BYTES,
    cacheSize: 0,
  });
  try {
    await database.open();
    return { release: () => database.close() };
  } catch (error) {
    await database.close();
    const cause = causeOf(error);
    if (errorCode(cause) === "LEVEL_LOCKED") return null;
    throw new StoreFailure(
      `${path} cannot be locked: ${errorText(cause)}; where ${LOCK_DIRECTORY} in it is damaged, remove that: it holds nothing`,
      { dataLoss: false, cause: error },
    );
  }
}
