import { describe, expect, it } from "@jest/globals";
import { appliedAnswer, put, ReplicaRig } from "./replica-rig";

describe("replicas", () => {
  it("take nothing from strangers, and no proposals from peers", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick(2);
    const before = leader.status().raft;
    const lastTerm = before.term + 5;
    leader.receive([
      {
        kind: "vote",
        from: "n9",
        to: leader.id,
        term: lastTerm,
        last: { term: lastTerm, index: 99 },
        transfer: true,
      },
      {
        kind: "vote",
        from: "n2",
        to: "n9",
        term: lastTerm,
        last: { term: lastTerm, index: 99 },
        transfer: true,
      },
      {
        kind: "propose",
        from: "n2",
        to: leader.id,
        term: 0,
        proposals: [{ kind: "normal", data: Uint8Array.of(1) }],
      },
    ]);
    await rig.settle();
    expect(leader.status().raft.term).toBe(before.term);
    expect(leader.status().raft.last).toEqual(before.last);
  });

  it("take nothing malformed from a peer, and say so", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick(2);
    const follower = rig.replica(rig.seats.find(({ id }) => id !== leader.id)!.id);
    const heard: string[] = [];
    follower.subscribe({ messageRefused: (from, fault) => heard.push(`${from}: ${fault}`) });
    const { last, term, commit } = follower.status().raft;
    const entry = { term, kind: "normal" as const, data: Uint8Array.of(1) };
    const entries = [
      { ...entry, index: last.index + 1 },
      { ...entry, index: last.index + 3 },
    ];
    follower.receive([
      { kind: "append", from: leader.id, to: follower.id, term, previous: last, entries, commit },
    ]);
    await rig.settle();
    expect(heard).toHaveLength(1);
    expect(heard[0]).toContain(leader.id);
    expect(follower.status().raft.last).toEqual(last);
    const outcome = leader.submit(put("a", "1"));
    await rig.settle();
    appliedAnswer(await outcome);
  });
});
