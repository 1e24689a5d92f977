import type { ListOperation, RecordedTransaction } from "./transactions";

/** Something that no order can explain, found without looking for one. */
export interface DirectFault {
  readonly anomaly: "internal" | "impossible list" | "G1a" | "G1b";
  readonly detail: string;
  readonly transactions: readonly RecordedTransaction[];
}

/** What a key was, as far as lists tell. Transactions by their position in ListVersions.transactions. */
export interface KeyVersions {
  /** Who appended each value of the longest list that was read, in its order. */
  readonly writers: readonly number[];
  /** Who appended values that no list shows, so they come after all of these. */
  readonly unread: readonly number[];
  /** Who read how much of it, own appends not counted. */
  readonly readers: readonly { readonly transaction: number; readonly length: number }[];
}

export interface ListVersions {
  /** Those that took effect for sure. */
  readonly transactions: readonly RecordedTransaction[];
  readonly keys: readonly KeyVersions[];
}

interface Appended {
  readonly transaction: RecordedTransaction;
  /** Whether the transaction appends more to the key afterwards. */
  readonly isIntermediate: boolean;
}

/** What reads contradict by themselves. */
export function findDirectFault(transactions: readonly RecordedTransaction[]): DirectFault | null {
  const appended = appendedValues(transactions);
  const longest = new Map<string, { readonly values: readonly string[]; readonly by: RecordedTransaction }>();
  for (const transaction of transactions) {
    if (transaction.status !== "ok") continue;
    const fault = internalFault(transaction);
    if (fault !== null) return { anomaly: "internal", detail: fault, transactions: [transaction] };
    for (const { key, values } of externalReads(transaction)) {
      const found = listFault(key, values, transaction, appended);
      if (found !== null) return found;
      const known = longest.get(key);
      if (known !== undefined && !isPrefix(...bySize(values, known.values))) {
        const lists = `[${known.values.join(" ")}] and [${values.join(" ")}]`;
        return {
          anomaly: "impossible list",
          detail: `${key} was ${lists}, of which neither grew into the other`,
          transactions: [known.by, transaction],
        };
      }
      if (known === undefined || values.length > known.values.length)
        longest.set(key, { values, by: transaction });
    }
  }
  for (const [key, { values }] of longest) {
    const fault = orderFault(key, values, appended);
    if (fault !== null) return fault;
  }
  return null;
}

/** For a history without direct faults. What nobody saw of a transaction of unknown outcome did not happen. */
export function listVersions(all: readonly RecordedTransaction[]): ListVersions {
  const lists = new Map<string, readonly string[]>();
  for (const transaction of all) {
    if (transaction.status !== "ok") continue;
    for (const { key, values } of externalReads(transaction)) {
      if (values.length >= (lists.get(key)?.length ?? 0)) lists.set(key, values);
    }
  }
  const seen = new Set([...lists].flatMap(([key, values]) => values.map((value) => nameOf(key, value))));
  const transactions = all.filter(
    ({ status, operations }) =>
      status === "ok" ||
      (status === "unknown" &&
        operations.some((each) => each.op === "append" && seen.has(nameOf(each.key, each.value)))),
  );
  const writers = new Map<string, number>();
  const unread = new Map<string, Set<number>>();
  const readers = new Map<string, { readonly transaction: number; readonly length: number }[]>();
  for (const [at, transaction] of transactions.entries()) {
    for (const operation of transaction.operations) {
      if (operation.op !== "append") continue;
      const name = nameOf(operation.key, operation.value);
      if (seen.has(name)) writers.set(name, at);
      else of(unread, operation.key, () => new Set<number>()).add(at);
    }
    if (transaction.status !== "ok") continue;
    for (const { key, values } of externalReads(transaction)) {
      of(readers, key, () => []).push({ transaction: at, length: values.length });
    }
  }
  const keys = [...new Set([...lists.keys(), ...unread.keys()])].map((key) => ({
    writers: (lists.get(key) ?? []).map((value) => writers.get(nameOf(key, value)) as number),
    unread: [...(unread.get(key) ?? [])],
    readers: readers.get(key) ?? [],
  }));
  return { transactions, keys };
}

/** What a transaction read without what it had appended before. */
function externalReads(
  transaction: RecordedTransaction,
): readonly { readonly key: string; readonly values: readonly string[] }[] {
  const own = new Map<string, number>();
  return transaction.operations.flatMap((operation) => {
    const { key } = operation;
    if (operation.op === "append") {
      own.set(key, (own.get(key) ?? 0) + 1);
      return [];
    }
    const { values } = operation;
    return values === null ? [] : [{ key, values: values.slice(0, values.length - (own.get(key) ?? 0)) }];
  });
}

