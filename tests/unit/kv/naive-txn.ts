import {
  Refusal,
  type Txn,
  type TxnCompare,
  TxnCompareOperator,
  type TxnOperation,
  type TxnRange,
} from "@quorate/proto/log";
import { type Done, TXN_COUNT_MAX, TXN_RANGE_RECORDS_MAX, TXN_RANGES_MAX } from "@quorate/services/kv";
import { hexDecode, hexEncode } from "@quorate/services/std";

export interface NaiveRecord {
  readonly value: string;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly version: bigint;
  readonly leaseId: bigint;
}

export type NaiveOutcome = Partial<Done> | Refusal;

type Operation = NonNullable<TxnOperation["operation"]>;
type WriteOperation = Exclude<Operation, { $case: "get" | "range" | "txn" }>;
type Branch = readonly TxnOperation[];

/** The records that a Txn works on, by the hexadecimal text of the key. */
export interface NaiveRecords {
  readonly before: ReadonlyMap<string, NaiveRecord>;
  readonly now: ReadonlyMap<string, NaiveRecord>;
  write(operation: WriteOperation): NaiveOutcome;
}

/** What a Txn does, in the plainest form. Of one that is refused it leaves half: the caller puts it right. */
export function naiveTxn(txn: Txn, records: NaiveRecords): NaiveOutcome {
  const run = new Run(records, txn.answerBytesMax);
  try {
    return run.txn(txn);
  } catch (error) {
    if (error instanceof Refused) return error.refusal;
    throw error;
  }
}

export function naiveDone(fields: Partial<Done>): Done {
  return {
    previous: undefined,
    record: undefined,
    deleted: 0n,
    value: 0n,
    clientId: 0n,
    ttlMs: 0n,
    namespaceId: 0n,
    leaseId: 0n,
    renewals: [],
    txn: undefined,
    records: [],
    more: false,
    count: 0n,
    ...fields,
  };
}

export function naiveAnswerRecord(key: string, record: NaiveRecord): NonNullable<Done["record"]> {
  const value = hexDecode(record.value) as Uint8Array;
  return { ...record, key: hexDecode(key) as Uint8Array, value };
}

export function isMalformedTxn(txn: Txn, isNested = false): boolean {
  const operations = [...txn.success, ...txn.failure];
  return (
    txn.compares.some(isMalformedCompare) ||
    operations.some(({ operation }) => isMalformedOperation(operation, isNested)) ||
    rangesIn(txn) > TXN_RANGES_MAX ||
    (!isNested && txn.answerBytesMax < 0n)
  );
}

class Refused extends Error {
  constructor(readonly refusal: Refusal) {
    super(Refusal[refusal]);
  }
}

class Run {
  private answerBytes = 0n;

  constructor(
    private readonly records: NaiveRecords,
    private readonly answerBytesMax: bigint,
  ) {}

  txn(txn: Txn): Partial<Done> {
    const succeeded = txn.compares.every((compare) => this.holds(compare));
    const branch: Branch = succeeded ? txn.success : txn.failure;
    const results = branch.map(({ operation }) => naiveDone(this.operation(operation as Operation)));
    return { txn: { succeeded, results } };
  }

  private operation(operation: Operation): Partial<Done> {
    if (operation.$case === "txn") return this.txn(operation.value);
    const done = this.leaf(operation);
    for (const record of [done.previous, done.record, ...(done.records ?? [])]) {
      if (record !== undefined) this.answerBytes += BigInt(record.key.length + record.value.length + 64);
    }
    if (this.answerBytes > this.answerBytesMax) throw new Refused(Refusal.TOO_LARGE);
    return done;
  }

  private leaf(operation: Exclude<Operation, { $case: "txn" }>): Partial<Done> {
    if (operation.$case === "get") {
      const key = hexEncode(operation.value.key);
      const record = this.records.now.get(key);
      return record === undefined ? {} : { record: naiveAnswerRecord(key, record) };
    }
    if (operation.$case === "range") return this.range(operation.value);
    const outcome = this.records.write(operation);
    if (typeof outcome === "number") throw new Refused(outcome);
    return outcome;
  }

