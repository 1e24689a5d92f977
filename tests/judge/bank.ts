import { checkSerializable, type SerializabilityVerdict } from "./serializable";
import type { ListOperation, RecordedTransaction } from "./transactions";

/*
 * Accounts between which money moves. A version of an account is its balance and a mark that no other version has, such
 * as "70#12"; a transfer names the version that it replaces, so the order of versions follows from the transfers.
 */

export interface BankMove {
  readonly account: string;
  /** The version that must be there. */
  readonly over: string;
  readonly version: string;
}

export type BankRecord = Pick<RecordedTransaction, "client" | "status" | "invoke" | "return"> &
  (
    | { readonly op: "transfer"; readonly moves: readonly BankMove[] }
    /** Of all accounts at once; null unless the status is ok. */
    | { readonly op: "read"; readonly versions: Readonly<Record<string, string>> | null }
  );

export type BankVerdict =
  | SerializabilityVerdict
  | { readonly kind: "violation"; readonly anomaly: "total"; readonly explanation: string };

/**
 * Whether each read sums up to what was there in the beginning, and one order of all transfers and reads, true to real
 * time, explains what was read.
 *
 * @param initial the first version of each account
 */
export function checkBank(
  records: readonly BankRecord[],
  initial: Readonly<Record<string, string>>,
): BankVerdict {
  const total = sumOf(initial);
  for (const record of records) {
    if (record.op !== "read" || record.status !== "ok" || record.versions === null) continue;
    const sum = sumOf(record.versions);
    if (sum === total) continue;
    const seen = Object.entries(record.versions).map(([account, version]) => `${account}=${version}`);
    const explanation = `total: ${record.client} reads ${seen.join(" ")} [${record.invoke} to ${record.return}], which is ${sum}, not ${total}`;
    return { kind: "violation", anomaly: "total", explanation };
  }
  return checkSerializable(asLists(records, initial));
}

/** The balance of a version. */
export function balanceOf(version: string): number {
  return Number(version.slice(0, version.indexOf("#")));
}

/** Each version stands for the list of all versions up to it, so a transfer reads one list and appends to it. */
function asLists(
  records: readonly BankRecord[],
  initial: Readonly<Record<string, string>>,
): readonly RecordedTransaction[] {
  const over = new Map<string, string>();
  for (const record of records) {
    if (record.op !== "transfer") continue;
    for (const move of record.moves) over.set(nameOf(move.account, move.version), move.over);
  }
  const lists = new Map<string, readonly string[]>();
  const listOf = (account: string, version: string): readonly string[] => {
    if (version === initial[account]) return [];
    const name = nameOf(account, version);
    const known = lists.get(name);
    if (known !== undefined) return known;
    const before = over.get(name);
    // What nobody wrote is the judge's to say.
    const list = before === undefined ? [version] : [...listOf(account, before), version];
    lists.set(name, list);
    return list;
  };
  return records.map((record): RecordedTransaction => {
    const { client, status, invoke } = record;
    const ended = record.return === undefined ? {} : { return: record.return };
    const operations =
      record.op === "transfer"
        ? record.moves.flatMap(({ account, over: before, version }): ListOperation[] => [
            { op: "read", key: account, values: status === "ok" ? listOf(account, before) : null },
            { op: "append", key: account, value: version },
          ])
        : Object.entries(record.versions ?? {}).map(
            ([account, version]): ListOperation => ({
              op: "read",
              key: account,
              values: listOf(account, version),
            }),
          );
    return { client, status, invoke, ...ended, operations };
  });
}

function sumOf(versions: Readonly<Record<string, string>>): number {
  return Object.values(versions).reduce((sum, version) => sum + balanceOf(version), 0);
}

function nameOf(account: string, version: string): string {
  return `${account}\u0000${version}`;
}
