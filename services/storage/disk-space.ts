import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "./error-fields";

/** Bytes of all files below `path`. Files that go while it counts are left out. */
export async function diskBytes(path: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    try {
      bytes += (await stat(join(entry.parentPath, entry.name))).size;
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }
  return bytes;
}
