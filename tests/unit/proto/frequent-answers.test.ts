import { describe, expect, test } from "@jest/globals";
import {
  Consistency,
  decodeGetAnswer,
  decodePutAnswer,
  decodeScanPart,
  encodeGetRequest,
  encodePutRequest,
  GetRequest,
  GetResponse,
  type PlainAnswer,
  type PlainRecord,
  type PlainScanPart,
  PutRequest,
  PutResponse,
  type Record as RecordMessage,
  type ResponseHeader,
  ScanResponse,
} from "@quorate/proto/kv";
import fc from "fast-check";
import { bytesField, int64, text } from "./arbitrary-fields";

const bytes = bytesField(600_000);

describe("requests encoded by hand are those of the generated code, byte for byte", () => {
  test("of Put", () => {
    const request: fc.Arbitrary<PutRequest> = fc.record({
      namespace: text,
      key: bytes,
      value: bytes,
      leaseId: int64,
      returnPrevious: fc.boolean(),
      expectedModRevision: fc.option(int64, { nil: undefined }),
    });
    fc.assert(
      fc.property(request, (message) => {
        expect(Buffer.compare(encodePutRequest(message), PutRequest.encode(message).finish())).toBe(0);
      }),
    );
  });

  test("of Get", () => {
    const request: fc.Arbitrary<GetRequest> = fc.record({
      namespace: text,
      key: bytes,
      consistency: fc.constantFrom(Consistency.UNSPECIFIED, Consistency.LINEARIZABLE, Consistency.STALE),
      minRevision: int64,
      maxStalenessMs: int64,
      revision: int64,
    });
    fc.assert(
      fc.property(request, (message) => {
        expect(Buffer.compare(encodeGetRequest(message), GetRequest.encode(message).finish())).toBe(0);
      }),
    );
  });

  test("of either with a key that is text", () => {
    const plain = { namespace: "ns", consistency: 1, minRevision: 0n, maxStalenessMs: 0n, revision: 0n };
    const write = { namespace: "ns", value: Buffer.of(1), leaseId: 0n, returnPrevious: false };
    const wellFormed = text.filter((key) => Buffer.from(key).toString() === key);
    fc.assert(
      fc.property(wellFormed, (key) => {
        const bytes = Buffer.from(key);
        expect(
          Buffer.compare(encodeGetRequest({ ...plain, key }), encodeGetRequest({ ...plain, key: bytes })),
        ).toBe(0);
        const put = { ...write, expectedModRevision: undefined };
        expect(
          Buffer.compare(encodePutRequest({ ...put, key }), encodePutRequest({ ...put, key: bytes })),
        ).toBe(0);
      }),
    );
  });

  test("one after another, none of which is changed by the next", () => {
    const request = { namespace: "", consistency: 0, minRevision: 0n, maxStalenessMs: 0n, revision: 0n };
    const first = encodeGetRequest({ ...request, key: Buffer.from("one") });
    const copy = Uint8Array.from(first);
    encodeGetRequest({ ...request, key: Buffer.from("another") });
    expect(Uint8Array.from(first)).toEqual(copy);
  });
});

const record: fc.Arbitrary<RecordMessage> = fc.record({
  key: bytes,
  value: bytes,
  createRevision: int64,
  modRevision: int64,
  version: int64,
  leaseId: int64,
});
// Few of them, since what is read again is what is kept.
const name = fc.oneof(fc.constantFrom("", "n1", "n2", "nö", "0123456789"), text);
const header: fc.Arbitrary<ResponseHeader> = fc.record({
  clusterId: name,
  memberId: name,
  term: int64,
  revision: int64,
});
const answer = fc.record({
  header: fc.option(header, { nil: undefined }),
  record: fc.option(record, { nil: undefined }),
});

/** With bigints, as the generated code has all integers. */
function exact({ header, record }: PlainAnswer): PlainAnswer {
  return { header: exactHeader(header), record: record && exactRecord(record) };
}

