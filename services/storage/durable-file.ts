import { open, readFile, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode } from "./error-fields";

/** Makes renames, creations and removals in a directory survive a loss of power. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a file so that it is, whatever happens meanwhile, either the old one or the new one whole. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const partial = `${path}.partial`;
  const handle = await open(partial, "w", 0o644);
  try {
    await handle.writeFile(text, "utf8");
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(partial, path);
  await syncDirectory(dirname(path));
}

/** null when there is none. */
export async function readFileIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
}

export async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}
