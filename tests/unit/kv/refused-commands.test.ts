import { beforeEach, describe, expect, test } from "@jest/globals";
import {
  type Command,
  checkedCommand,
  deleteRangeCommand,
  openSessionCommand,
  prefixRange,
  putCommand,
  Refusal,
  recordStoreCommand,
  tickCommand,
  truncateCommand,
} from "@quorate/services/kv";
import { utf8Encode } from "@quorate/services/std";
import { ANYONE, Harness } from "./harness";
import { append, doneOf, expectRefused, increment, put, remove, removeRange } from "./samples";

const INT64_MIN = -(2n ** 63n);

let it: Harness;

beforeEach(() => {
  it = new Harness();
});

describe("Commands that cannot be carried out", () => {
  const noNamespace = { ...ANYONE, namespace: "nowhere" };

  test.each([
    putCommand(noNamespace, {
      key: utf8Encode("k"),
      value: utf8Encode("v"),
      leaseId: 0n,
      returnPrevious: false,
      expectedModRevision: null,
    }),
    deleteRangeCommand(noNamespace, prefixRange(utf8Encode("k")), 10),
    truncateCommand(noNamespace),
    openSessionCommand(noNamespace, 1000),
  ])("name a namespace that is not there (%#)", (command) => {
    expect(it.machine.reads(checkedCommand(command))).toEqual({
      keys: [],
      ranges: [],
      startsBatch: false,
      endsBatch: false,
    });
    expectRefused(it, command, Refusal.UNKNOWN_NAMESPACE, 'there is no namespace "nowhere"');
  });

  test("the empty name and 'default' are one namespace", () => {
    it.apply(
      putCommand(
        { ...ANYONE, namespace: "default" },
        {
          key: utf8Encode("k"),
          value: utf8Encode("v"),
          leaseId: 0n,
          returnPrevious: false,
          expectedModRevision: null,
        },
      ),
    );
    expect(it.machine.namespace("")).toEqual(it.machine.namespace("default"));
    expect(doneOf(it.apply(remove("k"))).deleted).toBe(1n);
  });

  const writeAs = (
    clientId: bigint,
    sequence: bigint,
    firstUnanswered: bigint,
    follows?: bigint,
  ): Command => ({
    ...increment("k", 1n),
    requestId: { clientId, sequence, firstUnanswered, follows },
  });

  test.each([
    { command: writeAs(0n, 1n, 1n), message: "client_id is 0, not in 1 to 9007199254740991" },
    {
      command: writeAs(2n ** 53n, 1n, 1n),
      message: "client_id is 9007199254740992, not in 1 to 9007199254740991",
    },
    { command: writeAs(1n, 0n, 0n), message: "sequence is 0, not in 1 to 9007199254740991" },
    { command: writeAs(1n, -1n, 0n), message: "sequence is -1, not in 1 to 9007199254740991" },
    { command: writeAs(1n, 3n, 4n), message: "first_unanswered is 4, not in 0 to 3" },
    { command: writeAs(1n, 3n, -1n), message: "first_unanswered is -1, not in 0 to 3" },
    { command: writeAs(1n, 3n, 3n, 3n), message: "follows is 3, not in 0 to 2" },
    { command: writeAs(1n, 3n, 3n, -1n), message: "follows is -1, not in 0 to 2" },
    { command: removeRange("a", "b", -1), message: "keys_max is -1, not in 0 to 9007199254740990" },
    { command: append("k", "v", -1), message: "value_bytes_max is -1, not in 0 to 9007199254740991" },
    { command: append("", "v"), message: "key is empty" },
    { command: increment("", 1n), message: "key is empty" },
    { command: remove(""), message: "key is empty" },
    { command: tickCommand(-1, 0), message: "elapsed_ms is -1, not in 0 to 281474976710656" },
    { command: openSessionCommand(ANYONE, 0), message: "ttl_ms is 0, not in 1 to 281474976710656" },
    { command: recordStoreCommand("", "s", 0), message: "member_id is empty" },
    { command: recordStoreCommand("n1", "", 0), message: "store_id is empty" },
  ])("are malformed: $message", ({ command, message }) => {
    it.apply(openSessionCommand(ANYONE, 1000));
    expect(it.machine.reads(checkedCommand(command))).toEqual({
      keys: [],
      ranges: [],
      startsBatch: false,
      endsBatch: false,
    });
    expectRefused(it, command, Refusal.UNKNOWN_COMMAND, message);
  });

  test("time does not run past its end", () => {
    it.apply(tickCommand(2 ** 48, 0));
    expectRefused(
      it,
      tickCommand(1, 0),
      Refusal.UNKNOWN_COMMAND,
      "elapsed_ms 1 leads past the end of time, 281474976710656 ms",
    );
  });

  // A store writes it as a number from 0 to 2^53 - 1, and a negative one would read back as something else.
  test.each([INT64_MIN, -1n, 2n ** 53n])(
    "a wall time of %s ms, which no store can keep, is shown as 0",
    (time) => {
      it.apply({ ...put("k", "v"), wallTimeMs: time });
      expect(it.store.changes[0]?.origin.wallTimeMs).toBe(0);
    },
  );
});
