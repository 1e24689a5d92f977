import type { HistoryRecord } from "./history";

/** A read that may be stale: it must show the key as it was after some prefix of all changes. */
export interface StaleRead {
  /** Reads of one session never go back. */
  readonly session: string;
  readonly key: string;
  /** null: no such key. */
  readonly value: string | null;
  /** The key's modification revision; 0 when there is no such key. */
  readonly rev: number;
  /** The revision of the state that was read, which the reply's header tells: it names the prefix. */
  readonly stateRev: number;
  /** Nanoseconds of the clock of the history. */
  readonly returnNs: bigint;
}

export interface StaleReadFault {
  readonly kind: /** No state at that revision held this value. */
    | "no_such_prefix"
    /** The change was not even asked for when it was read. */
    | "from_the_future"
    /** The session had seen a later state. */
    | "went_back";
  readonly read: StaleRead;
  /** One sentence. */
  readonly detail: string;
}

/** One version of a key. */
interface Version {
  readonly rev: number;
  /** null: deleted. */
  readonly value: string | null;
  /** null where only reads tell of it. */
  readonly invokeNs: bigint | null;
}

interface KnownKey {
  /** In the order of their revisions. */
  readonly versions: Version[];
  /** Whether deletions may have taken effect at revisions that nobody was told. */
  hasHiddenDeletes: boolean;
}

/**
 * Judges stale reads, given in the order in which each session got them, against the writes whose revision is recorded.
 * Writes of unknown outcome have none: a read that shows a revision which no answer told is only compared with what is
 * known before and after it.
 */
export function checkStaleReads(
  records: readonly HistoryRecord[],
  reads: readonly StaleRead[],
): StaleReadFault[] {
  const keys = keysOf(records);
  const sessions = new Map<string, number>();
  const faults: StaleReadFault[] = [];
  for (const read of reads) {
    const highest = sessions.get(read.session) ?? 0;
    if (read.stateRev < highest) {
      const detail = `session "${read.session}" had seen revision ${highest}, and then read at ${read.stateRev}`;
      faults.push({ kind: "went_back", read, detail });
    }
    sessions.set(read.session, Math.max(highest, read.stateRev));
    const fault = versionFault(keys.get(read.key) ?? { versions: [], hasHiddenDeletes: false }, read);
    if (fault !== null) faults.push(fault);
  }
  return faults;
}

function versionFault({ versions, hasHiddenDeletes }: KnownKey, read: StaleRead): StaleReadFault | null {
  const { key, rev, stateRev, value } = read;
  const refuse = (kind: StaleReadFault["kind"], detail: string) => ({ kind, read, detail });
  if (rev > stateRev) {
    return refuse("no_such_prefix", `key "${key}" has revision ${rev} in a state of revision ${stateRev}`);
  }
  const newest = versions.findLast((version) => version.rev <= stateRev);
  if (newest === undefined) return null;
  if (value === null) {
    return newest.value === null || hasHiddenDeletes
      ? null
      : refuse("no_such_prefix", `key "${key}" was there at revision ${stateRev}, since ${newest.rev}`);
  }
  if (newest.rev > rev) {
    return refuse(
      "no_such_prefix",
      `key "${key}" had changed at revision ${newest.rev}, not after ${stateRev}`,
    );
  }
  if (newest.rev < rev) return null;
  if (newest.value !== value) {
    return refuse("no_such_prefix", `at revision ${rev} key "${key}" was ${JSON.stringify(newest.value)}`);
  }
  return newest.invokeNs !== null && newest.invokeNs > read.returnNs
    ? refuse("from_the_future", `the write of revision ${rev} began only after the read had returned`)
    : null;
}

function keysOf(records: readonly HistoryRecord[]): Map<string, KnownKey> {
  const keys = new Map<string, KnownKey>();
  for (const record of records) {
    const known = keys.get(record.key) ?? { versions: [], hasHiddenDeletes: false };
    keys.set(record.key, known);
    const rev = record.result?.rev ?? 0;
    const value = valueAfter(record);
    if (record.op === "delete" && rev === 0 && record.status !== "fail" && record.result?.deleted !== false) {
      known.hasHiddenDeletes = true;
    }
    if (rev === 0 || value === undefined) continue;
    known.versions.push({ rev, value, invokeNs: record.op === "get" ? null : BigInt(record.invoke) });
  }
  // Of one revision the write counts, and it tells most: it comes last.
  for (const { versions } of keys.values()) {
    versions.sort(
      (left, right) =>
        left.rev - right.rev || Number(left.invokeNs !== null) - Number(right.invokeNs !== null),
    );
  }
  return keys;
}

/** What the key held after an answered operation; undefined where the answer does not tell. */
function valueAfter(record: HistoryRecord): string | null | undefined {
  if (record.result === null) return undefined;
  switch (record.op) {
    case "get":
      return record.result.value;
    case "put":
      return record.args.value;
    case "delete":
      return record.result.deleted ? null : undefined;
    case "cas":
      return record.result.swapped ? record.args.value : undefined;
    case "incr":
      return String(record.result.value);
    case "append":
      return record.result.value;
  }
}
