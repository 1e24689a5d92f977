import type { ResidentState, SessionAnswer, SessionState } from "#kv";
import { StoreFailure } from "#replica";
import type { FoundAnswers } from "./answer-rows";
import type { Database } from "./database";
import { RecordReader } from "./record-reader";
import { checkedValue, RecordWriter } from "./record-writer";
import { STATE_DATABASE_OPTIONS } from "./state-create";
import { headKey, type KeyKind, rangeOfKind, rowNumberOfAnswersKey } from "./state-layout";
import {
  type EndedGeneration,
  readAnswers,
  readEnded,
  readHead,
  readLease,
  readLeaseKey,
  readMembership,
  readNamespace,
  readSession,
  type StateHead,
} from "./state-records";

/** What a state holds besides records and history, verified. */
export interface StateContents {
  readonly head: StateHead;
  readonly resident: ResidentState;
  /** As they are stored, those that are dropped among them; `resident` has the others. */
  readonly answerRows: readonly FoundAnswers[];
  /** The lowest batch number that is still stored. */
  readonly oldestNumber: number;
  /** Generations whose keys are still to be removed. */
  readonly ended: readonly EndedGeneration[];
}

const ROWS_PER_READ = 1000;
const BYTES_PER_READ = 1024 * 1024;

/** Does not see whether a batch is missing: see missingBatch(). @throws StoreFailure with dataLoss where it is damaged */
export async function readContents(database: Database, path: string): Promise<StateContents> {
  const head = readStoredHead(database, path);
  const numbers = await batchNumbers(database, path);
  const answerRows = await readAnswerRows(database, path);
  return {
    head,
    resident: await readResident(database, path, { head, answerRows }),
    answerRows,
    oldestNumber: numbers[0] ?? head.batchNumber + 1,
    ended: await readRows(database, path, "ended", readEnded),
  };
}

/** The first batch since the last checkpoint that is not there, or null. */
export async function missingBatch(database: Database, path: string): Promise<number | null> {
  const head = readStoredHead(database, path);
  return missingNumber(await batchNumbers(database, path), head);
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

function missingNumber(numbers: readonly number[], head: StateHead): number | null {
  let expected = head.checkpointNumber + 1;
  for (const number of numbers) {
    if (number <= head.checkpointNumber) continue;
    if (number !== expected) return expected;
    expected += 1;
  }
  return expected === head.batchNumber + 1 ? null : expected;
}

async function readAnswerRows(database: Database, path: string): Promise<readonly FoundAnswers[]> {
  const rows: FoundAnswers[] = [];
  await eachRow(database, path, "answer", (key, value) =>
    rows.push({ rowNumber: rowNumberOfAnswersKey(key), answers: readAnswers(value) }),
  );
  return rows;
}

async function readResident(
  database: Database,
  path: string,
  { head, answerRows }: Pick<StateContents, "head" | "answerRows">,
): Promise<ResidentState> {
  const namespaces = await readRows(database, path, "namespace", readNamespace);
  const generations = new Map(namespaces.map(({ id, generation }) => [id, generation]));
  const leaseKeys = await readRows(database, path, "leaseKey", readLeaseKey);
  const [membership] = await readRows(database, path, "membership", readMembership);
  if (membership === undefined) throw damage(path, "the record of its members is missing");
  const sessions = await readRows(database, path, "session", readSession);
  const isKept = keptBy(sessions);
  return {
    meta: head.meta,
    namespaces,
    sessions,
    answers: answerRows
      .flatMap(({ answers }) => answers.filter(isKept))
      .sort((left, right) => left.clientId - right.clientId || left.sequence - right.sequence),
    membership,
    leases: await readRows(database, path, "lease", readLease),
    // Those of generations that ended go with the rest of them, which their notes see to.
    leaseKeys: leaseKeys.filter(({ namespaceId, generation }) => generations.get(namespaceId) === generation),
  };
}

/**
 * Whether an answer is kept: one that is dropped stays in its row until that goes. A session drops the answers below
 * `firstUnanswered` and no others, and one that ends drops all; ids are never used again.
 */
export function keptBy(sessions: readonly SessionState[]): (answer: SessionAnswer) => boolean {
  const firstUnanswered = new Map(sessions.map((session) => [session.clientId, session.firstUnanswered]));
  return ({ clientId, sequence }) => sequence >= (firstUnanswered.get(clientId) ?? Number.POSITIVE_INFINITY);
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
