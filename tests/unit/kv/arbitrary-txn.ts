import { type Txn, type TxnCompare, TxnCompareOperator, type TxnOperation } from "@quorate/proto/log";
import { compareBytes, EMPTY_BYTES } from "@quorate/services/std";
import fc from "fast-check";

/** What the parts of a Txn are drawn from, so that they meet those of other commands. */
export interface TxnParts {
  /** Empty ones too, for the ends of ranges. */
  readonly key: fc.Arbitrary<Uint8Array>;
  readonly value: fc.Arbitrary<Uint8Array>;
  readonly delta: fc.Arbitrary<bigint>;
  readonly leaseId: fc.Arbitrary<bigint>;
  readonly expectedModRevision: fc.Arbitrary<bigint | null>;
}

type Operation = NonNullable<TxnOperation["operation"]>;

/** Most are well-formed, and most are carried out. */
export function arbitraryTxn(parts: TxnParts): fc.Arbitrary<Txn> {
  const named = fc.oneof(
    { weight: 60, arbitrary: parts.key.filter((key) => key.length > 0) },
    { weight: 1, arbitrary: fc.constant(EMPTY_BYTES) },
  );
  const compare = arbitraryCompare(parts, named);
  const leaf = arbitraryLeaf(parts, named);
  const innermost = arbitraryOf(compare, leaf, 3);
  const nested = arbitraryOf(compare, orTxn(leaf, innermost, { weight: 60 }), 3);
  return arbitraryOf(compare, orTxn(leaf, nested, { weight: 8 }), 6);
}

function arbitraryOf(
  compare: fc.Arbitrary<TxnCompare>,
  operation: fc.Arbitrary<Operation>,
  operationsMax: number,
): fc.Arbitrary<Txn> {
  const branch = fc.array(
    operation.map((one): TxnOperation => ({ operation: one })),
    { maxLength: operationsMax, size: "max" },
  );
  return fc.record({
    compares: fc.oneof(
      { weight: 2, arbitrary: fc.constant<TxnCompare[]>([]) },
      { weight: 3, arbitrary: fc.array(compare, { minLength: 1, maxLength: 2 }) },
    ),
    success: branch,
    failure: branch,
    answerBytesMax: fc.oneof(
      { weight: 12, arbitrary: fc.constant(10_000n) },
      { weight: 3, arbitrary: fc.bigInt(0n, 300n) },
      { weight: 3, arbitrary: fc.bigInt(0n, 12n) },
    ),
  });
}

function orTxn(
  leaf: fc.Arbitrary<Operation>,
  nested: fc.Arbitrary<Txn>,
  { weight }: { readonly weight: number },
): fc.Arbitrary<Operation> {
  return fc.oneof(
    { weight, arbitrary: leaf },
    { weight: 1, arbitrary: nested.map((value): Operation => ({ $case: "txn", value })) },
  );
}

function arbitraryCompare(
  { key, value }: TxnParts,
  named: fc.Arbitrary<Uint8Array>,
): fc.Arbitrary<TxnCompare> {
  const number = fc.bigInt(0n, 12n);
  const target = fc.oneof(
    value.map((held) => ({ $case: "value" as const, value: held })),
    number.map((version) => ({ $case: "version" as const, value: version })),
    number.map((revision) => ({ $case: "createRevision" as const, value: revision })),
    number.map((revision) => ({ $case: "modRevision" as const, value: revision })),
    fc.bigInt(0n, 3n).map((leaseId) => ({ $case: "leaseId" as const, value: leaseId })),
  );
  const operator = fc.oneof(
    {
      weight: 40,
      arbitrary: fc.constantFrom(
        TxnCompareOperator.EQUAL,
        TxnCompareOperator.NOT_EQUAL,
        TxnCompareOperator.LESS,
        TxnCompareOperator.GREATER,
      ),
    },
    { weight: 1, arbitrary: fc.constantFrom(TxnCompareOperator.UNSPECIFIED, 9 as TxnCompareOperator) },
  );
  const ofKey = fc.record({
    key: named,
    start: fc.constant(EMPTY_BYTES),
    end: fc.constant(EMPTY_BYTES),
    operator,
    target,
  });
  const ofRange = fc
    .tuple(bounds(key), operator, target)
    .map(([range, by, to]) => ({ key: EMPTY_BYTES, ...range, operator: by, target: to }));
  return fc.oneof({ weight: 3, arbitrary: ofKey }, { weight: 2, arbitrary: ofRange });
}

function arbitraryLeaf(parts: TxnParts, named: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Operation> {
  const { key, value, delta, leaseId } = parts;
  // A condition that fails refuses the whole, so it is seldom set.
  const expectedModRevision = fc.oneof(
    { weight: 15, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: parts.expectedModRevision.map((expected) => expected ?? undefined) },
  );
  const returnPrevious = fc.boolean();
  const put = fc.record({ key: named, value, leaseId, returnPrevious, expectedModRevision });
  const deletion = fc.record({ key: named, returnPrevious, expectedModRevision });
  const rangeDeletion = fc
    .tuple(bounds(key), fc.constantFrom(0n, 2n, 20n))
    .map(([range, keysMax]) => ({ ...range, keysMax }));
  const append = fc.record({
    key: named,
    value,
    atStart: fc.boolean(),
    valueBytesMax: fc.constantFrom(16n, 64n, 64n),
  });
  const range = fc
    .tuple(bounds(key), fc.bigInt(1n, 8n), fc.boolean(), fc.boolean())
    .map(([at, limit, keysOnly, countOnly]) => ({ ...at, limit, keysOnly, countOnly }));
  return fc.oneof(
    { weight: 6, arbitrary: put.map((one): Operation => ({ $case: "put", value: one })) },
    { weight: 4, arbitrary: deletion.map((one): Operation => ({ $case: "delete", value: one })) },
    { weight: 1, arbitrary: rangeDeletion.map((one): Operation => ({ $case: "deleteRange", value: one })) },
    {
      weight: 1,
      arbitrary: fc
        .record({ key: named, delta })
        .map((one): Operation => ({ $case: "increment", value: one })),
    },
    { weight: 3, arbitrary: append.map((one): Operation => ({ $case: "append", value: one })) },
    { weight: 3, arbitrary: named.map((one): Operation => ({ $case: "get", value: { key: one } })) },
    { weight: 5, arbitrary: range.map((one): Operation => ({ $case: "range", value: one })) },
  );
}

interface Bounds {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

/** Some hold all keys, some none at all. */
function bounds(key: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Bounds> {
  const any = fc.record({ start: key, end: key });
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant({ start: EMPTY_BYTES, end: EMPTY_BYTES }) },
    {
      weight: 3,
      arbitrary: any.map(({ start, end }) =>
        end.length === 0 || compareBytes(start, end) < 0 ? { start, end } : { start: end, end: start },
      ),
    },
    { weight: 1, arbitrary: any },
  );
}
