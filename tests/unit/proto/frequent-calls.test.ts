import { describe, expect, test } from "@jest/globals";
import {
  Consistency,
  decodeGetRequest,
  decodePutRequest,
  encodeGetResponse,
  encodePutResponse,
  encodeScanResponse,
  GetRequest,
  GetResponse,
  type PlainHeader,
  type PlainRecord,
  PutRequest,
  PutResponse,
  type Record as RecordMessage,
  type ResponseHeader,
  ScanResponse,
} from "@quorate/proto/kv";
import { isWellFormedMessage } from "@quorate/services/rpc";
import fc from "fast-check";
import { bytesField, int64, text } from "./arbitrary-fields";

const bytes = bytesField();
const record: fc.Arbitrary<RecordMessage> = fc.record({
  key: bytes,
  value: bytes,
  createRevision: int64,
  modRevision: int64,
  version: int64,
  leaseId: int64,
});
const header: fc.Arbitrary<ResponseHeader> = fc.record({
  clusterId: text,
  memberId: text,
  term: int64,
  revision: int64,
});
const optionalRecord = fc.option(record, { nil: undefined });

/** The same with numbers, where those can stand for the integers: how nodes have them. */
function plain<Fields extends object>(fields: Fields): { [Name in keyof Fields]: Fields[Name] | number } {
  const isSafe = (value: unknown): value is bigint =>
    typeof value === "bigint" && value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER);
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, isSafe(value) ? Number(value) : value]),
  ) as { [Name in keyof Fields]: Fields[Name] | number };
}

const plainHeader = (fields: ResponseHeader): PlainHeader => plain(fields) as PlainHeader;
const plainRecord = (fields: RecordMessage): PlainRecord => plain(fields) as PlainRecord;

/** By one comparison: to print 20,000 bytes that differ helps nobody, and to walk them takes long. */
function expectEqual(bytes: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(bytes, expected)).toBe(0);
}

describe("answers encoded by hand are those of the generated code, byte for byte", () => {
  test("of Put", () => {
    fc.assert(
      fc.property(header, optionalRecord, (head, previous) => {
        const generated = PutResponse.encode({ header: head, previous }).finish();
        expectEqual(encodePutResponse(head, previous ?? null), generated);
        const byNumbers = previous === undefined ? null : plainRecord(previous);
        expectEqual(encodePutResponse(plainHeader(head), byNumbers), generated);
      }),
    );
  });

  test("of Get", () => {
    fc.assert(
      fc.property(header, optionalRecord, (head, found) => {
        const generated = GetResponse.encode({ header: head, record: found }).finish();
        expectEqual(encodeGetResponse(head, found ?? null), generated);
        const byNumbers = found === undefined ? null : plainRecord(found);
        expectEqual(encodeGetResponse(plainHeader(head), byNumbers), generated);
      }),
    );
  });

  test("of Scan, also where it outgrows the memory that is kept", () => {
    const records = fc.oneof(
      fc.array(record, { maxLength: 6 }),
      record.map((one) => Array.from({ length: 40 }, () => ({ ...one, value: new Uint8Array(20_000) }))),
    );
    fc.assert(
      fc.property(header, records, fc.boolean(), bytes, (head, found, more, nextCursor) => {
        const generated = ScanResponse.encode({ header: head, records: found, more, nextCursor }).finish();
        const byHand = encodeScanResponse({
          header: plainHeader(head),
          records: found.map(plainRecord),
          more,
          nextCursor,
        });
        expectEqual(byHand, generated);
      }),
    );
  });

  test("one after another, none of which is changed by the next", () => {
    const head = { clusterId: "c", memberId: "n1", term: 1, revision: 5 };
    const first = encodePutResponse(head, null);
    const copy = Uint8Array.from(first);
    encodePutResponse({ ...head, clusterId: "another", revision: 2 ** 40 }, null);
    expect(first).toEqual(copy);
  });
});

const putRequest: fc.Arbitrary<PutRequest> = fc.record({
  namespace: text,
  key: bytes,
  value: bytes,
  leaseId: int64,
  returnPrevious: fc.boolean(),
  expectedModRevision: fc.option(int64, { nil: undefined }),
});
const getRequest: fc.Arbitrary<GetRequest> = fc.record({
  namespace: text,
  key: bytes,
  consistency: fc.constantFrom(Consistency.UNSPECIFIED, Consistency.LINEARIZABLE, Consistency.STALE),
  minRevision: int64,
  maxStalenessMs: int64,
  revision: int64,
});

describe.each([
  {
    name: "PutRequest",
    byHand: decodePutRequest as (body: Uint8Array) => unknown,
    generated: (body: Uint8Array): unknown => PutRequest.decode(body),
    messages: putRequest.map((message) => PutRequest.encode(message).finish()),
    plain: PutRequest.encode({
      namespace: "here",
      key: new Uint8Array([1, 0, 255]),
      value: new Uint8Array(300),
      leaseId: 2n ** 53n - 1n,
      returnPrevious: true,
      expectedModRevision: 0n,
    }).finish(),
  },
  {
    name: "GetRequest",
    byHand: decodeGetRequest as (body: Uint8Array) => unknown,
    generated: (body: Uint8Array): unknown => GetRequest.decode(body),
    messages: getRequest.map((message) => GetRequest.encode(message).finish()),
    plain: GetRequest.encode({
      namespace: "here",
      key: new Uint8Array([1, 0, 255]),
      consistency: Consistency.STALE,
      minRevision: 1n,
      maxStalenessMs: 300n,
      revision: 2n ** 53n - 1n,
    }).finish(),
  },
])("a $name", ({ byHand, generated, messages, plain: plainBytes }) => {
  /** What it makes of the bytes is what the generated code makes of them, or nothing. */
  const agrees = (body: Uint8Array): boolean => {
    const decoded = byHand(body);
    if (decoded === null) return true;
    expect(isWellFormedMessage(body)).toBe(true);
    expect(decoded).toEqual(generated(body));
    return true;
  };

  test("that is plain is decoded by hand", () => {
    expect(byHand(plainBytes)).toEqual(generated(plainBytes));
    expect(byHand(new Uint8Array(0))).toEqual(generated(new Uint8Array(0)));
  });

  test("is decoded as the generated code does it, or left to that", () => {
    fc.assert(fc.property(messages, agrees));
  });

  test("twice over, cut off, with flipped bits and followed by garbage too", () => {
    const garbled = fc.oneof(
      fc.tuple(messages, messages).map((parts) => new Uint8Array(Buffer.concat(parts))),
      fc.tuple(messages, fc.nat()).map(([body, cut]) => body.slice(0, cut % (body.length + 1))),
      fc.tuple(messages, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([body, at, bits]) => {
        const flipped = Uint8Array.from(body);
        if (body.length > 0) flipped[at % body.length]! ^= bits;
        return flipped;
      }),
      fc
        .tuple(messages, fc.uint8Array({ maxLength: 12 }))
        .map((parts) => new Uint8Array(Buffer.concat(parts))),
      fc.uint8Array({ maxLength: 30 }),
    );
    fc.assert(fc.property(garbled, agrees), { numRuns: 500 });
  });
});
