import {
  type Compare,
  CompareOperator,
  type TxnOperation,
  TxnRequest,
  TxnResponse,
  type TxnResult,
} from "@quorate/proto/kv";
import {
  type Done,
  type TxnOperation as LoggedOperation,
  type Txn,
  type TxnCompare,
  TxnCompareOperator,
  type TxnDone,
} from "@quorate/proto/log";
import { CallFailure } from "#forward";
import { type Limits, TXN_COUNT_MAX, TXN_RANGE_RECORDS_MAX, TXN_RANGES_MAX, txnCommand } from "#kv";
import { assert, EMPTY_BYTES, unreachable } from "#std";
import { recordOfAnswer } from "./header";
import { unaryMethod } from "./method";
import { ANSWER_BYTES_MAX } from "./read-methods";
import {
  checkCondition,
  checkKey,
  checkNamespace,
  checkNotNegative,
  checkRange,
  checkRangeIsNamed,
  checkValue,
  invalid,
} from "./request-fields";
import { cursorAfter } from "./scan";
import { sourceOf, submit } from "./submit";

/** Txn: the same checks as for single operations, then one command. */
export const txn = unaryMethod(TxnRequest, TxnResponse, async (node, request, call) => {
  const command = txnCommand(sourceOf(node, request, call), loggedTxn(request, node.limits));
  const { done, header } = await submit(node, call, command);
  assert(done.txn !== undefined, "a Txn answers with what it did");
  return { ...answerOf(request, done.txn), header };
});

type Nested = "outermost" | "nested";

function loggedTxn(request: TxnRequest, limits: Limits): Txn {
  checkCounts(request, limits.txnOperationsMax);
  const logged = new Translation(checkNamespace(request.namespace), limits).txn(request, "outermost");
  return { ...logged, answerBytesMax: BigInt(Math.min(limits.requestBytesMax, ANSWER_BYTES_MAX)) };
}

function checkCounts(request: TxnRequest, max: number): void {
  for (const [field, count] of [
    ["compares", comparesIn(request)],
    ["success", operationsIn(request.success)],
    ["failure", operationsIn(request.failure)],
  ] as const) {
    if (count > max) {
      throw invalid(`${field} has ${count} items with those of nested ones, more than the limit of ${max}`);
    }
  }
  const ranges = rangesIn(request);
  if (ranges > TXN_RANGES_MAX) {
    throw invalid(
      `the Txn holds ${ranges} ranges with those of nested ones, more than the limit of ${TXN_RANGES_MAX}`,
    );
  }
}

function comparesIn({ compares, success, failure }: TxnRequest): number {
  let count = compares.length;
  for (const { operation } of [...success, ...failure]) {
    if (operation?.$case === "txn") count += operation.value.compares.length;
  }
  return count;
}

function operationsIn(operations: readonly TxnOperation[]): number {
  let count = operations.length;
  for (const { operation } of operations) {
    if (operation?.$case === "txn") count += operation.value.success.length + operation.value.failure.length;
  }
  return count;
}

/** What a Txn reads or deletes by range, and compares of ranges. */
function rangesIn({ compares, success, failure }: TxnRequest): number {
  let count = compares.filter(({ key }) => key.length === 0).length;
  for (const { operation } of [...success, ...failure]) {
    if (operation?.$case === "txn") count += rangesIn(operation.value);
    else if (
      operation?.$case === "scan" ||
      operation?.$case === "count" ||
      operation?.$case === "deleteRange"
    ) {
      count += 1;
    }
  }
  return count;
}

const operators = {
  [CompareOperator.EQUAL]: TxnCompareOperator.EQUAL,
  [CompareOperator.NOT_EQUAL]: TxnCompareOperator.NOT_EQUAL,
  [CompareOperator.LESS]: TxnCompareOperator.LESS,
  [CompareOperator.GREATER]: TxnCompareOperator.GREATER,
} as const satisfies Record<Exclude<CompareOperator, CompareOperator.UNSPECIFIED>, TxnCompareOperator>;

/** From what a caller asks to what the log keeps; throws what is wrong with it, naming the place. */
class Translation {
  constructor(
    private readonly namespace: string,
    private readonly limits: Limits,
  ) {}

