import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "./error-fields";

/** Bytes of all files below `path`. Files and directories that go while it counts are left out. */
export async function diskBytes(path: string): Promise<number> {
  const entries = await readdir(path, { withFileTypes: true });
  let bytes = 0;
  for (const entry of entries) {
    const at = join(path, entry.name);
    try {
      if (entry.isDirectory()) bytes += await diskBytes(at);
      else if (entry.isFile()) bytes += (await stat(at)).size;
    } catch (error) {
      // A state that another one took the place of goes with its directory.
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }
  return bytes;
}
