import type { HistoryRecord } from "./history";

/**
 * Whether a history of one key is linearizable, by trying every order of every subset of the unknown operations. Written
 * without a thought for speed and without sharing code with the search that it checks: up to about seven operations.
 */
export function isLinearizableByBruteForce(records: readonly HistoryRecord[]): boolean {
  return extend(
    [],
    records.filter(({ status }) => status !== "fail"),
  );
}

function extend(order: readonly HistoryRecord[], left: readonly HistoryRecord[]): boolean {
  if (!explains(order)) return false;
  if (left.every(({ status }) => status === "unknown")) return true;
  return left.some((next) => {
    const rest = left.filter((record) => record !== next);
    const comesTooLate = rest.some(
      (other) => other.return !== undefined && BigInt(other.return) < BigInt(next.invoke),
    );
    return !comesTooLate && extend([...order, next], rest);
  });
}

/** One state of the key between two writes. */
interface Version {
  readonly value: string | null;
  /** All revisions that its write and its reads told. */
  readonly revs: number[];
}

function explains(order: readonly HistoryRecord[]): boolean {
  const versions: Version[] = [{ value: null, revs: [0] }];
  for (const record of order) {
    const { value } = versions.at(-1)!;
    const outcome = replay(record, value);
    if (outcome === null) return false;
    if (record.status === "ok" && !outcome.fits) return false;
    const { rev } = record.status === "ok" ? (record.result ?? {}) : {};
    if (outcome.wrote) versions.push({ value: outcome.value, revs: rev === undefined ? [] : [rev] });
    else if (value === null && rev !== undefined && rev !== 0) return false;
    else if (value !== null && rev !== undefined) versions.at(-1)!.revs.push(rev);
  }
  let last = -1;
  for (const { revs } of versions) {
    const rev = revs[0] ?? last + 1;
    if (rev <= last || revs.some((other) => other !== rev)) return false;
    last = rev;
  }
  return true;
}

interface Outcome {
  readonly value: string | null;
  readonly wrote: boolean;
  /** Whether the recorded result is what this gives. */
  readonly fits: boolean;
}

/** null: refused by the store, which no operation that took effect can have been. */
function replay(record: HistoryRecord, value: string | null): Outcome | null {
  switch (record.op) {
    case "get":
      return { value, wrote: false, fits: record.result?.value === value };
    case "put":
      return { value: record.args.value, wrote: true, fits: true };
    case "delete":
      return { value: null, wrote: value !== null, fits: record.result?.deleted === (value !== null) };
    case "cas": {
      const swaps = value === record.args.expect;
      return {
        value: swaps ? record.args.value : value,
        wrote: swaps,
        fits: record.result?.swapped === swaps,
      };
    }
    case "incr": {
      if (value !== null && !/^(0|-?[1-9][0-9]*)$/.test(value)) return null;
      const after = Number(value ?? "0") + record.args.by;
      return { value: String(after), wrote: true, fits: record.result?.value === after };
    }
    case "append": {
      const after = (value ?? "") + record.args.value;
      const wrote = value === null || record.args.value !== "";
      return { value: after, wrote, fits: record.result?.value === after };
    }
  }
}