  txn(request: TxnRequest, depth: Nested): Txn {
    return {
      compares: request.compares.map((compare, at) => within(`compares[${at}]`, () => this.compare(compare))),
      success: request.success.map((operation, at) =>
        within(`success[${at}]`, () => this.operation(operation, depth)),
      ),
      failure: request.failure.map((operation, at) =>
        within(`failure[${at}]`, () => this.operation(operation, depth)),
      ),
      answerBytesMax: 0n,
    };
  }

  private compare(compare: Compare): TxnCompare {
    const { key, start, end, prefix, target } = compare;
    if (target === undefined) throw invalid("target must be set: what is compared with what");
    // What is on the wire may be a number that this version has no name for.
    const operator: TxnCompareOperator | undefined =
      compare.operator === CompareOperator.UNSPECIFIED ? undefined : operators[compare.operator];
    if (operator === undefined) throw invalid(`operator has the unknown value ${compare.operator}`);
    if (target.$case === "value") checkValue(target.value, this.limits);
    else checkNotNegative(target.value, `target ${target.$case}`);
    if (key.length === 0) {
      checkRangeIsNamed(compare, "key, start, end and prefix");
      const range = checkRange(compare, this.limits);
      return { key, start: range.start, end: range.end ?? EMPTY_BYTES, operator, target };
    }
    if (start.length > 0 || end.length > 0 || prefix.length > 0) {
      throw invalid("key cannot be combined with start, end or prefix");
    }
    return { key: checkKey(key, this.limits), start: EMPTY_BYTES, end: EMPTY_BYTES, operator, target };
  }

  private operation({ operation }: TxnOperation, depth: Nested): LoggedOperation {
    if (operation === undefined) throw invalid("operation must be set");
    const name = operation.$case === "deleteRange" ? "delete_range" : operation.$case;
    return { operation: within(name, () => this.logged(operation, depth)) };
  }

  private logged(
    operation: NonNullable<TxnOperation["operation"]>,
    depth: Nested,
  ): NonNullable<LoggedOperation["operation"]> {
    const { limits } = this;
    this.checkNamespace(operation.value.namespace);
    switch (operation.$case) {
      case "put": {
        const { key, value, leaseId, returnPrevious, expectedModRevision } = operation.value;
        return {
          $case: "put",
          value: {
            key: checkKey(key, limits),
            value: checkValue(value, limits),
            leaseId: checkNotNegative(leaseId, "lease_id"),
            returnPrevious,
            expectedModRevision: checkCondition(expectedModRevision) ?? undefined,
          },
        };
      }
      case "delete": {
        const { key, returnPrevious, expectedModRevision } = operation.value;
        return {
          $case: "delete",
          value: {
            key: checkKey(key, limits),
            returnPrevious,
            expectedModRevision: checkCondition(expectedModRevision) ?? undefined,
          },
        };
      }
      case "deleteRange": {
        checkRangeIsNamed(operation.value);
        const { start, end } = checkRange(operation.value, limits);
        const keysMax = BigInt(limits.batchRecordsMax);
        return { $case: "deleteRange", value: { start, end: end ?? EMPTY_BYTES, keysMax } };
      }
      case "increment": {
        const { key, delta } = operation.value;
        return { $case: "increment", value: { key: checkKey(key, limits), delta } };
      }
      case "append":
      case "prepend": {
        const { key, value } = operation.value;
        return {
          $case: "append",
          value: {
            key: checkKey(key, limits),
            value: checkValue(value, limits),
            atStart: operation.$case === "prepend",
            valueBytesMax: BigInt(limits.valueBytesMax),
          },
        };
      }
      case "get":
        checkUnset(operation.value, FRESHNESS);
        return { $case: "get", value: { key: checkKey(operation.value.key, limits) } };
      case "scan": {
        checkUnset(operation.value, [...FRESHNESS, "cursor", "reverse"]);
        const { keysOnly } = operation.value;
        const limit = operation.value.limit === 0n ? BigInt(TXN_RANGE_RECORDS_MAX) : operation.value.limit;
        if (limit < 0n || limit > TXN_RANGE_RECORDS_MAX) {
          throw invalid(`limit is ${limit}; within a Txn it is 1 to ${TXN_RANGE_RECORDS_MAX}`);
        }
        const { start, end } = checkRange(operation.value, limits);
        const range = { start, end: end ?? EMPTY_BYTES, limit, keysOnly, countOnly: false };
        return { $case: "range", value: range };
      }
      case "count": {
        checkUnset(operation.value, FRESHNESS);
        const { start, end } = checkRange(operation.value, limits);
        const limit = BigInt(TXN_COUNT_MAX);
        return {
          $case: "range",
          value: { start, end: end ?? EMPTY_BYTES, limit, keysOnly: true, countOnly: true },
        };
      }
      case "txn":
        if (depth === "nested")
          throw invalid("txn is nested too deep: a Txn within a Txn holds no further one");
        return { $case: "txn", value: this.txn(operation.value, "nested") };
      default:
        return unreachable(operation);
    }
  }

