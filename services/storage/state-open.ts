import { join } from "node:path";
import type { ResidentState } from "#kv";
import { type StateStore, StoreFailure } from "#replica";
import { type Database, openDatabase } from "./database";
import { DatabaseHandle } from "./database-handle";
import { isDirectory } from "./durable-file";
import { errorCode, errorText } from "./error-fields";
import { RecordReader } from "./record-reader";
import { checkedValue, RecordWriter } from "./record-writer";
import { createFirstState, STATE_DATABASE_OPTIONS } from "./state-create";
import { presentStateName, removeOtherStates } from "./state-directory";
import { headKey, type KeyKind, rangeOfKind } from "./state-layout";
import {
  readAnswer,
  readEnded,
  readHead,
  readLease,
  readLeaseKey,
  readMemberStore,
  readNamespace,
  readSession,
  type StateHead,
} from "./state-records";
import { LevelStateStore, type StateContents, type StateLimits } from "./state-store";

export type StateStoreOpened =
  | {
      readonly kind: "opened";
      readonly state: StateStore;
      /** Why the state starts empty though it had been written, null when it does not: the log is replayed into it. */
      readonly rebuiltBecause: string | null;
    }
  /** Another process has it open. */
  | { readonly kind: "locked" };

const ROWS_PER_READ = 1000;
const BYTES_PER_READ = 1024 * 1024;

/**
 * Opens the present state of a data directory and verifies what is kept in memory, and that no batch since the last
 * checkpoint is missing. Where one is, or the whole directory was removed, an empty state takes its place.
 *
 * @throws StoreFailure with dataLoss where it is damaged in a way that a crash does not explain
 */
export async function openStateStore(dataPath: string, limits: StateLimits): Promise<StateStoreOpened> {
  const name = await presentStateName(dataPath);
  if (name === null) {
    throw new StoreFailure(
      `the file that names the present state in ${dataPath} is missing or damaged: restore the whole data directory, or start this member anew from its peers`,
      { dataLoss: true },
    );
  }
  if (!(await isDirectory(join(dataPath, name)))) {
    return rebuilt(dataPath, limits, `the state directory ${name} was not there`);
  }
  const found = await openPresent(join(dataPath, name), limits);
  if (found.kind !== "hole") {
    if (found.kind === "opened") await removeOtherStates(dataPath, name);
    return found;
  }
  return rebuilt(dataPath, limits, found.what);
}

/** Opens an empty state in place of one that cannot be used; the log brings it back. */
async function rebuilt(dataPath: string, limits: StateLimits, because: string): Promise<StateStoreOpened> {
  const name = await createFirstState(dataPath);
  const opened = await openPresent(join(dataPath, name), limits);
  if (opened.kind === "hole")
    throw new StoreFailure(`a new state has a hole: ${opened.what}`, { dataLoss: true });
  return opened.kind === "locked" ? opened : { ...opened, rebuiltBecause: because };
}

type PresentOpened = StateStoreOpened | { readonly kind: "hole"; readonly what: string };

async function openPresent(path: string, limits: StateLimits): Promise<PresentOpened> {
  const opened = await openDatabase(path, "existing", STATE_DATABASE_OPTIONS);
  if (opened.kind === "locked") return opened;
  const { database } = opened;
  try {
    const head = readStoredHead(database, path);
    const numbers = await batchNumbers(database, path);
    const missing = missingNumber(numbers, head);
    if (missing !== null) {
      await database.close();
      return { kind: "hole", what: `batch ${missing} of the state was lost, yet a later one was there` };
    }
    const contents: StateContents = {
      head,
      resident: await readResident(database, path, head),
      oldestNumber: numbers[0] ?? head.batchNumber + 1,
      ended: await readRows(database, path, "ended", readEnded),
    };
    const handle = new DatabaseHandle(database, `the state in ${path}`);
    return { kind: "opened", state: new LevelStateStore(handle, contents, limits), rebuiltBecause: null };
  } catch (error) {
    await database.close();
    if (error instanceof StoreFailure) throw error;
    throw new StoreFailure(`the state in ${path} cannot be read: ${errorText(error)}`, {
      dataLoss: errorCode(error) === "LEVEL_CORRUPTION",
      cause: error,
    });
  }
}

function readStoredHead(database: Database, path: string): StateHead {
  const key = headKey(new RecordWriter()).takeKey();
  const stored = database.getSync(key);
  const value = stored === undefined ? null : checkedValue(key, stored);
  if (value === null) throw damage(path, "the record of what it has applied is missing or damaged");
  return readHead(value);
}

/** In rising order. */
async function batchNumbers(database: Database, path: string): Promise<readonly number[]> {
  const numbers: number[] = [];
  await eachRow(database, path, "batch", (key) => numbers.push(new RecordReader(key, 1).u64()));
  return numbers;
}

/** The first number in (checkpoint, head] that is not there, or null. */
function missingNumber(numbers: readonly number[], head: StateHead): number | null {
  let expected = head.checkpointNumber + 1;
  for (const number of numbers) {
    if (number <= head.checkpointNumber) continue;
    if (number !== expected) return expected;
    expected += 1;
  }
  return expected === head.batchNumber + 1 ? null : expected;
}

async function readResident(database: Database, path: string, head: StateHead): Promise<ResidentState> {
  const namespaces = await readRows(database, path, "namespace", readNamespace);
  const generations = new Map(namespaces.map(({ id, generation }) => [id, generation]));
  const leaseKeys = await readRows(database, path, "leaseKey", readLeaseKey);
  return {
    meta: head.meta,
    namespaces,
    sessions: await readRows(database, path, "session", readSession),
    answers: await readRows(database, path, "answer", readAnswer),
    memberStores: await readRows(database, path, "memberStore", readMemberStore),
    leases: await readRows(database, path, "lease", readLease),
    // Those of generations that ended go with the rest of them, which their notes see to.
    leaseKeys: leaseKeys.filter(({ namespaceId, generation }) => generations.get(namespaceId) === generation),
  };
}

async function readRows<T>(
  database: Database,
  path: string,
  kind: KeyKind,
  read: (value: Uint8Array) => T,
): Promise<readonly T[]> {
  const rows: T[] = [];
  await eachRow(database, path, kind, (_, value) => rows.push(read(value)));
  return rows;
}

async function eachRow(
  database: Database,
  path: string,
  kind: KeyKind,
  take: (key: Uint8Array, value: Uint8Array) => void,
): Promise<void> {
  const iterator = database.iterator({ ...rangeOfKind(kind), highWaterMarkBytes: BYTES_PER_READ });
  try {
    for (;;) {
      const rows = await iterator.nextv(ROWS_PER_READ);
      if (rows.length === 0) return;
      for (const [key, stored] of rows) {
        const value = checkedValue(key, stored);
        if (value === null) throw damage(path, `the checksum of a record of kind ${kind} does not match`);
        take(key, value);
      }
    }
  } finally {
    await iterator.close();
  }
}

function damage(path: string, what: string): StoreFailure {
  return new StoreFailure(
    `the state in ${path} is damaged: ${what}; it must not be served: ${STATE_DATABASE_OPTIONS.advice}`,
    { dataLoss: true },
  );
}
