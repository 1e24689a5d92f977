import { afterEach, describe, expect, test } from "@jest/globals";
import type { MembershipRequest } from "@quorate/services/replica";
import { addition, changedIn } from "./membership-requests";
import { appliedAnswer, put, ReplicaRig } from "./replica-rig";

let rig: ReplicaRig;

afterEach(async () => {
  for (const { replica } of rig.seats) await replica?.stop();
});

type MemberChanges = Extract<MembershipRequest, { kind: "change" }>["changes"];

function change(...changes: readonly Pick<MemberChanges[number], "kind" | "memberId">[]): MembershipRequest {
  return { kind: "change", changes: changes.map((one) => ({ ...one, clientAddress: "", peerAddress: "" })) };
}

describe("a majority of those that vote next must be heard of", () => {
  /** Founders without the leader, in order; f1 is the first of them. Learners are n6 and n7. */
  async function withSilent(size: number, silent: readonly number[]): Promise<(name: string) => string> {
    rig = new ReplicaRig(size);
    const leader = await rig.elect();
    for (const id of ["n6", "n7"]) {
      await changedIn(rig, leader, addition(id));
      await rig.join(id, leader.id);
    }
    const others = rig.seats.map(({ id }) => id).filter((id) => id !== leader.id);
    for (const at of silent) rig.isolate(others[at - 1]!);
    // Two checks of the quorum.
    await rig.tick(25);
    expect(leader.isLeader).toBe(true);
    return (name) =>
      name === "leader" ? leader.id : name.startsWith("f") ? others[Number(name[1]) - 1]! : name;
  }

  function named(request: MembershipRequest, nameOf: (name: string) => string): MembershipRequest {
    if (request.kind !== "change") return { ...request, memberId: nameOf(request.memberId) };
    return change(...request.changes.map((one) => ({ ...one, memberId: nameOf(one.memberId) })));
  }

  const remove = (memberId: string): MembershipRequest => ({ kind: "remove", memberId });
  const voter = (memberId: string) => ({ kind: "voter", memberId }) as const;
  const learner = (memberId: string) => ({ kind: "learner", memberId }) as const;
  const gone = (memberId: string) => ({ kind: "remove", memberId }) as const;

  test.each<[string, number, number[], MembershipRequest, string[]]>([
    ["of 3, 1 silent: another is removed", 3, [2], remove("f1"), ["f2"]],
    ["of 3, 1 silent: the leader is removed", 3, [2], remove("leader"), ["f2"]],
    ["of 3, 1 silent: another is made a learner", 3, [2], change(learner("f1")), ["f2"]],
    ["of 5, 2 silent: another is removed", 5, [3, 4], remove("f2"), ["f3", "f4"]],
    ["of 5, 2 silent: the leader is removed", 5, [3, 4], remove("leader"), ["f3", "f4"]],
    [
      "of 5, 2 silent: two others leave for one that comes",
      5,
      [3, 4],
      change(voter("n6"), gone("f1"), gone("f2")),
      ["f3", "f4"],
    ],
    [
      "of 5, 2 silent: one of them and all others leave",
      5,
      [3, 4],
      change(gone("f1"), gone("f2"), gone("f3")),
      ["f4"],
    ],
  ])("G7: refused: %s", async (_, size, silent, request, told) => {
    const nameOf = await withSilent(size, silent);
    const leader = rig.replica(nameOf("leader"));
    const before = leader.membership;
    const outcome = await changedIn(rig, leader, named(request, nameOf));
    expect(outcome).toEqual({ kind: "quorum_at_risk", silent: told.map(nameOf) });
    expect(leader.membership).toEqual(before);
  });

  test.each<[string, number, number[], MembershipRequest]>([
    ["of 3, 1 silent: the silent one is removed", 3, [2], remove("f2")],
    ["of 3, 1 silent: the silent one is made a learner", 3, [2], change(learner("f2"))],
    ["of 3, 1 silent: one comes", 3, [2], { kind: "promote", memberId: "n6" }],
    ["of 3, 1 silent: one comes for the living one", 3, [2], change(voter("n6"), gone("f1"))],
    ["of 3, 1 silent: one comes for the leader", 3, [2], change(voter("n6"), gone("leader"))],
    ["of 3, 1 silent: the silent one goes with the other", 3, [2], change(gone("f1"), gone("f2"))],
    ["of 3, none silent: the leader is removed", 3, [], remove("leader")],
    ["of 3, none silent: two are removed", 3, [], change(gone("f1"), gone("f2"))],
    ["of 5, 1 silent: another is removed", 5, [4], remove("f1")],
    ["of 5, 2 silent: one of them is removed", 5, [3, 4], remove("f3")],
    ["of 5, 2 silent: one of them leaves with another", 5, [3, 4], change(gone("f3"), gone("f1"))],
    ["of 5, 2 silent: one comes for one of them", 5, [3, 4], change(voter("n6"), gone("f3"))],
    [
      "of 5, 2 silent: two come for two others",
      5,
      [3, 4],
      change(voter("n6"), voter("n7"), gone("f1"), gone("f2")),
    ],
    ["of 5, 2 silent: a learner is removed", 5, [3, 4], remove("n6")],
    ["a learner comes, whoever is silent", 3, [2], addition("n9")],
  ])("G4: carried out: %s", async (_, size, silent, request) => {
    const nameOf = await withSilent(size, silent);
    const leader = rig.replica(nameOf("leader"));
    expect(await changedIn(rig, leader, named(request, nameOf))).toMatchObject({ kind: "changed" });
  });

  test("G2: of 5, 2 silent: a silent one is replaced, and a living one too", async () => {
    const nameOf = await withSilent(5, [3, 4]);
    const leader = rig.replica(nameOf("leader"));
    for (const [memberId, replaced] of [
      ["n8", "f3"],
      ["n9", "f1"],
    ] as const) {
      await changedIn(rig, leader, addition(memberId, { replaces: nameOf(replaced) }));
      await rig.join(memberId, leader.id);
      await rig.tick(30);
      expect(leader.membership.configuration.voters).toContain(memberId);
      expect(leader.membership.configuration.voters).not.toContain(nameOf(replaced));
    }
  });

  test("G4: a silent voter that is back can spare another", async () => {
    const nameOf = await withSilent(3, [2]);
    const leader = rig.replica(nameOf("leader"));
    expect(await changedIn(rig, leader, remove(nameOf("f1")))).toMatchObject({ kind: "quorum_at_risk" });
    rig.heal();
    await rig.tick(2);
    expect(await changedIn(rig, leader, remove(nameOf("f1")))).toMatchObject({ kind: "changed" });
    const outcome = leader.submit(put("k", "goes on"));
    await rig.tick(2);
    appliedAnswer(await outcome);
  });

  test("G7: what is wrong with the request is said first", async () => {
    const nameOf = await withSilent(3, [2]);
    const leader = rig.replica(nameOf("leader"));
    expect(await changedIn(rig, leader, remove("n9"))).toEqual({ kind: "unknown_member", memberId: "n9" });
    const everyVoter = ["leader", "f1", "f2"].map((name) => gone(nameOf(name)));
    expect(await changedIn(rig, leader, change(...everyVoter))).toMatchObject({ kind: "invalid" });
  });
});