  private checkNamespace(namespace: string): void {
    if (namespace !== "" && namespace !== this.namespace) {
      throw invalid(`namespace is "${namespace}", but a Txn stays within its own, "${this.namespace}"`);
    }
  }
}

const FRESHNESS = ["consistency", "minRevision", "maxStalenessMs", "revision"] as const;

const fieldNames = {
  consistency: "consistency",
  minRevision: "min_revision",
  maxStalenessMs: "max_staleness_ms",
  revision: "revision",
  cursor: "cursor",
  reverse: "reverse",
} as const;

type ReadField = keyof typeof fieldNames;

/** Reads of a Txn see the state as the earlier operations left it: nothing else can be asked for. */
function checkUnset(
  request: Partial<Record<ReadField, number | bigint | boolean | Uint8Array>>,
  fields: readonly ReadField[],
): void {
  for (const field of fields) {
    const value = request[field];
    const isSet = value instanceof Uint8Array ? value.length > 0 : Boolean(value);
    if (isSet) throw invalid(`${fieldNames[field]} must not be set within a Txn`);
  }
}

/** Puts the place in front of what is wrong there; messages begin with the name of a field. */
function within<T>(place: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof CallFailure)) throw error;
    throw new CallFailure(error.reason, `${place}.${error.message}`, { cause: error });
  }
}

function answerOf(request: TxnRequest, done: TxnDone): TxnResponse {
  const operations = done.succeeded ? request.success : request.failure;
  assert(operations.length === done.results.length, "each operation that was carried out has a result");
  return {
    header: undefined,
    succeeded: done.succeeded,
    results: operations.map(({ operation }, at) => {
      assert(operation !== undefined, "what was carried out was set");
      return { result: resultOf(operation, done.results[at] as Done) };
    }),
  };
}

function resultOf(
  operation: NonNullable<TxnOperation["operation"]>,
  done: Done,
): NonNullable<TxnResult["result"]> {
  const header = undefined;
  switch (operation.$case) {
    case "put":
      return { $case: "put", value: { header, previous: recordOfAnswer(done.previous) } };
    case "delete": {
      const { deleted } = done;
      return { $case: "delete", value: { header, deleted, previous: recordOfAnswer(done.previous) } };
    }
    case "deleteRange":
      return { $case: "deleteRange", value: { header, deleted: done.deleted } };
    case "increment":
      return { $case: "increment", value: { header, value: done.value } };
    case "append":
    case "prepend":
      return { $case: operation.$case, value: { header, record: recordOfAnswer(done.record) } };
    case "get":
      return { $case: "get", value: { header, record: recordOfAnswer(done.record) } };
    case "scan": {
      const { records, more } = done;
      const last = records.at(-1);
      const nextCursor = more && last !== undefined ? cursorAfter(last.key) : EMPTY_BYTES;
      return { $case: "scan", value: { header, records, more, nextCursor } };
    }
    case "count":
      return { $case: "count", value: { header, count: done.count } };
    case "txn":
      assert(done.txn !== undefined, "a nested Txn answers with what it did");
      return { $case: "txn", value: answerOf(operation.value, done.txn) };
    default:
      return unreachable(operation);
  }
}
