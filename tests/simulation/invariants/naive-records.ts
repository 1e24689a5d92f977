import type { Command } from "@quorate/services/kv";
import { Refusal } from "@quorate/services/kv";
import { hexEncode } from "@quorate/services/std";

/** A record as text: key and value in hexadecimal. */
export interface NaiveRecord {
  readonly key: string;
  readonly value: string;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly version: bigint;
  readonly leaseId: bigint;
}

export type NaiveRecords = ReadonlyMap<string, NaiveRecord>;

/** What one operation is to say that it did; what is absent is nothing or 0. */
export interface NaiveDone {
  readonly deleted?: bigint;
  readonly value?: bigint;
  readonly clientId?: bigint;
  readonly ttlMs?: bigint;
  readonly namespaceId?: bigint;
  readonly leaseId?: bigint;
  readonly renewals?: readonly { readonly leaseId: bigint; readonly ttlMs: bigint }[];
  readonly record?: NaiveRecord | undefined;
  readonly previous?: NaiveRecord | undefined;
  readonly records?: readonly NaiveRecord[];
  readonly more?: boolean;
  readonly count?: bigint;
  readonly txn?: { readonly succeeded: boolean; readonly results: readonly NaiveDone[] };
}

type Operation = NonNullable<Command["operation"]>;
type Txn = Extract<Operation, { $case: "txn" }>["value"];
type TxnOperation = NonNullable<Txn["success"][number]["operation"]>;
type Compare = Txn["compares"][number];
/** Those that read and change records, one by one or in a Txn. */
export type RecordOperation =
  | Extract<Operation, { $case: "put" | "delete" | "deleteRange" | "increment" | "append" | "txn" }>
  | TxnOperation;

const INTEGER = /^(?:0|-?[1-9][0-9]*)$/;
const INT64_MAX = 9223372036854775807n;
/** Of TxnCompareOperator. */
const [EQUAL, NOT_EQUAL, LESS, GREATER] = [1, 2, 3, 4];

/** The records of a namespace while one command works on them: on a copy, so that a refusal needs no undoing. */
export class NaiveDraft {
  readonly records: Map<string, NaiveRecord>;
  /** In the order in which they were first touched. */
  private readonly touched = new Set<string>();

  constructor(
    private readonly before: NaiveRecords,
    private readonly revision: bigint,
    private readonly hasLease: (leaseId: bigint) => boolean,
  ) {
    this.records = new Map(before);
  }

  /** What it comes to: of each key at most one change. */
  changes(): readonly { readonly key: string; readonly record: NaiveRecord | null }[] {
    return [...this.touched].flatMap((key) => {
      const record = this.records.get(key) ?? null;
      return record === null && !this.before.has(key) ? [] : [{ key, record }];
    });
  }

  run(operation: RecordOperation): NaiveDone | Refusal {
    switch (operation.$case) {
      case "put": {
        const { returnPrevious, expectedModRevision, value, leaseId } = operation.value;
        const key = hexEncode(operation.value.key);
        const previous = this.records.get(key);
        if (leaseId !== 0n && !this.hasLease(leaseId)) return Refusal.UNKNOWN_LEASE;
        if (isOther(previous, expectedModRevision)) return Refusal.CONDITION_FAILED;
        this.set(key, hexEncode(value), leaseId);
        return { previous: returnPrevious ? previous : undefined };
      }
      case "delete": {
        const { returnPrevious, expectedModRevision } = operation.value;
        const key = hexEncode(operation.value.key);
        const previous = this.records.get(key);
        if (isOther(previous, expectedModRevision)) return Refusal.CONDITION_FAILED;
        this.remove(previous === undefined ? [] : [key]);
        return {
          deleted: previous === undefined ? 0n : 1n,
          previous: returnPrevious ? previous : undefined,
        };
      }
      case "deleteRange": {
        const keys = this.inRange(operation.value).map(({ key }) => key);
        if (keys.length > operation.value.keysMax) return Refusal.TOO_LARGE;
        this.remove(keys);
        return { deleted: BigInt(keys.length) };
      }
      case "increment": {
        const key = hexEncode(operation.value.key);
        const old = this.records.get(key);
        const text = textOf(old?.value ?? "30");
        if (!INTEGER.test(text) || !isInt64(BigInt(text))) return Refusal.NOT_AN_INTEGER;
        const value = BigInt(text) + operation.value.delta;
        if (!isInt64(value)) return Refusal.INTEGER_OVERFLOW;
        this.set(key, hexOf(String(value)), old?.leaseId ?? 0n);
        return { value };
      }
      case "append": {
        const key = hexEncode(operation.value.key);
        const operand = hexEncode(operation.value.value);
        const old = this.records.get(key);
        if (old !== undefined && operand === "") return { record: old };
        const value = operation.value.atStart ? operand + (old?.value ?? "") : (old?.value ?? "") + operand;
        if (BigInt(value.length) > 2n * operation.value.valueBytesMax) return Refusal.TOO_LARGE;
        return { record: this.set(key, value, old?.leaseId ?? 0n) };
      }
      case "get":
        return { record: this.records.get(hexEncode(operation.value.key)) };
      case "range": {
        const { limit, keysOnly, countOnly } = operation.value;
        const all = this.inRange(operation.value);
        const more = all.length > limit;
        const first = all.slice(0, Number(limit));
        // A count that is cut would be none.
        if (countOnly) return more ? Refusal.TOO_LARGE : { count: BigInt(all.length) };
        return { records: keysOnly ? first.map((record) => ({ ...record, value: "" })) : first, more };
      }
      case "txn":
        return this.txn(operation.value);
    }
  }

