import { foundingMembership, type MembershipState } from "#kv";
import type { EntryId } from "#raft";
import { type LogStore, type StateStore, StoreFailure } from "#replica";
import { assert } from "#std";
import { type DataDirectory, logPath } from "./data-directory";
import { type DirectoryRefusal, refusal } from "./directory-refusal";
import { openLogStore } from "./log-open";
import { createFirstState } from "./state-create";
import { pointToState, readStatePointer } from "./state-directory";
import { openStateStore } from "./state-open";

/** Bounds of the stores; bytes, unless named otherwise. */
export interface StoreOptions {
  /** Of the newest log entries kept in memory. */
  readonly logTailBytesMax: number;
  /** A segment of the log takes no more appends when it has so many; what is cut goes by whole segments. */
  readonly logSegmentBytesMax: number;
  /** Of records kept in memory. */
  readonly recordCacheBytesMax: number;
  /** Of records in a file that has those of which there is no room in memory; 0 for none. */
  readonly recordOverflowBytesMax: number;
  /** Of runs of records that scans have read, beside them; 0 for none. */
  readonly recordRunsBytesMax: number;
  /** The state makes a checkpoint after so many bytes were written to it, or so many batches. */
  readonly checkpointBytes: number;
  readonly checkpointBatches: number;
  /** The state gathers so many bytes, or for so long, what is then written to it at once. */
  readonly gatheredBytes: number;
  readonly gatheredMs: number;
  readonly scanChunkBytes: number;
  readonly imageChunkBytes: number;
}

export const DEFAULT_STORE_OPTIONS: StoreOptions = {
  // Small, for a node with 100,000 keys is to stay below 170 MB. The tail is a second's at most: what lives longer and then
  // goes costs the collector most, and whoever lags behind by more is sent what is read again.
  logTailBytesMax: 1024 * 1024,
  logSegmentBytesMax: 4 * 1024 * 1024,
  recordCacheBytesMax: 18 * 1024 * 1024,
  // 1,600,000 records of 256 B, of which the system has in memory what it has room for.
  recordOverflowBytesMax: 512 * 1024 * 1024,
  recordRunsBytesMax: 8 * 1024 * 1024,
  checkpointBytes: 4 * 1024 * 1024,
  checkpointBatches: 4096,
  // Some 360 puts of 256 B: the rows of so many are made in a millisecond, in which nothing else runs.
  gatheredBytes: 256 * 1024,
  gatheredMs: 50,
  scanChunkBytes: 256 * 1024,
  imageChunkBytes: 256 * 1024,
};

export interface OpenedStores {
  readonly log: LogStore;
  readonly state: StateStore;
  /** Why the state starts empty and is built anew from the log; null when it does not. */
  readonly stateRebuiltBecause: string | null;
  /** The log was reset to what an installed state has applied, for a crash came between the two. */
  readonly logWasReset: boolean;
  /** Closes both. Safe to call twice. */
  close(): Promise<void>;
}

/** The log is sound, and the state cannot be used; nothing is open. */
export interface StateLost {
  readonly kind: "state_lost";
  /** What is wrong with it, in one line; dataLoss. */
  readonly failure: StoreFailure;
  /** A state that is brought from peers must have applied this entry, for there the log begins. */
  readonly logBeginsAfter: EntryId;
  /** Whether rebuildState() helps: the log has all that ever made the state. */
  readonly canRebuild: boolean;
}

export type StoresOutcome =
  | { readonly kind: "opened"; readonly stores: OpenedStores }
  | StateLost
  | DirectoryRefusal;

/**
 * Opens log and state of a data directory and verifies both. The log must hold what the state has applied, unless the
 * state was installed and a crash came before the log was reset to it: that is done here.
 *
 * @throws StoreFailure with dataLoss where the log is damaged, or lacks what the state has applied from it
 */
