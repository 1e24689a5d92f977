import { beforeEach, describe, expect, test } from "@jest/globals";
import { INITIAL_STATE, Refusal, recordStoreCommand, tickCommand } from "@quorate/services/kv";
import { Harness } from "./harness";
import { doneOf, expectRefused, put } from "./samples";

let it: Harness;

beforeEach(() => {
  it = new Harness();
});

describe("Tick and RecordStore", () => {
  test("a Tick moves replicated time, and nothing else", () => {
    it.apply(put("k", "v"));
    expect(it.apply(tickCommand(0, 1)).revision).toBe(1n);
    it.apply(tickCommand(250, 2));
    it.apply(tickCommand(50, 3));
    expect(it.machine.meta).toEqual({ ...INITIAL_STATE.meta, revision: 1, timeMs: 300 });
  });

  test("the first store of a member is recorded, and no other", () => {
    expect(it.machine.member("n1")?.storeId).toBeNull();
    doneOf(it.apply(recordStoreCommand("n1", "s1", 0)));
    doneOf(it.apply(recordStoreCommand("n1", "s1", 0)));
    doneOf(it.apply(recordStoreCommand("n2", "s1", 0)));
    expectRefused(
      it,
      recordStoreCommand("n1", "s2", 0),
      Refusal.STORE_MISMATCH,
      "member n1 is bound to store s1, not to s2",
    );
    expect(it.machine.member("n1")?.storeId).toBe("s1");
    it.restart();
    expect(it.machine.member("n1")?.storeId).toBe("s1");
  });
});
