import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "./error-fields";

/** What the file system counts the blocks of a file in (stat(2)). */
const BLOCK_BYTES = 512;

/**
 * Bytes of all files below `path`, without those that a file was given and nobody wrote. Files and directories that go
 * while it counts are left out.
 */
export async function diskBytes(path: string): Promise<number> {
  const entries = await readdir(path, { withFileTypes: true });
  let bytes = 0;
  for (const entry of entries) {
    const at = join(path, entry.name);
    try {
      if (entry.isDirectory()) bytes += await diskBytes(at);
      else if (entry.isFile()) {
        const { size, blocks } = await stat(at);
        bytes += Math.min(size, blocks * BLOCK_BYTES);
      }
    } catch (error) {
      // A state that another one took the place of goes with its directory.
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }
  return bytes;
}