/** A transaction sees its own appends, and nothing else changes a key under it. */
function internalFault({ operations }: RecordedTransaction): string | null {
  const expected = new Map<string, readonly string[]>();
  const appendedFirst = new Map<string, readonly string[]>();
  for (const operation of operations) {
    const { key } = operation;
    const known = expected.get(key);
    if (operation.op === "append") {
      if (known !== undefined) expected.set(key, [...known, operation.value]);
      else appendedFirst.set(key, [...(appendedFirst.get(key) ?? []), operation.value]);
      continue;
    }
    if (operation.values === null) continue;
    const own = appendedFirst.get(key) ?? [];
    const isExpected =
      known === undefined
        ? isSame(operation.values.slice(operation.values.length - own.length), own)
        : isSame(operation.values, known);
    if (!isExpected || operation.values.length < own.length) {
      return `it reads ${key} as [${operation.values.join(" ")}] after ${describeOwn(operations, operation)}`;
    }
    expected.set(key, operation.values);
  }
  return null;
}

function listFault(
  key: string,
  values: readonly string[],
  reader: RecordedTransaction,
  appended: ReadonlyMap<string, Appended>,
): DirectFault | null {
  const places = new Set<string>();
  for (const value of values) {
    const source = appended.get(nameOf(key, value));
    const transactions = [...new Set([source?.transaction ?? reader, reader])];
    if (source === undefined || places.has(value)) {
      const what = source === undefined ? "which nobody appended" : "twice";
      return { anomaly: "impossible list", detail: `${key} holds ${value}, ${what}`, transactions };
    }
    if (source.transaction === reader) {
      const detail = `${key} held ${value} before the reader itself appended it`;
      return { anomaly: "internal", detail, transactions };
    }
    if (source.transaction.status === "fail") {
      return {
        anomaly: "G1a",
        detail: `${key} holds ${value} of a transaction that failed`,
        transactions,
      };
    }
    places.add(value);
  }
  const last = values.at(-1);
  const source = last === undefined ? undefined : appended.get(nameOf(key, last));
  if (source === undefined || !source.isIntermediate) return null;
  return {
    anomaly: "G1b",
    detail: `${key} ends with ${last}, after which the same transaction appended more`,
    transactions: [source.transaction, reader],
  };
}

/** What one transaction appended to a key is there in its order. */
function orderFault(
  key: string,
  values: readonly string[],
  appended: ReadonlyMap<string, Appended>,
): DirectFault | null {
  const places = new Map(values.map((value, at) => [value, at]));
  for (const value of values) {
    const { transaction } = appended.get(nameOf(key, value)) as Appended;
    const own = transaction.operations.flatMap((operation) =>
      operation.op === "append" && operation.key === key
        ? [places.get(operation.value) ?? values.length]
        : [],
    );
    if (own.every((place, at) => at === 0 || place >= (own[at - 1] as number))) continue;
    return {
      anomaly: "internal",
      detail: `${key} became [${values.join(" ")}], not in the order in which one transaction appended`,
      transactions: [transaction],
    };
  }
  return null;
}

function appendedValues(transactions: readonly RecordedTransaction[]): ReadonlyMap<string, Appended> {
  const appended = new Map<string, Appended>();
  for (const transaction of transactions) {
    for (const [at, operation] of transaction.operations.entries()) {
      if (operation.op !== "append") continue;
      const { key, value } = operation;
      const name = nameOf(key, value);
      if (appended.has(name)) throw new Error(`the value ${value} is appended to ${key} twice`);
      const later = transaction.operations.slice(at + 1);
      const isIntermediate = later.some((other) => other.op === "append" && other.key === key);
      appended.set(name, { transaction, isIntermediate });
    }
  }
  return appended;
}

function describeOwn(operations: readonly ListOperation[], until: ListOperation): string {
  const before = operations.slice(0, operations.indexOf(until)).filter(({ key }) => key === until.key);
  return before
    .map((operation) => (operation.op === "append" ? `append ${operation.value}` : "another read"))
    .join(", ");
}

function isPrefix(shorter: readonly string[], longer: readonly string[]): boolean {
  return shorter.every((value, at) => value === longer[at]);
}

function bySize(
  one: readonly string[],
  other: readonly string[],
): readonly [readonly string[], readonly string[]] {
  return one.length <= other.length ? [one, other] : [other, one];
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && isPrefix(left, right);
}

function nameOf(key: string, value: string): string {
  return `${key}\u0000${value}`;
}

function of<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let found = map.get(key);
  if (found === undefined) {
    found = make();
    map.set(key, found);
  }
  return found;
}
