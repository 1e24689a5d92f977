import { expect, test } from "@jest/globals";
import { WatchResponse } from "@quorate/proto/kv";
import type { ChangeCause, StoredRecord } from "@quorate/services/kv";
import type { WatchEvent, WatchFrame } from "@quorate/services/watch";
import fc from "fast-check";
// The one part of the room that is made by hand, and so is held against the generated code by itself.
import { eventBytes, eventMessage, WatchEncoder, watchIdField } from "../../../services/rpc/watch-encoding";
import { FakeNode } from "./fake-node";

const safe = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const lengths = fc.constantFrom(0, 1, 100, 127, 128, 300, 16_383, 16_384, 20_000);
const byteArrays = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  lengths.map((length) => new Uint8Array(length).fill(7)),
);
const records: fc.Arbitrary<StoredRecord> = fc
  .record({
    key: byteArrays,
    value: byteArrays,
    createRevision: safe,
    modRevision: safe,
    version: safe,
    leaseId: safe,
  })
  .map((record) => ({ ...record, valueBytes: record.value.length }));
const causes: readonly ChangeCause[] = [
  "put",
  "delete",
  "delete_range",
  "increment",
  "append",
  "prepend",
  "txn",
];
const origin = fc.record({
  cause: fc.constantFrom(
    ...causes,
    "truncate" as const,
    "lease_ended" as const,
    "namespace_deleted" as const,
  ),
  wallTimeMs: safe,
  requestId: fc.option(fc.record({ clientId: safe, sequence: safe })),
});
const events: fc.Arbitrary<WatchEvent> = fc.oneof(
  fc.record({
    kind: fc.constant("put" as const),
    revision: safe,
    record: records,
    previous: fc.option(records),
    origin,
  }),
  fc.record({
    kind: fc.constant("delete" as const),
    revision: safe,
    key: byteArrays,
    previous: fc.option(records),
    origin,
  }),
  fc.record({ kind: fc.constant("truncated" as const), revision: safe, origin }),
);

function encoder(): WatchEncoder {
  const node = new FakeNode();
  node.channels.close();
  return new WatchEncoder(node.context());
}

test("messages framed by hand are those of the generated code, byte for byte", () => {
  const frames = encoder();
  const watchIds = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n });
  fc.assert(
    fc.property(
      watchIds,
      safe,
      fc.array(events, { maxLength: 6 }),
      fc.boolean(),
      (watchId, revision, told, more) => {
        const frame: WatchFrame = { kind: "events", revision, events: told, more };
        const byHand = frames.frame(watchIdField(watchId), frame, "");
        const generated = WatchResponse.encode({
          header: { clusterId: "c", memberId: "n1", term: 2n, revision: BigInt(revision) },
          watchId,
          response: { $case: "events", value: { events: told.map(eventMessage), more } },
        }).finish();
        expect(Buffer.compare(byHand, generated)).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});

test("a message of more than 2 MiB too", () => {
  const record: StoredRecord = {
    key: new Uint8Array(4096).fill(1),
    value: new Uint8Array(2 ** 21 + 5).fill(2),
    valueBytes: 2 ** 21 + 5,
    createRevision: 1,
    modRevision: 2,
    version: 2,
    leaseId: 0,
  };
  const event: WatchEvent = {
    kind: "put",
    revision: 2,
    record,
    previous: record,
    origin: { cause: "put", wallTimeMs: 1, requestId: null },
  };
  const message = encoder().frame(
    watchIdField(5n),
    { kind: "events", revision: 2, events: [event], more: true },
    "",
  );
  const decoded = WatchResponse.decode(message);
  expect(decoded.response).toMatchObject({ $case: "events", value: { more: true } });
  expect(Buffer.compare(WatchResponse.encode(decoded).finish(), message)).toBe(0);
});

test("an event is encoded once", () => {
  const event: WatchEvent = {
    kind: "truncated",
    revision: 2,
    origin: { cause: "truncate", wallTimeMs: 1, requestId: null },
  };
  expect(eventBytes(event)).toBe(eventBytes(event));
});
