import { expect, test } from "@jest/globals";
import {
  type Command,
  checkedCommand,
  decodeCommand,
  encodeCommand,
  putCommand,
  readCommand,
} from "@quorate/services/kv";
import fc from "fast-check";
import { ANYONE } from "./harness";

/** Those at which a check begins to hold or to fail, and some beyond a number. */
const count = fc.constantFrom(-1n, 0n, 1n, 2n, 3n, 2n ** 53n - 1n, 2n ** 53n);
const requestId = fc.record({
  clientId: count,
  sequence: count,
  firstUnanswered: count,
  follows: fc.option(count, { nil: undefined }),
});

function put(fields: Partial<Command>, key = "k"): Command {
  const put = { key: Buffer.from(key), value: Buffer.from("v"), leaseId: 0n, returnPrevious: false };
  return { ...putCommand(ANYONE, { ...put, expectedModRevision: null }), ...fields };
}

test("a put that is read by hand is the one that the generated code reads, with the same fault", () => {
  const fields = fc.record(
    { wallTimeMs: count, requestId, namespace: fc.constantFrom("", "orders", "größe") },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fields, fc.constantFrom("", "k"), (said, key) => {
      const entry = new Uint8Array(encodeCommand(put(said, key)));
      expect(readCommand(entry)).toStrictEqual(checkedCommand(decodeCommand(entry) as Command));
    }),
    { numRuns: 500 },
  );
});

test.each([
  { name: "no client id", id: { clientId: 0n, sequence: 1n, firstUnanswered: 1n, follows: undefined } },
  { name: "no sequence", id: { clientId: 1n, sequence: 0n, firstUnanswered: 0n, follows: undefined } },
  {
    name: "more answers than writes",
    id: { clientId: 1n, sequence: 3n, firstUnanswered: 4n, follows: undefined },
  },
  { name: "a put that follows itself", id: { clientId: 1n, sequence: 3n, firstUnanswered: 3n, follows: 3n } },
])("$name is a fault also where a put is read by hand", ({ id }) => {
  expect(readCommand(encodeCommand(put({ requestId: id })))?.fault).toBeDefined();
});

test.each([
  { wallTimeMs: 5n, shown: 5 },
  { wallTimeMs: -5n, shown: 0 },
  { wallTimeMs: 2n ** 53n, shown: 0 },
])("a wall time of $wallTimeMs ms is shown as $shown", ({ wallTimeMs, shown }) => {
  expect(readCommand(encodeCommand(put({ wallTimeMs })))).toMatchObject({ wallTimeMs: shown });
});

test("a command without an operation is none", () => {
  expect(checkedCommand(put({ operation: undefined }))).toBeNull();
});
