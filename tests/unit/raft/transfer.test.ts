import { describe, expect, test } from "@jest/globals";
import { ELECTION_TICKS, Group, text } from "./group";

describe("leadership transfer (thesis 3.10)", () => {
  test("D11: an up-to-date target leads at once, in the next term, past pre-vote and loyalty", () => {
    const group = new Group(3, { preVote: true, checkQuorum: true });
    group.elect("n1");
    expect(group.raft("n1").transferLeadership("n3")).toEqual({ kind: "started" });
    group.settle();
    expect(group.leaders()).toEqual(["n3"]);
    expect(group.raft("n3").status().term).toBe(2);
  });

  test("D11: a lagging target is brought up to date first, and nothing is lost", () => {
    const group = new Group(3);
    group.elect("n1");
    group.isolate("n3");
    group.propose("n1", "a", "b");
    group.heal();
    group.raft("n1").transferLeadership("n3");
    group.tick(2);
    expect(group.leaders()).toEqual(["n3"]);
    expect(group.commands("n3")).toEqual(["a", "b"]);
  });

  test("D11: a chain from the first to the second to the third", () => {
    const group = new Group(3, { preVote: true, checkQuorum: true });
    group.elect("n1");
    for (const [from, to] of [
      ["n1", "n2"],
      ["n2", "n3"],
      ["n3", "n1"],
    ] as const) {
      group.propose(from, `by ${from}`);
      group.raft(from).transferLeadership(to);
      group.settle();
      expect(group.leaders()).toEqual([to]);
    }
    group.tick(1);
    expect(group.commands("n2")).toEqual(["by n1", "by n2", "by n3"]);
  });

  test("D11: proposals are refused meanwhile, and taken again when the target does not take over in time", () => {
    const group = new Group(3);
    group.elect("n1");
    group.isolate("n3");
    group.propose("n1", "a");
    group.raft("n1").transferLeadership("n3");
    expect(group.raft("n1").propose([text("b")])).toEqual({ kind: "transferring", target: "n3" });
    expect(group.raft("n1").status().transferTarget).toBe("n3");
    group.tick(ELECTION_TICKS, "n1");
    expect(group.raft("n1").propose([text("b")]).kind).toBe("accepted");
  });

  test("a follower sends the wish on to its leader", () => {
    const group = new Group(3);
    expect(group.raft("n2").transferLeadership("n3")).toEqual({ kind: "no_leader" });
    group.elect("n1");
    expect(group.raft("n2").transferLeadership("n3")).toEqual({ kind: "forwarded" });
    group.settle();
    expect(group.leaders()).toEqual(["n3"]);
  });

  test("a second wish replaces the first, the same is known, and oneself or a stranger is refused", () => {
    const group = new Group(3);
    group.elect("n1");
    group.isolate("n2", "n3");
    group.propose("n1", "a");
    const outcomes = ["n2", "n2", "n3", "n9", "n1"].map((id) => group.raft("n1").transferLeadership(id).kind);
    expect(outcomes).toEqual(["started", "in_progress", "started", "not_a_voter", "already_leader"]);
    expect(group.raft("n1").status().transferTarget).toBeNull();
  });
});
