import { describe, expect, test } from "@jest/globals";
import {
  Answer,
  Command,
  type DecodedRequestId,
  Done,
  decodePutCommand,
  encodePlainAnswer,
  encodePutCommand,
  type Put,
  type RequestId,
} from "@quorate/proto/log";
import { encodeCommand, encodePutCommand as encodeOfKv, putCommand } from "@quorate/services/kv";
import fc from "fast-check";
import { bytesField, int64, text } from "./arbitrary-fields";

const safe = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const bytes = bytesField();
const put: fc.Arbitrary<Put> = fc.record({
  key: bytes,
  value: bytes,
  leaseId: int64,
  returnPrevious: fc.boolean(),
  expectedModRevision: fc.option(int64, { nil: undefined }),
});
const requestId: fc.Arbitrary<RequestId> = fc.record({
  clientId: int64,
  sequence: int64,
  firstUnanswered: int64,
  follows: fc.option(int64, { nil: undefined }),
});
const fields = fc.record({
  wallTimeMs: int64,
  requestId: fc.option(requestId, { nil: undefined }),
  namespace: text,
  put,
});

type SaidPut = typeof fields extends fc.Arbitrary<infer Fields> ? Fields : never;

function generated({ put: value, ...rest }: SaidPut) {
  return new Uint8Array(Command.encode({ ...rest, operation: { $case: "put", value } }).finish());
}

function encoded({ put, ...rest }: SaidPut): Uint8Array {
  return encodePutCommand(
    { ...rest, requestId: rest.requestId ?? null },
    { ...put, expectedModRevision: put.expectedModRevision ?? null },
  );
}

function inBigints({ clientId, sequence, firstUnanswered, follows }: DecodedRequestId): RequestId {
  return {
    clientId: BigInt(clientId),
    sequence: BigInt(sequence),
    firstUnanswered: BigInt(firstUnanswered),
    follows: follows === null ? undefined : BigInt(follows),
  };
}

/** What it makes of the bytes is what the generated code makes of them, or nothing. */
function agrees(body: Uint8Array): void {
  const decoded = decodePutCommand(body);
  if (decoded === null) return;
  const { wallTimeMs, requestId, ...rest } = decoded;
  expect({
    wallTimeMs: BigInt(wallTimeMs),
    requestId: requestId === null ? undefined : inBigints(requestId),
    ...rest,
  }).toEqual(Command.decode(body));
}

describe("the command of a put", () => {
  test("is encoded by hand as by the generated code, byte for byte", () => {
    fc.assert(
      fc.property(fields, (said) => {
        expect(Buffer.compare(encoded(said), generated(said))).toBe(0);
      }),
    );
  });

  test("stays as it was encoded, whatever is encoded after it in the same piece of memory", () => {
    const sizes = fc.array(fc.constantFrom(0, 1, 300, 9_000, 40_000, 70_000), {
      minLength: 2,
      maxLength: 40,
    });
    fc.assert(
      fc.property(fields, sizes, (said, sizes) => {
        const puts = sizes.map((size, at) => {
          const value = new Uint8Array(size).fill(at + 1);
          return { ...said, put: { ...said.put, value } };
        });
        const commands = puts.map(encoded);
        for (const [at, put] of puts.entries()) {
          expect(Buffer.compare(commands[at] as Uint8Array, generated(put))).toBe(0);
        }
      }),
      { numRuns: 30 },
    );
  });

  test("lies beside those that were encoded before it, for to give each memory of its own costs more than to encode it", () => {
    const small = { wallTimeMs: 1, requestId: null, namespace: "" };
    const put = { key: Buffer.from("k"), value: Buffer.alloc(256), leaseId: 0, returnPrevious: false };
    const pieces = new Set(
      Array.from(
        { length: 200 },
        () => encodePutCommand(small, { ...put, expectedModRevision: null }).buffer,
      ),
    );
    expect(pieces.size).toBeLessThan(5);
  });

  test("is the one that is put together and then encoded", () => {
    const source = fc.record({
      namespace: text,
      requestId: fc.option(
        fc.record(
          { clientId: safe, sequence: safe, firstUnanswered: safe, follows: safe },
          { requiredKeys: ["clientId", "sequence", "firstUnanswered"] },
        ),
      ),
      wallTimeMs: safe,
    });
    const argumentsOfPut = put.map(({ expectedModRevision, ...rest }) => ({
      ...rest,
      expectedModRevision: expectedModRevision ?? null,
    }));
    fc.assert(
      fc.property(source, argumentsOfPut, (from, put) => {
        expect(Buffer.compare(encodeOfKv(from, put), encodeCommand(putCommand(from, put)))).toBe(0);
      }),
    );
  });

  test("that is plain is decoded by hand", () => {
    const body = generated({
      wallTimeMs: 1_700_000_000_000n,
      requestId: { clientId: 7n, sequence: 2n ** 53n - 1n, firstUnanswered: 1n, follows: 0n },
      namespace: "here",
      put: {
        key: Uint8Array.of(1, 0, 255),
        value: new Uint8Array(300),
        leaseId: 3n,
        returnPrevious: true,
        expectedModRevision: 0n,
      },
    });
    expect(decodePutCommand(body)).not.toBeNull();
    agrees(body);
  });

  test("is decoded as the generated code does it, or left to that", () => {
    fc.assert(fc.property(fields.map(generated), agrees));
  });

  test("twice over, cut off, with flipped bits and followed by garbage too", () => {
    const bodies = fields.map(generated);
    const garbled = fc.oneof(
      fc.tuple(bodies, bodies).map((parts) => new Uint8Array(Buffer.concat(parts))),
      fc.tuple(bodies, fc.nat()).map(([body, cut]) => body.slice(0, cut % (body.length + 1))),
      fc.tuple(bodies, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([body, at, bits]) => {
        const flipped = Uint8Array.from(body);
        if (body.length > 0) flipped[at % body.length]! ^= bits;
        return flipped;
      }),
      fc.tuple(bodies, fc.uint8Array({ maxLength: 12 })).map((parts) => new Uint8Array(Buffer.concat(parts))),
      fc.uint8Array({ maxLength: 30 }),
    );
    fc.assert(fc.property(garbled, agrees), { numRuns: 500 });
  });
});

describe("the answer of most commands", () => {
  test("with revisions of each length that a number holds is encoded as by the generated code", () => {
    const revisions = Array.from({ length: 53 }, (_, bits) => [2 ** bits, 2 ** (bits + 1) - 1]).flat();
    for (const revision of revisions) {
      const result = { $case: "done" as const, value: Done.decode(new Uint8Array(0)) };
      const generated = Answer.encode({ revision: BigInt(revision), result }).finish();
      expect(Buffer.from(encodePlainAnswer(revision)).equals(generated)).toBe(true);
    }
  });

  test("is encoded by hand as by the generated code, byte for byte", () => {
    fc.assert(
      fc.property(int64, (revision) => {
        const answer = {
          revision,
          result: { $case: "done" as const, value: Done.decode(new Uint8Array(0)) },
        };
        const generated = Answer.encode(answer).finish();
        expect(Buffer.compare(encodePlainAnswer(revision), generated)).toBe(0);
      }),
    );
  });
});