export async function openStores(
  directory: DataDirectory,
  options: Partial<StoreOptions> = {},
): Promise<StoresOutcome> {
  const { logTailBytesMax, logSegmentBytesMax, recordCacheBytesMax, ...limits } = {
    ...DEFAULT_STORE_OPTIONS,
    ...options,
  };
  const { path } = directory;
  const logOpened = await openLogStore({
    path: logPath(path),
    tailBytesMax: logTailBytesMax,
    segmentBytesMax: logSegmentBytesMax,
  });
  if (logOpened.kind === "locked") return locked(directory);
  const { log } = logOpened;
  const canRebuild = directory.identity.origin === "bootstrap" && log.firstIndex() === 1;
  const logBeginsAfter = entryBefore(log);
  try {
    const source = { dataPath: path, founding: canRebuild ? foundingOf(directory) : null };
    const opened = await openStateStore(source, { ...limits, cacheBytesMax: recordCacheBytesMax });
    if (opened.kind === "locked") {
      await log.close();
      return locked(directory);
    }
    const { state, rebuiltBecause, resetTo } = opened;
    try {
      const logWasReset = await agreed(path, { log, state, resetTo });
      const close = async (): Promise<void> => {
        await Promise.all([log.close(), state.close()]);
      };
      return {
        kind: "opened",
        stores: { log, state, stateRebuiltBecause: rebuiltBecause, logWasReset, close },
      };
    } catch (error) {
      await state.close();
      throw error;
    }
  } catch (error) {
    await log.close();
    if (!(error instanceof StoreFailure) || !error.dataLoss || error instanceof LogTooShort) throw error;
    return { kind: "state_lost", failure: error, logBeginsAfter, canRebuild };
  }
}

/** Makes the state before the first command the present one: the log is replayed into it. Only where StateLost says so. */
export async function rebuildState(directory: DataDirectory): Promise<void> {
  await createFirstState(directory.path, foundingOf(directory));
}

/** The log is what is damaged. */
class LogTooShort extends StoreFailure {}

/** Makes log and state agree; whether the log was reset for it. */
async function agreed(
  dataPath: string,
  opened: { readonly log: LogStore; readonly state: StateStore; readonly resetTo: EntryId | null },
): Promise<boolean> {
  const { log, state, resetTo } = opened;
  const { applied } = state.opened;
  const begin = entryBefore(log);
  if (applied.index < begin.index) {
    throw new StoreFailure(
      `the state in ${dataPath} ends at entry ${applied.index}, yet the log begins after entry ${begin.index}`,
      { dataLoss: true },
    );
  }
  const isHeld = log.term(applied.index) === applied.term;
  if (!isHeld) {
    // Opening the state made all that it has applied durable, so this is no tail that a crash tore.
    if (resetTo === null || resetTo.index !== applied.index || resetTo.term !== applied.term) {
      throw new LogTooShort(
        `${logDamage(dataPath, log, applied)}; this node must not vote or serve with it: start this member anew from its peers, or restore the whole data directory`,
        { dataLoss: true },
      );
    }
    await log.reset(applied);
  }
  if (resetTo !== null) await forgetReset(dataPath);
  return !isHeld;
}

function logDamage(dataPath: string, log: LogStore, applied: EntryId): string {
  const end = log.lastIndex();
  const what =
    end < applied.index
      ? `it ends at entry ${end}, yet the state holds what entry ${applied.index} did`
      : `its entry ${applied.index} is of term ${log.term(applied.index)}, yet the state applied that of term ${applied.term}`;
  return `the log in ${logPath(dataPath)} is damaged: ${what}`;
}

/** From now on the state applies what the log holds. */
async function forgetReset(dataPath: string): Promise<void> {
  const pointer = await readStatePointer(dataPath);
  assert(pointer !== null, "the state that is open is named");
  await pointToState(dataPath, { ...pointer, resetTo: null });
}

function entryBefore(log: LogStore): EntryId {
  const index = log.firstIndex() - 1;
  const term = log.term(index);
  assert(typeof term === "number", "a log knows the term of the entry that it begins after");
  return { term, index };
}

function foundingOf({ identity }: DataDirectory): MembershipState {
  return foundingMembership(identity.members);
}

function locked(directory: DataDirectory): DirectoryRefusal {
  return refusal(
    "locked",
    `${directory.path} is in use by another process: stop that one, or give another --data-dir`,
  );
}
