import { beforeEach, describe, expect, test } from "@jest/globals";
import { grantLeaseCommand, LEASE_KEYS_MAX, Refusal } from "@quorate/services/kv";
import { utf8Decode } from "@quorate/services/std";
import { ANYONE, Harness } from "./harness";
import { expectRefused, put } from "./samples";
import { op, resultsOf, txn } from "./txn-samples";

let it: Harness;

beforeEach(() => {
  it = new Harness();
});

describe("Leases in a Txn", () => {
  beforeEach(() => {
    it.apply(grantLeaseCommand(ANYONE, 1000));
    it.apply(grantLeaseCommand(ANYONE, 1000));
    it.apply(put("a", "1", { leaseId: 1n }));
  });

  const attached = () =>
    it.machine.resident().leaseKeys.map(({ leaseId, key }) => [leaseId, utf8Decode(key)]);

  test.each([
    { what: "another lease", success: [op.put("a", "2", { leaseId: 2n })], expected: [[2, "a"]] },
    { what: "no lease", success: [op.put("a", "2")], expected: [] },
    {
      what: "away and back",
      success: [op.put("a", "2", { leaseId: 2n }), op.delete("a"), op.put("a", "3", { leaseId: 1n })],
      expected: [[1, "a"]],
    },
    {
      what: "what is appended keeps it",
      success: [op.append("a", "2"), op.increment("a", 1n)],
      expected: [[1, "a"]],
    },
    {
      what: "put and deleted",
      success: [op.put("b", "1", { leaseId: 1n }), op.deleteRange("", "")],
      expected: [],
    },
    {
      what: "two keys",
      success: [op.put("b", "1", { leaseId: 1n }), op.put("a", "1", { leaseId: 1n })],
      expected: [
        [1, "a"],
        [1, "b"],
      ],
    },
  ])("A21: a key is attached as the Txn leaves it: $what", ({ success, expected }) => {
    resultsOf(it, ...success);
    expect(attached()).toEqual(expected);
    expect(it.store.resident()).toEqual(it.machine.resident());
  });

  test("A21: a refused Txn attaches and detaches nothing", () => {
    const success = [op.put("b", "1", { leaseId: 2n }), op.delete("a"), op.put("c", "1", { leaseId: 3n })];
    expectRefused(
      it,
      txn({ success }),
      Refusal.UNKNOWN_LEASE,
      "success[2]: there is no lease with lease_id 3",
    );
  });

  test("a lease that has as many keys as it may have takes no more, but keeps those", () => {
    const keys = Array.from({ length: LEASE_KEYS_MAX - 1 }, (_, at) => `k${at}`);
    resultsOf(it, ...keys.map((key) => op.put(key, "v", { leaseId: 1n })));
    const message = "lease 1 has 10000 keys, the most that a lease may have";
    expectRefused(it, put("z", "v", { leaseId: 1n }), Refusal.TOO_LARGE, message);
    resultsOf(it, op.put("k7", "w", { leaseId: 1n }), op.put("z", "v", { leaseId: 2n }));
    expect(it.machine.lease(1)?.keyCount).toBe(LEASE_KEYS_MAX);
  });
});
