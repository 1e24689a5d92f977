import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { readFileIfThere, replaceFile } from "./durable-file";

/*
 * The state lives in a directory of its own that a pointer file names. A new state, built anew here or installed from a
 * snapshot later, is made complete beside the present one; then the pointer is replaced and the old one removed. So
 * there is one state at any time, whole.
 */

const POINTER_FILE = "state.current";
const DIRECTORY_PREFIX = "state-";

/** The name of the present state's directory, or null when the pointer is missing or names none. */
export async function presentStateName(dataPath: string): Promise<string | null> {
  const text = (await readFileIfThere(join(dataPath, POINTER_FILE)))?.trim() ?? "";
  return /^state-[1-9][0-9]*$/.test(text) ? text : null;
}

/** A name that no directory has. */
export async function freshStateName(dataPath: string): Promise<string> {
  let last = 0;
  for (const name of await stateNames(dataPath)) {
    last = Math.max(last, Number(name.slice(DIRECTORY_PREFIX.length)));
  }
  return `${DIRECTORY_PREFIX}${last + 1}`;
}

/** Makes a complete, synced directory the present state. */
export async function pointToState(dataPath: string, name: string): Promise<void> {
  await replaceFile(join(dataPath, POINTER_FILE), `${name}\n`);
}

/** Removes what was left half made or half removed. */
export async function removeOtherStates(dataPath: string, keptName: string): Promise<void> {
  for (const name of await stateNames(dataPath)) {
    if (name !== keptName) await rm(join(dataPath, name), { recursive: true, force: true });
  }
}

async function stateNames(dataPath: string): Promise<readonly string[]> {
  const names = await readdir(dataPath);
  return names.filter((name) => /^state-[1-9][0-9]*$/.test(name));
}