  private range(range: TxnRange): Partial<Done> {
    const keys = keysIn(this.records.now, range);
    const isLonger = BigInt(keys.length) > range.limit;
    if (range.countOnly) {
      if (isLonger) throw new Refused(Refusal.TOO_LARGE);
      return { count: BigInt(keys.length) };
    }
    if (!range.keysOnly) this.checkValues(range, keys, range.limit);
    const records = keys.slice(0, Number(range.limit)).map((key) => {
      const record = this.records.now.get(key) as NaiveRecord;
      return naiveAnswerRecord(key, range.keysOnly ? { ...record, value: "" } : record);
    });
    return { records, more: isLonger };
  }

  private holds(compare: TxnCompare): boolean {
    if (compare.key.length > 0) return holdsFor(compare, this.records.now.get(hexEncode(compare.key)));
    const keys = keysIn(this.records.now, compare);
    if (compare.target?.$case === "value") this.checkValues(compare, keys, BigInt(TXN_COUNT_MAX));
    return keys.every((key) => holdsFor(compare, this.records.now.get(key)));
  }

  /** Values are read, before the Txn, up to the one that makes more than the limit: keys behind it are not known. */
  private checkValues(range: Range, keys: readonly string[], wanted: bigint): void {
    let bytes = 0n;
    for (const last of keysIn(this.records.before, range)) {
      bytes += BigInt((this.records.before.get(last) as NaiveRecord).value.length / 2);
      if (bytes <= this.answerBytesMax) continue;
      if (keys.filter((key) => key <= last).length <= wanted) throw new Refused(Refusal.TOO_LARGE);
      return;
    }
  }
}

interface Range {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

function keysIn(records: ReadonlyMap<string, NaiveRecord>, range: Range): string[] {
  const start = hexEncode(range.start);
  const end = hexEncode(range.end);
  return [...records.keys()].filter((key) => key >= start && (end === "" || key < end)).sort();
}

function holdsFor({ operator, target }: TxnCompare, record: NaiveRecord | undefined): boolean {
  if (target === undefined) return false;
  if (target.$case === "value" && record === undefined) return false;
  // Hexadecimal text orders as the bytes do.
  const [property, wanted] =
    target.$case === "value"
      ? [record?.value ?? "", hexEncode(target.value)]
      : [record?.[target.$case] ?? 0n, target.value];
  switch (operator) {
    case TxnCompareOperator.EQUAL:
      return property === wanted;
    case TxnCompareOperator.NOT_EQUAL:
      return property !== wanted;
    case TxnCompareOperator.LESS:
      return property < wanted;
    case TxnCompareOperator.GREATER:
      return property > wanted;
    default:
      return false;
  }
}

function isMalformedCompare({ key, start, end, operator, target }: TxnCompare): boolean {
  const isBoth = key.length > 0 && start.length + end.length > 0;
  return isBoth || ![1, 2, 3, 4].includes(operator) || target === undefined;
}

function isMalformedOperation(operation: TxnOperation["operation"], isNested: boolean): boolean {
  if (operation === undefined) return true;
  switch (operation.$case) {
    case "txn":
      return isNested || isMalformedTxn(operation.value, true);
    case "range": {
      const { limit, countOnly } = operation.value;
      return limit < 1n || limit > (countOnly ? TXN_COUNT_MAX : TXN_RANGE_RECORDS_MAX);
    }
    case "deleteRange":
      return operation.value.keysMax < 0n;
    case "append":
      return operation.value.key.length === 0 || operation.value.valueBytesMax < 0n;
    default:
      return operation.value.key.length === 0;
  }
}

function rangesIn({ compares, success, failure }: Txn): number {
  let ranges = compares.filter(({ key }) => key.length === 0).length;
  for (const { operation } of [...success, ...failure]) {
    if (operation?.$case === "range" || operation?.$case === "deleteRange") ranges += 1;
    if (operation?.$case === "txn") ranges += rangesIn(operation.value);
  }
  return ranges;
}