  private txn({ compares, success, failure }: Txn): NaiveDone | Refusal {
    const succeeded = compares.every((compare) => this.holds(compare));
    const results: NaiveDone[] = [];
    for (const { operation } of succeeded ? success : failure) {
      if (operation === undefined) return Refusal.UNKNOWN_COMMAND;
      const result = this.run(operation);
      if (typeof result === "number") return result;
      results.push(result);
    }
    return { txn: { succeeded, results } };
  }

  private holds(compare: Compare): boolean {
    const key = hexEncode(compare.key);
    const records = key === "" ? this.inRange(compare) : [this.records.get(key)];
    return records.every((record) => standsTo(record, compare));
  }

  private inRange(range: { readonly start: Uint8Array; readonly end: Uint8Array }): readonly NaiveRecord[] {
    const start = hexEncode(range.start);
    const end = hexEncode(range.end);
    return [...this.records.values()]
      .filter(({ key }) => key >= start && (end === "" || key < end))
      .sort((left, right) => (left.key < right.key ? -1 : 1));
  }

  private set(key: string, value: string, leaseId: bigint): NaiveRecord {
    const { revision } = this;
    const old = this.records.get(key);
    const record = {
      key,
      value,
      createRevision: old?.createRevision ?? revision,
      modRevision: revision,
      // All that one command does to a key is one version.
      version: old?.modRevision === revision ? old.version : (old?.version ?? 0n) + 1n,
      leaseId,
    };
    this.records.set(key, record);
    this.touched.add(key);
    return record;
  }

  private remove(keys: readonly string[]): void {
    for (const key of keys) {
      this.records.delete(key);
      this.touched.add(key);
    }
  }
}

function standsTo(record: NaiveRecord | undefined, { target, operator }: Compare): boolean {
  if (target === undefined) return false;
  if (target.$case === "value") {
    if (record === undefined) return false;
    return isOrdered(record.value, hexEncode(target.value), operator);
  }
  const property = {
    version: record?.version ?? 0n,
    createRevision: record?.createRevision ?? 0n,
    modRevision: record?.modRevision ?? 0n,
    leaseId: record?.leaseId ?? 0n,
  }[target.$case];
  return isOrdered(property, target.value, operator);
}

function isOrdered<T extends string | bigint>(left: T, right: T, operator: number): boolean {
  switch (operator) {
    case EQUAL:
      return left === right;
    case NOT_EQUAL:
      return left !== right;
    case LESS:
      return left < right;
    case GREATER:
      return left > right;
    default:
      return false;
  }
}

function isOther(record: NaiveRecord | undefined, expected: bigint | undefined): boolean {
  return expected !== undefined && expected !== (record?.modRevision ?? 0n);
}

function isInt64(value: bigint): boolean {
  return value <= INT64_MAX && value >= -INT64_MAX - 1n;
}

function textOf(hex: string): string {
  let text = "";
  for (let at = 0; at < hex.length; at += 2)
    text += String.fromCharCode(Number.parseInt(hex.slice(at, at + 2), 16));
  return text;
}

function hexOf(text: string): string {
  let hex = "";
  for (let at = 0; at < text.length; at += 1) hex += text.charCodeAt(at).toString(16).padStart(2, "0");
  return hex;
}