function exactHeader(header: PlainAnswer["header"]): PlainAnswer["header"] {
  return header && { ...header, term: BigInt(header.term), revision: BigInt(header.revision) };
}

function exactRecord(record: PlainRecord): PlainRecord {
  return {
    ...record,
    createRevision: BigInt(record.createRevision),
    modRevision: BigInt(record.modRevision),
    version: BigInt(record.version),
    leaseId: BigInt(record.leaseId),
  };
}

describe("records of answers", () => {
  const messages = [10, 300, 2000, 5000, 100_000, 3].map((length, at) => {
    const numbers = { createRevision: 1n, modRevision: 2n, version: 3n, leaseId: 0n };
    const record = { key: Buffer.from(`key ${at}`), value: Buffer.alloc(length, at), ...numbers };
    return GetResponse.encode({ header: undefined, record }).finish();
  });

  test("stay as they are, whatever becomes of the message and of later ones", () => {
    const records = messages.map((message) => {
      const { record } = decodeGetAnswer(message);
      message.fill(0xff);
      return record;
    });
    expect(records.map((record) => Buffer.from(record?.key ?? []).toString())).toEqual(
      messages.map((_, at) => `key ${at}`),
    );
    for (const [at, record] of records.entries()) expect(new Set(record?.value)).toEqual(new Set([at]));
  });

  test("share memory with those that are small too, and with no more than 8 KiB of them", () => {
    const answerOf = (length: number): Uint8Array => {
      const numbers = { createRevision: 1n, modRevision: 2n, version: 3n, leaseId: 0n };
      const record = { key: Buffer.from("k"), value: Buffer.alloc(length), ...numbers };
      return decodeGetAnswer(GetResponse.encode({ header: undefined, record }).finish()).record
        ?.value as Uint8Array;
    };
    expect(answerOf(300).buffer.byteLength).toBe(8 * 1024);
    expect(answerOf(100_000).buffer.byteLength).toBeLessThan(100_100);
  });
});

describe.each([
  {
    name: "PutResponse",
    byHand: decodePutAnswer,
    generated: (body: Uint8Array): PlainAnswer => {
      const { header, previous } = PutResponse.decode(body);
      return { header, record: previous };
    },
  },
  { name: "GetResponse", byHand: decodeGetAnswer, generated: (body: Uint8Array) => GetResponse.decode(body) },
])("a $name", ({ byHand, generated }) => {
  const messages = answer.map((message) => GetResponse.encode(message).finish());

  /** Makes of the bytes what the generated code makes of them, be it a failure. */
  const agrees = (body: Uint8Array): void => {
    expect(outcomeOf(() => exact(byHand(body)))).toEqual(outcomeOf(() => generated(body)));
  };

  test("of numbers is decoded without bigints", () => {
    const numbers = { createRevision: 5n, modRevision: 2n ** 53n - 1n, version: 1n, leaseId: 0n };
    const body = GetResponse.encode({
      header: { clusterId: "c", memberId: "n1", term: 3n, revision: 300n },
      record: { key: Buffer.from("k"), value: Buffer.alloc(300), ...numbers },
    }).finish();
    expect(byHand(body)).toMatchObject({
      header: { clusterId: "c", memberId: "n1", term: 3, revision: 300 },
      record: { createRevision: 5, modRevision: Number.MAX_SAFE_INTEGER, version: 1, leaseId: 0 },
    });
    agrees(body);
  });

  test("is decoded as the generated code does it", () => {
    fc.assert(fc.property(messages, agrees));
  });

  test("twice over, cut off, with flipped bits and followed by garbage too", () => {
    fc.assert(fc.property(garbled(messages), agrees), { numRuns: 500 });
  });
});

