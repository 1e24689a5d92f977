import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { EntryId } from "#raft";
import { readFileIfThere, replaceFile } from "./durable-file";

/*
 * The state lives in a directory of its own that a pointer file names. A new state, built anew here or installed from a
 * snapshot, is made complete beside the present one; then the pointer is replaced and the old one removed. So
 * there is one state at any time, whole.
 */

const POINTER_FILE = "state.current";
const DIRECTORY_PREFIX = "state-";

/** Which state is present. */
export interface StatePointer {
  readonly name: string;
  /**
   * The entry that an installed state has applied: the log is reset to it unless it holds it. null where the log must
   * hold what the state has applied, for then it was applied from there.
   */
  readonly resetTo: EntryId | null;
}

/** null when the pointer is missing or names none. */
export async function readStatePointer(dataPath: string): Promise<StatePointer | null> {
  const text = (await readFileIfThere(join(dataPath, POINTER_FILE))) ?? "";
  const found = /^(state-[1-9][0-9]*)(?: ([0-9]+) ([0-9]+))?\n$/.exec(text);
  if (found === null) return null;
  const [, name = "", term, index] = found;
  const resetTo = index === undefined ? null : { term: Number(term), index: Number(index) };
  return { name, resetTo };
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
export async function pointToState(dataPath: string, { name, resetTo }: StatePointer): Promise<void> {
  const entry = resetTo === null ? "" : ` ${resetTo.term} ${resetTo.index}`;
  await replaceFile(join(dataPath, POINTER_FILE), `${name}${entry}\n`);
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
