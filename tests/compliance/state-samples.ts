import type {
  Change,
  ChangeCause,
  ChangeOrigin,
  NamespaceState,
  StateMeta,
  StateWrites,
  StoredRecord,
} from "@quorate/services/kv";
import type { HistoryQuery, StateBatch, StateStore } from "@quorate/services/replica";

export const NAMESPACE_ID = 1;
export const GENERATION = 1;
export const NEWEST = Number.MAX_SAFE_INTEGER;

const origin: ChangeOrigin = {
  cause: "put",
  wallTimeMs: 1_700_000_000_000,
  requestId: { clientId: 7, sequence: 3 },
};

export function changeOrigin(cause: ChangeCause, sequence: number | null): ChangeOrigin {
  return { ...origin, cause, requestId: sequence === null ? null : { clientId: 2 ** 40, sequence } };
}

export function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "latin1"));
}

export function text(value: Uint8Array): string {
  return Buffer.from(value).toString("latin1");
}

export function record(
  key: string,
  value: string,
  modRevision: number,
  more: Partial<StoredRecord> = {},
): StoredRecord {
  return {
    key: bytes(key),
    value: bytes(value),
    valueBytes: value.length,
    createRevision: modRevision,
    modRevision,
    version: 1,
    leaseId: 0,
    ...more,
  };
}

const space = { namespaceId: NAMESPACE_ID, generation: GENERATION };

export function put(
  key: string,
  value: string,
  revision: number,
  ordinal = 0,
  generation = GENERATION,
): Change {
  return {
    kind: "put",
    ...space,
    generation,
    revision,
    ordinal,
    record: record(key, value, revision),
    origin,
  };
}

export function remove(key: string, revision: number, ordinal = 0): Change {
  return {
    kind: "delete",
    ...space,
    revision,
    ordinal,
    key: bytes(key),
    origin: { ...origin, cause: "delete", requestId: null },
  };
}

export function truncate(revision: number, generation = GENERATION): Change {
  return {
    kind: "truncate",
    ...space,
    generation,
    revision,
    ordinal: 0,
    origin: { ...origin, cause: "truncate" },
  };
}

export function namespace(more: Partial<NamespaceState> = {}): NamespaceState {
  return {
    id: NAMESPACE_ID,
    name: "default",
    generation: GENERATION,
    keyCount: 0,
    byteCount: 0,
    oldestRevision: 0,
    firstEventRevision: 0,
    keysMax: null,
    bytesMax: null,
    ...more,
  };
}

const NOTHING: Omit<StateWrites, "meta"> = {
  namespaces: [],
  sessions: [],
  sessionsEnded: [],
  answers: [],
  answersDropped: [],
  membership: null,
  namespacesDeleted: [],
  leases: [],
  leasesEnded: [],
  leaseKeysDetached: [],
  leaseKeysAttached: [],
  changes: [],
};

export function meta(revision: number, more: Partial<StateMeta> = {}): StateMeta {
  return {
    revision,
    timeMs: revision * 10,
    nextClientId: 1,
    nextNamespaceId: 2,
    nextLeaseId: 1,
    compactedRevision: 0,
    verifyRound: 0,
    ...more,
  };
}

/** A batch that applies the entry at `index`; its revision is that of its last change. */
export function batch(
  index: number,
  changes: readonly Change[],
  more: Partial<StateWrites> = {},
): StateBatch {
  const revision = changes.at(-1)?.revision ?? 0;
  return { applied: { term: 1, index }, writes: { ...NOTHING, meta: meta(revision), changes, ...more } };
}

export async function get(state: StateStore, key: string, revision = NEWEST): Promise<string | null> {
  const [found = null] = await state.records({ ...space, keys: [bytes(key)], revision, keysOnly: false });
  return found === null ? null : text(found.value);
}

export interface ScanOptions {
  readonly start?: string;
  readonly end?: string | null;
  readonly revision?: number;
  readonly reverse?: boolean;
  readonly keysOnly?: boolean;
  readonly generation?: number;
}

export function scan(state: StateStore, options: ScanOptions = {}): AsyncIterable<readonly StoredRecord[]> {
  const {
    start = "",
    end = null,
    revision = NEWEST,
    reverse = false,
    keysOnly = false,
    generation = GENERATION,
  } = options;
  return state.scan({
    namespaceId: NAMESPACE_ID,
    generation,
    start: bytes(start),
    end: end === null ? null : bytes(end),
    revision,
    reverse,
    keysOnly,
  });
}

export async function scanned(
  state: StateStore,
  options: ScanOptions = {},
): Promise<readonly StoredRecord[]> {
  const records: StoredRecord[] = [];
  for await (const chunk of scan(state, options)) records.push(...chunk);
  return records;
}

/** "key=value" of each record. */
export async function pairs(state: StateStore, options: ScanOptions = {}): Promise<readonly string[]> {
  return (await scanned(state, options)).map(({ key, value }) => `${text(key)}=${text(value)}`);
}

/** All changes of the first namespace that are kept, unless asked otherwise. */
export async function history(
  state: StateStore,
  more: Partial<HistoryQuery> = {},
): Promise<readonly Change[]> {
  const range = { start: bytes(""), end: null };
  const changes: Change[] = [];
  const query = { namespaceId: NAMESPACE_ID, from: 1, to: NEWEST, range, ...more };
  for await (const chunk of state.history(query)) changes.push(...chunk);
  return changes;
}
