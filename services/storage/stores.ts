import { type LogStore, type StateStore, StoreFailure } from "#replica";
import { type DataDirectory, type DirectoryRefusal, logPath, refusal } from "./data-directory";
import { openLogStore } from "./log-open";
import { openStateStore } from "./state-open";

/** Bounds of the stores; bytes, unless named otherwise. */
export interface StoreOptions {
  /** Of the newest log entries kept in memory. */
  readonly logTailBytesMax: number;
  /** Of records kept in memory. */
  readonly recordCacheBytesMax: number;
  /** The state makes a checkpoint after so many bytes were written to it, or so many batches. */
  readonly checkpointBytes: number;
  readonly checkpointBatches: number;
  readonly scanChunkBytes: number;
}

export const DEFAULT_STORE_OPTIONS: StoreOptions = {
  // Small, for a node with 100,000 keys is to stay below 250 MB, and a record that is not cached costs 10 us.
  logTailBytesMax: 4 * 1024 * 1024,
  recordCacheBytesMax: 8 * 1024 * 1024,
  checkpointBytes: 4 * 1024 * 1024,
  checkpointBatches: 4096,
  scanChunkBytes: 256 * 1024,
};

export interface OpenedStores {
  readonly log: LogStore;
  readonly state: StateStore;
  /** Why the state starts empty and is built anew from the log; null when it does not. */
  readonly stateRebuiltBecause: string | null;
  /** Closes both. Safe to call twice. */
  close(): Promise<void>;
}

export type StoresOutcome = { readonly kind: "opened"; readonly stores: OpenedStores } | DirectoryRefusal;

/**
 * Opens log and state of a data directory and verifies both. The state comes first: what it holds durably is the floor
 * that the log must reach.
 *
 * @throws StoreFailure with dataLoss where one is damaged, or where they contradict each other
 */
export async function openStores(
  directory: DataDirectory,
  options: Partial<StoreOptions> = {},
): Promise<StoresOutcome> {
  const { logTailBytesMax, recordCacheBytesMax, ...limits } = { ...DEFAULT_STORE_OPTIONS, ...options };
  const stateOpened = await openStateStore(directory.path, { ...limits, cacheBytesMax: recordCacheBytesMax });
  if (stateOpened.kind === "locked") return locked(directory);
  const { state } = stateOpened;
  try {
    const logOpened = await openLogStore({
      path: logPath(directory.path),
      floorIndex: state.checkpointIndex,
      tailBytesMax: logTailBytesMax,
    });
    if (logOpened.kind === "locked") {
      await state.close();
      return locked(directory);
    }
    const { log } = logOpened;
    const appliedIndex = state.opened.applied.index;
    if (appliedIndex < log.firstIndex() - 1) {
      await log.close();
      throw new StoreFailure(
        `the state in ${directory.path} ends at entry ${appliedIndex}, yet the log begins after entry ${log.firstIndex() - 1}: start this member anew from its peers`,
        { dataLoss: true },
      );
    }
    const close = async (): Promise<void> => {
      await Promise.all([log.close(), state.close()]);
    };
    return { kind: "opened", stores: { log, state, stateRebuiltBecause: stateOpened.rebuiltBecause, close } };
  } catch (error) {
    await state.close();
    throw error;
  }
}

function locked(directory: DataDirectory): DirectoryRefusal {
  return refusal(
    "locked",
    `${directory.path} is in use by another process: stop that one, or give another --data-dir`,
  );
}