describe("a part of the answer to a Scan", () => {
  const messages = fc
    .record({
      header: fc.option(header, { nil: undefined }),
      records: fc.array(record, { maxLength: 5 }),
      more: fc.boolean(),
      nextCursor: bytes,
    })
    .map((message) => ScanResponse.encode(message).finish());

  /** Makes of the bytes what the generated code makes of them, be it a failure. */
  const agrees = (body: Uint8Array): void => {
    const told = (decode: (body: Uint8Array) => PlainScanPart): unknown => {
      try {
        const { header, records, more, nextCursor } = decode(body);
        const exactRecords = records.map((one) => hexRecord(exactRecord(one)));
        return [exactHeader(header), exactRecords, more, hex(nextCursor)];
      } catch (failure) {
        return String(failure);
      }
    };
    expect(told(decodeScanPart)).toEqual(told((bytes) => ScanResponse.decode(bytes)));
  };

  test("of numbers is decoded without bigints", () => {
    const numbers = { createRevision: 5n, modRevision: 2n ** 53n - 1n, version: 1n, leaseId: 0n };
    const body = ScanResponse.encode({
      header: { clusterId: "c", memberId: "n1", term: 3n, revision: 300n },
      records: [1, 2].map((at) => ({ key: Buffer.of(at), value: Buffer.alloc(300), ...numbers })),
      more: true,
      nextCursor: Buffer.of(1, 2),
    }).finish();
    const plainRecord = { createRevision: 5, modRevision: Number.MAX_SAFE_INTEGER, version: 1, leaseId: 0 };
    expect(decodeScanPart(body)).toMatchObject({ records: [plainRecord, plainRecord], more: true });
    agrees(body);
  });

  test.each([
    ["plain", 7n],
    ["odd", -7n],
  ])(
    "is in memory of its own, %s ones too, of which a short record keeps little and a long one nothing else",
    (_, leaseId) => {
      const numbers = { createRevision: 5n, modRevision: 6n, version: 1n, leaseId };
      const values = [0, 300, 5000, 300, 20_000, 1, 4000, 4000, 4000, 4000, 4000, 2].map((length, at) =>
        Buffer.alloc(length, at + 1),
      );
      const body = ScanResponse.encode({
        header: { clusterId: "c", memberId: "n1", term: 3n, revision: 300n },
        records: values.map((value, at) => ({ key: Buffer.of(at), value, ...numbers })),
        more: true,
        nextCursor: Buffer.of(1, 2),
      }).finish();
      const { records, nextCursor } = decodeScanPart(body);
      body.fill(0xff);
      expect(records.map(({ key, value }) => [hex(key), hex(value)])).toEqual(
        values.map((value, at) => [hex(Buffer.of(at)), hex(value)]),
      );
      expect(hex(nextCursor)).toBe("0102");
      for (const { value } of records) {
        expect(value.buffer.byteLength).toBeLessThanOrEqual(
          value.length > 4096 ? value.length + 100 : 16 * 1024,
        );
      }
    },
  );

  test("is decoded as the generated code does it", () => {
    fc.assert(fc.property(messages, agrees));
  });

  test("twice over, cut off, with flipped bits and followed by garbage too", () => {
    fc.assert(fc.property(garbled(messages), agrees), { numRuns: 500 });
  });
});

function garbled(messages: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    fc.tuple(messages, messages).map((parts) => new Uint8Array(Buffer.concat(parts))),
    fc.tuple(messages, fc.nat()).map(([body, cut]) => body.slice(0, cut % (body.length + 1))),
    fc.tuple(messages, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([body, at, bits]) => {
      const flipped = Uint8Array.from(body);
      if (body.length > 0) flipped[at % body.length]! ^= bits;
      return flipped;
    }),
    fc.tuple(messages, fc.uint8Array({ maxLength: 12 })).map((parts) => new Uint8Array(Buffer.concat(parts))),
    fc.uint8Array({ maxLength: 30 }),
  );
}

function outcomeOf(decode: () => PlainAnswer): unknown {
  try {
    const { header, record } = decode();
    // Of either kind of bytes.
    return [header, record && hexRecord(record)];
  } catch (failure) {
    return String(failure);
  }
}

function hexRecord(record: PlainRecord): object {
  return { ...record, key: hex(record.key), value: hex(record.value) };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
