import { afterEach, describe, expect, test } from "@jest/globals";
import type { MembershipOutcome, MembershipRequest, Replica } from "@quorate/services/replica";
import { addition, changedIn } from "./membership-requests";
import { appliedAnswer, put, ReplicaRig } from "./replica-rig";

let rig: ReplicaRig;

afterEach(async () => {
  for (const { replica } of rig.seats) await replica?.stop();
});

const changed = (replica: Replica, request: MembershipRequest): Promise<MembershipOutcome> =>
  changedIn(rig, replica, request);

async function written(replica: Replica, key: string): Promise<void> {
  const outcome = replica.submit(put(key, key));
  await rig.tick(2);
  appliedAnswer(await outcome);
}

function voters(replica: Replica): readonly string[] {
  return replica.membership.configuration.voters;
}

describe("the members of a running cluster", () => {
  test("G1, G2: a learner receives data, does not count, and is made a voter when it has caught up", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await written(leader, "before");
    expect(await changed(leader, addition("n4"))).toMatchObject({ kind: "changed" });
    expect(await changed(leader, { kind: "promote", memberId: "n4" })).toMatchObject({
      kind: "not_caught_up",
      memberId: "n4",
    });
    const learner = await rig.join("n4", leader.id);
    await rig.tick(3);
    await written(leader, "after");
    expect(learner.status().revision).toBe(leader.status().revision);
    expect(voters(learner)).toEqual(["n1", "n2", "n3"]);
    expect(await changed(leader, { kind: "promote", memberId: "n4" })).toMatchObject({ kind: "changed" });
    await rig.tick(2);
    for (const { id } of rig.seats) expect(voters(rig.replica(id))).toEqual(["n1", "n2", "n3", "n4"]);
    expect(await changed(leader, { kind: "promote", memberId: "n4" })).toMatchObject({ kind: "changed" });
  });

  test("G2: a learner that is silent is not made a voter, though it had caught up and nobody else is to be heard", async () => {
    rig = new ReplicaRig(1);
    const leader = await rig.elect();
    await written(leader, "before");
    await changed(leader, addition("n2"));
    await rig.join("n2", leader.id);
    await rig.tick(3);
    expect(leader.status().raft.progress?.find(({ id }) => id === "n2")).toMatchObject({
      state: "replicate",
    });
    rig.isolate("n2");
    await rig.tick(25);
    expect(await changed(leader, { kind: "promote", memberId: "n2" })).toMatchObject({
      kind: "not_caught_up",
    });
    await written(leader, "goes on");
    rig.heal();
    await rig.tick(3);
    // Just after a check of the quorum nobody was heard of since.
    for (let tick = 0; tick < 12; tick += 1) {
      const progress = leader.status().raft.progress?.find(({ id }) => id === "n2");
      expect(progress).toMatchObject({ isRecentlyActive: true });
      await rig.tick();
    }
    expect(await changed(leader, { kind: "promote", memberId: "n2" })).toMatchObject({ kind: "changed" });
  });

  test("G2: a learner whose data directory is not recorded yet is not promoted", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await changed(leader, addition("n4"));
    await rig.join("n4", leader.id);
    await changed(leader, { kind: "remove", memberId: "n4" });
    await rig.tick(11);
    // Of the same name, and with a directory that was another member's: it is never recorded.
    await changed(leader, addition("n4"));
    await rig.tick(20);
    expect(leader.membership.members.find(({ memberId }) => memberId === "n4")?.storeId).toBeNull();
    expect(leader.status().raft.progress?.find(({ id }) => id === "n4")?.match).toBeGreaterThan(0);
    expect(await changed(leader, { kind: "promote", memberId: "n4" })).toMatchObject({
      kind: "not_caught_up",
    });
  });

  test("G2: a learner is promoted unasked where that was said, and takes the place of another in one step", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    const replaced = rig.seats.find(({ id }) => id !== leader.id)!.id;
    expect(await changed(leader, addition("n4", { replaces: replaced }))).toMatchObject({ kind: "changed" });
    expect(leader.membership.members.find(({ memberId }) => memberId === "n4")).toMatchObject({
      promoteWhenCaughtUp: true,
      replaces: replaced,
    });
    await rig.join("n4", leader.id);
    await rig.tick(30);
    expect(voters(leader)).not.toContain(replaced);
    expect(voters(leader)).toContain("n4");
    expect(leader.membership.members.find(({ memberId }) => memberId === "n4")).toMatchObject({
      promoteWhenCaughtUp: false,
      replaces: "",
    });
  });

  test("G4: the leader is removed; it hands over and writes go on", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    let wasTold = false;
    leader.subscribe({
      removed: () => {
        wasTold = true;
      },
    });
    expect(await changed(leader, { kind: "remove", memberId: leader.id })).toMatchObject({ kind: "changed" });
    expect(wasTold).toBe(true);
    const next = await rig.elect([leader.id]);
    await rig.tick(3);
    expect(leader.isLeader).toBe(false);
    expect(voters(next)).not.toContain(leader.id);
    await written(next, "goes on");
  });

  test("G4: one that joins anew with the state of a peer that lags is not told of its former removal", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await changed(leader, addition("n4"));
    leader.noteIntroduction({ memberId: "n4", storeId: "former", addresses: null, epoch: 0 });
    await rig.tick(11);
    const [laggard] = rig.seats.filter(({ id }) => id !== leader.id).map(({ id }) => id) as [string];
    expect(rig.replica(laggard).memberStore("n4")).toBe("former");
    rig.isolate(laggard);
    expect(await changed(leader, { kind: "remove", memberId: "n4" })).toMatchObject({ kind: "changed" });
    expect(await changed(leader, addition("n4"))).toMatchObject({ kind: "changed" });
    rig.isolate("n4");
    const learner = await rig.join("n4", laggard);
    let wasTold = false;
    learner.subscribe({
      removed: () => {
        wasTold = true;
      },
    });
    rig.heal();
    await rig.tick(15);
    expect(learner.membership.members.find(({ memberId }) => memberId === "n4")?.storeId).toBe("store-n4");
    expect(learner.membership.retiredStores).toEqual(["former"]);
    expect(wasTold).toBe(false);
    expect(await changed(leader, { kind: "remove", memberId: "n4" })).toMatchObject({ kind: "changed" });
    await rig.tick(2);
    expect(wasTold).toBe(true);
  });

  test("G4: one whose former life was never bound to a directory is not told of its removal either", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await changed(leader, addition("n4"));
    const [laggard] = rig.seats.filter(({ id }) => id !== leader.id).map(({ id }) => id) as [string];
    await rig.tick(2);
    rig.isolate(laggard);
    expect(await changed(leader, { kind: "remove", memberId: "n4" })).toMatchObject({ kind: "changed" });
    expect(await changed(leader, addition("n4"))).toMatchObject({ kind: "changed" });
    rig.isolate("n4");
    const learner = await rig.join("n4", laggard);
    expect(learner.membership.members.find(({ memberId }) => memberId === "n4")?.storeId).toBeNull();
    let wasTold = false;
    learner.subscribe({
      removed: () => {
        wasTold = true;
      },
    });
    rig.heal();
    await rig.tick(120);
    expect(learner.membership.members.find(({ memberId }) => memberId === "n4")?.storeId).toBe("store-n4");
    expect(learner.membership.retiredStores).toEqual([]);
    expect(wasTold).toBe(false);
  });

  test("G4: a leader that applies its removal after all others hands over to one of them at once", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await written(leader, "before");
    const others = rig.seats.filter(({ id }) => id !== leader.id).map(({ id }) => rig.replica(id));
    const { faults } = rig.seat(leader.id).state;
    let release = (): void => undefined;
    const applying = new Promise<void>((resolve) => {
      release = resolve;
    });
    faults.beforeWrite = () => applying;
    void leader.changeMembership({ kind: "remove", memberId: leader.id });
    await rig.tick(2);
    for (const other of others) expect(voters(other)).not.toContain(leader.id);
    expect(voters(leader)).toContain(leader.id);
    faults.beforeWrite = null;
    release();
    await rig.settle();
    expect(others.filter((other) => other.isLeader)).toHaveLength(1);
  });

  test("G4: several change at once, by joint consensus", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    const [first, second] = rig.seats.filter(({ id }) => id !== leader.id).map(({ id }) => id) as [
      string,
      string,
    ];
    const where = { clientAddress: "", peerAddress: "" };
    await changed(leader, addition("n4"));
    await changed(leader, addition("n5"));
    await rig.join("n4", leader.id);
    await rig.join("n5", leader.id);
    await rig.tick(3);
    const outcome = await changed(leader, {
      kind: "change",
      changes: [
        { kind: "voter", memberId: "n4", ...where },
        { kind: "voter", memberId: "n5", ...where },
        { kind: "remove", memberId: first, ...where },
        { kind: "learner", memberId: second, ...where },
      ],
    });
    expect(outcome).toMatchObject({ kind: "changed" });
    expect(leader.membership.configuration).toEqual({
      voters: [leader.id, "n4", "n5"].sort(),
      votersOutgoing: [],
      learners: [second],
      learnersNext: [],
      autoLeave: false,
    });
    await written(leader, "goes on");
  });

  test.each<[string, MembershipRequest, Partial<MembershipOutcome>]>([
    [
      "an address that another has",
      addition("n4", { peerAddress: "n2:2" }),
      { kind: "invalid", fault: "peer_address n2:2 is that of n2" },
    ],
    ["one address for both", addition("n4", { peerAddress: "n4:1" }), { kind: "invalid" }],
    ["a member that is there", addition("n2"), { kind: "member_exists", memberId: "n2" } as const],
    ["the replacement of nobody", addition("n4", { replaces: "n9" }), { kind: "unknown_member" }],
    ["the promotion of a stranger", { kind: "promote", memberId: "n9" }, { kind: "unknown_member" }],
    ["the removal of a stranger", { kind: "remove", memberId: "n9" }, { kind: "unknown_member" }],
    [
      "news of a stranger",
      { kind: "update", memberId: "n9", clientAddress: null, peerAddress: null, priority: 1 },
      { kind: "unknown_member" },
    ],
    [
      "a voter that has nothing",
      {
        kind: "change",
        changes: [{ kind: "voter", memberId: "n9", clientAddress: "a:1", peerAddress: "a:2" }],
      },
      { kind: "not_caught_up" },
    ],
    [
      "the removal of all voters",
      {
        kind: "change",
        changes: ["n1", "n2", "n3"].map((memberId) => ({
          kind: "remove" as const,
          memberId,
          clientAddress: "",
          peerAddress: "",
        })),
      },
      {},
    ],
  ])("refuses %s and changes nothing", async (_, request, outcome) => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick(10);
    const before = leader.membership;
    const result = await changed(leader, request);
    expect(result.kind).not.toBe("changed");
    expect(result).toMatchObject(outcome);
    expect(leader.membership).toEqual(before);
  });

  test("G7: the last voter cannot be removed", async () => {
    rig = new ReplicaRig(1);
    const leader = await rig.elect();
    expect(await changed(leader, { kind: "remove", memberId: "n1" })).toEqual({ kind: "last_voter" });
  });

  test("is changed by the leader only", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    const follower = rig.seats.find(({ id }) => id !== leader.id)!.replica!;
    expect(await changed(follower, addition("n4"))).toEqual({ kind: "not_leader", leaderId: leader.id });
  });

  test("one change at a time", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    for (const { id } of rig.seats) if (id !== leader.id) rig.isolate(id);
    const first = leader.changeMembership(addition("n4"));
    expect(await leader.changeMembership(addition("n5"))).toEqual({ kind: "changing" });
    rig.heal();
    await rig.tick(5);
    expect(await first).toMatchObject({ kind: "changed" });
  });

  test("G5: a leader that is lost midway leaves one valid configuration", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await changed(leader, addition("n4", { promoteWhenCaughtUp: true }));
    await rig.join("n4", leader.id);
    rig.crash(leader.id);
    const next = await rig.elect([leader.id]);
    await rig.tick(40);
    expect(voters(next)).toEqual(["n1", "n2", "n3", "n4"]);
    rig.start(leader.id);
    await rig.tick(10);
    expect(voters(rig.replica(leader.id))).toEqual(["n1", "n2", "n3", "n4"]);
  });

  test("a change that stays joint is unknown to a leader that stops", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await changed(leader, addition("n4"));
    await rig.join("n4", leader.id);
    await rig.tick(3);
    const { id } = rig.seats.find((seat) => seat.id !== leader.id)!;
    leader.subscribe({ membershipChanged: () => rig.isolate(leader.id) });
    const where = { clientAddress: "", peerAddress: "" };
    const outcome = leader.changeMembership({
      kind: "change",
      changes: [
        { kind: "voter", memberId: "n4", ...where },
        { kind: "remove", memberId: id, ...where },
      ],
    });
    await rig.tick(3);
    expect(leader.membership.configuration.votersOutgoing).not.toEqual([]);
    await leader.stop();
    expect(await outcome).toEqual({ kind: "unknown", reason: "stopping" });
  });

  test("leadership goes to a voter of a higher priority", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    const preferred = rig.seats.find(({ id }) => id !== leader.id)!.id;
    const priority = { clientAddress: null, peerAddress: null, priority: 200 };
    expect(await changed(leader, { kind: "update", memberId: preferred, ...priority })).toMatchObject({
      kind: "changed",
    });
    await rig.tick(100);
    expect((await rig.elect()).id).toBe(preferred);
  });

  test("an update that contradicts what a member says of itself is refused, and one that repeats it is not", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    const own = { clientAddress: "n2:1", peerAddress: "n2:2" };
    leader.noteIntroduction({ memberId: "n2", storeId: "store-n2", addresses: own, epoch: 0 });
    await rig.tick(20);
    const update = { kind: "update", memberId: "n2", peerAddress: null, priority: null } as const;
    expect(await changed(leader, { ...update, clientAddress: "operator:1" })).toEqual({
      kind: "invalid",
      fault:
        "client_address: n2 says itself that it is reached at n2:1: start it with another --advertise-client",
    });
    expect(await changed(leader, { ...update, clientAddress: "n2:1", priority: 7 })).toMatchObject({
      kind: "changed",
    });
  });

  test("a member that introduces itself from elsewhere is recorded there", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    const moved = { clientAddress: "elsewhere:1", peerAddress: "elsewhere:2" };
    leader.noteIntroduction({ memberId: "n2", storeId: "store-n2", addresses: moved, epoch: 0 });
    leader.noteIntroduction({ memberId: "stranger", storeId: "store-x", addresses: moved, epoch: 0 });
    await rig.tick(40);
    for (const { id } of rig.seats) {
      const { members } = rig.replica(id).membership;
      expect(members.find(({ memberId }) => memberId === "n2")).toMatchObject(moved);
      expect(members.map(({ memberId }) => memberId)).toEqual(["n1", "n2", "n3"]);
    }
  });
});

describe("E9: space", () => {
  test("writes are refused while no majority has space, and taken again by themselves when it has", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    const others = rig.seats.filter(({ id }) => id !== leader.id).map(({ replica }) => replica!);
    others[0]!.setLowOnSpace(true);
    await rig.tick(3);
    await written(leader, "one has none");
    others[1]!.setLowOnSpace(true);
    await rig.tick(3);
    const revision = leader.status().revision;
    expect(await leader.submit(put("k", "v"))).toMatchObject({ kind: "not_applied", reason: "no_space" });
    expect(leader.status()).toMatchObject({ hasSpace: false, revision });
    const freeing = leader.submit(put("k", "v"), { evenWithoutSpace: true });
    await rig.tick(2);
    appliedAnswer(await freeing);
    others[0]!.setLowOnSpace(false);
    await rig.tick(3);
    await written(leader, "there is space again");
  });

  test("a leader without space hands over to a voter with", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    leader.setLowOnSpace(true);
    await rig.tick(60);
    expect((await rig.elect()).id).not.toBe(leader.id);
  });
});
