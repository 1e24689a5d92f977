import { beforeEach, describe, expect, test } from "@jest/globals";
import {
  changeMembershipCommand,
  checkedCommand,
  foundingMembership,
  type MemberInfo,
  Refusal,
  recordStoreCommand,
  updateMemberCommand,
  verifyCommand,
} from "@quorate/services/kv";
import { FOUNDERS } from "./founders";
import { Harness } from "./harness";
import { doneOf, expectRefused, put } from "./samples";

const NOBODY = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

let it: Harness;

beforeEach(() => {
  it = new Harness();
});

function info(memberId: string, changes: Partial<MemberInfo> = {}): MemberInfo {
  return {
    memberId,
    clientAddress: `${memberId}:1`,
    peerAddress: `${memberId}:2`,
    priority: 100,
    promoteWhenCaughtUp: false,
    replaces: "",
    ...changes,
  };
}

describe("the membership", () => {
  test("begins as the founders', each a voter that has not introduced itself", () => {
    expect(it.machine.membership).toEqual(foundingMembership(FOUNDERS));
    expect(it.machine.membership.configuration).toEqual({ ...NOBODY, voters: ["n1", "n2"] });
    expect(it.machine.member("n1")).toEqual({ ...info("n1"), storeId: null });
  });

  test("is the configuration that the entry holds, with what it says of new members", () => {
    const learner = info("n3", { promoteWhenCaughtUp: true, replaces: "n1", priority: 7 });
    const next = { ...NOBODY, voters: ["n1", "n2"], learners: ["n3"] };
    doneOf(it.apply(changeMembershipCommand(next, [learner], 0)));
    expect(it.machine.membership).toMatchObject({ epoch: 1, configuration: next });
    expect(it.machine.member("n3")).toEqual({ ...learner, storeId: null });
    expect(it.machine.meta.revision).toBe(0);
  });

  test("in a joint configuration holds those of both halves, and forgets who is in neither", () => {
    doneOf(it.apply(recordStoreCommand("n1", "s1", 0)));
    const joint = { ...NOBODY, voters: ["n2", "n3"], votersOutgoing: ["n1", "n2"], autoLeave: true };
    doneOf(it.apply(changeMembershipCommand(joint, [info("n3")], 0)));
    expect(it.machine.membership.members.map(({ memberId }) => memberId)).toEqual(["n1", "n2", "n3"]);
    doneOf(it.apply(changeMembershipCommand({ ...NOBODY, voters: ["n2", "n3"] }, [], 0)));
    expect(it.machine.membership.members.map(({ memberId }) => memberId)).toEqual(["n2", "n3"]);
    expect(it.machine.membership).toMatchObject({ epoch: 2, retiredStores: ["s1"] });
    expect(it.machine.member("n1")).toBeNull();
  });

  test("G6: a removed member's data directory never speaks for anyone again, a clean one of the same name does", () => {
    doneOf(it.apply(recordStoreCommand("n1", "s1", 0)));
    doneOf(it.apply(changeMembershipCommand({ ...NOBODY, voters: ["n2"] }, [], 0)));
    const again = { ...NOBODY, voters: ["n2"], learners: ["n1"] };
    doneOf(it.apply(changeMembershipCommand(again, [info("n1")], 0)));
    for (const memberId of ["n1", "n2"]) {
      const message = "store s1 belonged to a member that was removed";
      expectRefused(it, recordStoreCommand(memberId, "s1", 0), Refusal.STORE_MISMATCH, message);
    }
    doneOf(it.apply(recordStoreCommand("n1", "s9", 0)));
    expect(it.machine.member("n1")?.storeId).toBe("s9");
  });

  test("a data directory that two members were bound to is remembered once", () => {
    doneOf(it.apply(changeMembershipCommand({ ...NOBODY, voters: ["n1", "n2", "n3"] }, [info("n3")], 0)));
    for (const memberId of ["n1", "n2"]) doneOf(it.apply(recordStoreCommand(memberId, "s1", 0)));
    doneOf(it.apply(changeMembershipCommand({ ...NOBODY, voters: ["n3"] }, [], 0)));
    expect(it.machine.membership.retiredStores).toEqual(["s1"]);
  });

  test("refuses a configuration with someone of whom nothing is known, and changes nothing", () => {
    const before = it.machine.membership;
    const next = { ...NOBODY, voters: ["n1", "n2", "n3"] };
    const message = "nothing is known of member n3";
    expectRefused(it, changeMembershipCommand(next, [], 0), Refusal.UNKNOWN_MEMBER, message);
    expect(it.machine.membership).toEqual(before);
  });

  test.each([
    ["a configuration without voters", NOBODY, [], "configuration.voters is empty"],
    ["a member without a name", { ...NOBODY, voters: ["n1"] }, [info("")], "member_id is empty"],
    [
      "a member without an address",
      { ...NOBODY, voters: ["n1"] },
      [info("n3", { peerAddress: "" })],
      "a member has no address",
    ],
  ])("refuses %s", (_, configuration, members, message) => {
    expectRefused(it, changeMembershipCommand(configuration, members, 0), Refusal.UNKNOWN_COMMAND, message);
  });

  test("takes what is said of a member, and keeps its data directory", () => {
    doneOf(it.apply(recordStoreCommand("n2", "s2", 0)));
    const moved = info("n2", { peerAddress: "elsewhere:9", priority: 3 });
    doneOf(it.apply(updateMemberCommand(moved, 0)));
    expect(it.machine.member("n2")).toEqual({ ...moved, storeId: "s2" });
    expect(it.machine.membership.epoch).toBe(0);
    const unknown = updateMemberCommand(info("n9"), 0);
    expectRefused(it, unknown, Refusal.UNKNOWN_MEMBER, "there is no member n9");
  });

  test("is what a machine that is loaded from the store has", () => {
    doneOf(it.apply(recordStoreCommand("n1", "s1", 0)));
    doneOf(
      it.apply(changeMembershipCommand({ ...NOBODY, voters: ["n2"], learners: ["n3"] }, [info("n3")], 0)),
    );
    const before = it.machine.membership;
    it.restart();
    expect(it.machine.membership).toEqual(before);
  });
});

describe("Verify", () => {
  test("counts a round, ends its batch, and changes nothing else", () => {
    doneOf(it.apply(put("k", "v")));
    const before = it.machine.resident();
    doneOf(it.apply(verifyCommand(0)));
    expect(it.machine.resident()).toEqual({ ...before, meta: { ...before.meta, verifyRound: 1 } });
    expect(it.machine.reads(checkedCommand(verifyCommand(0)))).toMatchObject({
      keys: [],
      startsBatch: false,
      endsBatch: true,
    });
  });
});
