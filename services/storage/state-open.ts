import { join } from "node:path";
import type { MembershipState } from "#kv";
import type { EntryId } from "#raft";
import { type StateStore, StoreFailure } from "#replica";
import { openDatabase } from "./database";
import { DatabaseHandle } from "./database-handle";
import { isDirectory } from "./durable-file";
import { errorCode, errorText } from "./error-fields";
import type { StateLimits } from "./level-state";
import { missingBatch, readContents } from "./state-contents";
import { createFirstState, STATE_DATABASE_OPTIONS } from "./state-create";
import { readStatePointer, removeOtherStates } from "./state-directory";
import { LevelStateStore } from "./state-store";

/** What opening a state goes by. */
export interface StateSource {
  readonly dataPath: string;
  /** The members that the cluster began with, where the log can make the state anew from its first entry; else null. */
  readonly founding: MembershipState | null;
}

export type StateStoreOpened =
  | {
      readonly kind: "opened";
      readonly state: StateStore;
      /** Why the state starts empty though it had been written, null when it does not: the log is replayed into it. */
      readonly rebuiltBecause: string | null;
      /** See StatePointer. */
      readonly resetTo: EntryId | null;
    }
  /** Another process has it open. */
  | { readonly kind: "locked" };

/**
 * Opens the present state of a data directory and verifies what is kept in memory, and that no batch since the last
 * checkpoint is missing. Where one is, or the whole directory was removed, an empty state takes its place, if the log
 * can be replayed into it.
 *
 * @throws StoreFailure with dataLoss where it is damaged in a way that a crash does not explain, or cannot be made anew
 */
export async function openStateStore(source: StateSource, limits: StateLimits): Promise<StateStoreOpened> {
  const { dataPath } = source;
  const pointer = await readStatePointer(dataPath);
  if (pointer === null) {
    throw new StoreFailure(
      `the file that names the present state in ${dataPath} is missing or damaged: ${STATE_DATABASE_OPTIONS.advice}`,
      { dataLoss: true },
    );
  }
  const { name, resetTo } = pointer;
  if (!(await isDirectory(join(dataPath, name)))) {
    return rebuilt(source, limits, `the state directory ${name} was not there`);
  }
  const found = await openPresent(dataPath, name, limits);
  switch (found.kind) {
    case "locked":
      return found;
    case "hole":
      return rebuilt(source, limits, found.what);
    case "opened":
      await removeOtherStates(dataPath, name);
      return { ...found, rebuiltBecause: null, resetTo };
  }
}

/** Opens an empty state in place of one that cannot be used; the log brings it back. */
async function rebuilt(source: StateSource, limits: StateLimits, because: string): Promise<StateStoreOpened> {
  const { dataPath, founding } = source;
  if (founding === null) {
    throw new StoreFailure(
      `the state in ${dataPath} cannot be used: ${because}; and the log does not reach back to make it anew: bring it from the peers of this member`,
      { dataLoss: true },
    );
  }
  const name = await createFirstState(dataPath, founding);
  const opened = await openPresent(dataPath, name, limits);
  if (opened.kind === "hole")
    throw new StoreFailure(`a new state has a hole: ${opened.what}`, { dataLoss: true });
  return opened.kind === "locked" ? opened : { ...opened, rebuiltBecause: because, resetTo: null };
}

type PresentOpened =
  | { readonly kind: "opened"; readonly state: StateStore }
  | { readonly kind: "locked" }
  | { readonly kind: "hole"; readonly what: string };

async function openPresent(dataPath: string, name: string, limits: StateLimits): Promise<PresentOpened> {
  const path = join(dataPath, name);
  const opened = await openDatabase(path, "existing", STATE_DATABASE_OPTIONS);
  if (opened.kind === "locked") return opened;
  const { database } = opened;
  try {
    const missing = await missingBatch(database, path);
    if (missing !== null) {
      await database.close();
      return { kind: "hole", what: `batch ${missing} of the state was lost, yet a later one was there` };
    }
    const contents = await readContents(database, path);
    const handle = new DatabaseHandle(database, `the state in ${path}`);
    return { kind: "opened", state: new LevelStateStore(dataPath, { name, handle, contents }, limits) };
  } catch (error) {
    await database.close();
    if (error instanceof StoreFailure) throw error;
    throw new StoreFailure(`the state in ${path} cannot be read: ${errorText(error)}`, {
      dataLoss: errorCode(error) === "LEVEL_CORRUPTION",
      cause: error,
    });
  }
}
