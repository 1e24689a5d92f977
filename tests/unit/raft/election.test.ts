import { describe, expect, test } from "@jest/globals";
import { configurationOf, type Message } from "@quorate/services/raft";
import { ELECTION_TICKS, Group, HEARTBEAT_TICKS, idOf, logOf, member, type NodeConfig } from "./group";
import { leaseOf, TestClock } from "./lease-terms";

const GUARDED = { preVote: true, checkQuorum: true } as const;

function kinds(messages: readonly Message[]): string[] {
  return messages.map(({ kind, to }) => `${kind} to ${to}`);
}

describe("terms (Raft paper, 5.1)", () => {
  test("a member that hears of a newer term takes it over and follows", () => {
    const group = new Group(3);
    group.elect("n1");
    group.raft("n1").step({ kind: "append_response", from: "n2", to: "n1", term: 5, index: 0, hint: null });
    expect(group.raft("n1").status()).toMatchObject({
      role: "follower",
      term: 5,
      vote: null,
      leaderId: null,
    });
  });

  test("a candidate that hears from a leader of its own term follows it", () => {
    const node = member("n1", 3);
    node.raft.campaign();
    const heartbeat = {
      kind: "heartbeat",
      from: "n2",
      to: "n1",
      term: 1,
      commit: 0,
      readSequence: 0,
    } as const;
    node.raft.step(heartbeat);
    expect(node.raft.status()).toMatchObject({ role: "follower", term: 1, leaderId: "n2" });
  });

  test("a message of an old term is ignored", () => {
    const group = new Group(3);
    group.elect("n1");
    group.elect("n2");
    const before = group.raft("n3").status();
    group.raft("n3").step({
      kind: "append",
      from: "n1",
      to: "n3",
      term: 1,
      previous: { term: 0, index: 0 },
      entries: [],
      commit: 0,
    });
    expect(group.raft("n3").status()).toEqual(before);
    expect(group.raft("n3").hasReady()).toBe(false);
  });
});

describe("elections (Raft paper, 5.2)", () => {
  test("members start as followers", () => {
    expect(member("n1", 3).raft.status()).toMatchObject({ role: "follower", term: 0, leaderId: null });
  });

  test("a follower campaigns when its election timeout passes without a leader", () => {
    const node = member("n1", 3);
    const timeout = node.raft.status().randomizedElectionTicks;
    for (let tick = 1; tick < timeout; tick += 1) node.raft.tick();
    expect(node.raft.status().role).toBe("follower");
    node.raft.tick();
    expect(node.raft.status()).toMatchObject({ role: "candidate", term: 1, vote: "n1" });
  });

  test("heartbeats keep a follower from campaigning", () => {
    const group = new Group(3);
    group.elect("n1");
    group.tick(10 * ELECTION_TICKS);
    expect(group.leaders()).toEqual(["n1"]);
    expect(group.raft("n2").status().term).toBe(1);
  });

  test("the timeout is drawn from [electionTicks, 2 * electionTicks - 1], anew for each term, and all of it is used", () => {
    const node = member("n1", 3);
    const drawn = new Set<number>();
    for (let term = 1; term <= 400; term += 1) {
      node.raft.step({ kind: "vote_response", from: "n2", to: "n1", term, rejected: true });
      drawn.add(node.raft.status().randomizedElectionTicks);
    }
    const expected = Array.from({ length: ELECTION_TICKS }, (_, at) => ELECTION_TICKS + at);
    expect([...drawn].sort((a, b) => a - b)).toEqual(expected);
  });

  test("a candidate asks every other voter and votes for itself", () => {
    const node = member("n2", 3, { log: logOf(1, 1) });
    node.raft.campaign();
    const ready = node.raft.takeReady();
    expect(ready.hardState).toEqual({ term: 1, vote: "n2", commit: 0 });
    expect(ready.messagesAfterPersist).toEqual([
      { kind: "vote", from: "n2", to: "n1", term: 1, last: { term: 1, index: 2 }, transfer: false },
      { kind: "vote", from: "n2", to: "n3", term: 1, last: { term: 1, index: 2 }, transfer: false },
    ]);
  });

  test.each([
    [1, 0, "leader"],
    [3, 1, "leader"],
    [3, 0, "candidate"],
    [5, 2, "leader"],
    [5, 1, "candidate"],
  ])("of %i voters, %i other votes make it a %s", (size, granted, role) => {
    const node = member("n1", size);
    node.raft.campaign();
    node.handleReady();
    for (let voter = 2; voter < 2 + granted; voter += 1) {
      node.raft.step({ kind: "vote_response", from: `n${voter}`, to: "n1", term: 1, rejected: false });
    }
    expect(node.raft.status().role).toBe(role);
  });

  test("one voter's repeated answer counts once", () => {
    const node = member("n1", 5);
    node.raft.campaign();
    node.handleReady();
    for (let answer = 0; answer < 5; answer += 1) {
      node.raft.step({ kind: "vote_response", from: "n2", to: "n1", term: 1, rejected: false });
    }
    expect(node.raft.status().role).toBe("candidate");
  });

  test("a candidate that a majority refuses follows again", () => {
    const node = member("n1", 3);
    node.raft.campaign();
    node.handleReady();
    for (const from of ["n2", "n3"]) {
      node.raft.step({ kind: "vote_response", from, to: "n1", term: 1, rejected: true });
    }
    expect(node.raft.status().role).toBe("follower");
  });

  test("a split vote is resolved in a later term", () => {
    const group = new Group(4);
    group.loses = ({ from, to }) => from + to === "n1n4" || from + to === "n2n3";
    for (const id of ["n1", "n2"]) group.raft(id).campaign();
    group.settle();
    expect(group.leaders()).toEqual([]);
    group.heal();
    group.tick(6 * ELECTION_TICKS);
    expect(group.leaders()).toHaveLength(1);
    expect(group.raft("n1").status().term).toBeGreaterThan(1);
  });

  test("a new leader tells all at once", () => {
    const node = member("n1", 3);
    node.raft.campaign();
    node.handleReady();
    node.raft.step({ kind: "vote_response", from: "n2", to: "n1", term: 1, rejected: false });
    expect(kinds(node.raft.takeReady().messages)).toEqual(["append to n2", "append to n3"]);
  });

  test("D1: seven members elect one leader and agree on it", () => {
    const group = new Group(7, GUARDED);
    group.tick(3 * ELECTION_TICKS);
    const [leader] = group.leaders();
    expect(group.leaders()).toHaveLength(1);
    for (const { raft } of group.nodes.values()) expect(raft.status().leaderId).toBe(leader);
  });
});

describe("votes (Raft paper, 5.2 and 5.4.1)", () => {
  function answerOf(
    config: Partial<NodeConfig>,
    from: string,
    term: number,
    last: [number, number],
  ): unknown {
    const node = member("n1", 3, config);
    const request = { kind: "vote", from, to: "n1", term, transfer: false } as const;
    node.raft.step({ ...request, last: { term: last[0], index: last[1] } });
    const [answer] = node.raft.takeReady().messagesAfterPersist;
    return answer?.kind === "vote_response" && !answer.rejected ? "granted" : "refused";
  }

  test.each<[string, [number, number], string]>([
    ["a longer log", [2, 9], "granted"],
    ["an equal log", [2, 3], "granted"],
    ["a log of a later term", [3, 1], "granted"],
    ["a shorter log", [2, 2], "refused"],
    ["a log of an earlier term", [1, 9], "refused"],
  ])("D4: a candidate with %s: %s %s", (_, last, expected) => {
    expect(
      answerOf({ log: logOf(1, 2, 2), hardState: { term: 2, vote: null, commit: 0 } }, "n2", 4, last),
    ).toBe(expected);
  });

  test.each<[string, string | null, string]>([
    ["nobody", null, "granted"],
    ["the same candidate", "n2", "granted"],
    ["another candidate", "n3", "refused"],
  ])("a member that voted for %s (%s) in this term: %s", (_, vote, expected) => {
    expect(answerOf({ hardState: { term: 4, vote, commit: 0 } }, "n2", 4, [0, 0])).toBe(expected);
  });

  test("D10: a vote is stored before it is told, and a restarted member keeps it", () => {
    const node = member("n1", 3);
    node.raft.step({
      kind: "vote",
      from: "n2",
      to: "n1",
      term: 1,
      last: { term: 0, index: 0 },
      transfer: false,
    });
    const ready = node.raft.takeReady();
    expect(ready).toMatchObject({ hardState: { term: 1, vote: "n2" }, mustSync: true, messages: [] });
    node.hardState = ready.hardState ?? node.hardState;
    node.restart();
    node.raft.step({
      kind: "vote",
      from: "n3",
      to: "n1",
      term: 1,
      last: { term: 0, index: 0 },
      transfer: false,
    });
    expect(node.raft.takeReady().messagesAfterPersist).toEqual([
      { kind: "vote_response", from: "n1", to: "n3", term: 1, rejected: true },
    ]);
  });

  test("D4: the transport can tell members from strangers, whose answers the core drops itself", () => {
    const node = member("n1", 3);
    node.raft.campaign();
    expect([node.raft.isMember("n3"), node.raft.isMember("n9")]).toEqual([true, false]);
    const answer = { kind: "vote_response", to: "n1", term: 1, rejected: false } as const;
    expect(node.raft.step({ ...answer, from: "n9" })).toBe("unknown_peer");
    expect(node.raft.status().role).toBe("candidate");
  });
});

describe("pre-vote (thesis 9.6)", () => {
  test("asks without raising the term or casting a vote", () => {
    const node = member("n1", 3, GUARDED);
    node.raft.campaign();
    const ready = node.raft.takeReady();
    expect(ready.hardState).toBeNull();
    expect(ready.messagesAfterPersist[0]).toMatchObject({ kind: "pre_vote", term: 1 });
    expect(node.raft.status()).toMatchObject({ role: "pre_candidate", term: 0, vote: null });
  });

  test("D8: an isolated member returns without raising the term or deposing the leader", () => {
    const group = new Group(3, GUARDED);
    group.elect("n1");
    group.isolate("n3");
    group.tick(20 * ELECTION_TICKS);
    expect(group.raft("n3").status().role).toBe("pre_candidate");
    group.heal();
    group.tick(3 * ELECTION_TICKS);
    for (const { raft } of group.nodes.values())
      expect(raft.status()).toMatchObject({ term: 1, leaderId: "n1" });
  });

  test("D9: a member that is heard but hears nothing disturbs nobody, lagging and after the heal", () => {
    const group = new Group(3, GUARDED);
    group.elect("n1");
    group.loses = ({ to }) => to === "n3";
    group.propose("n1", "a", "b");
    group.tick(20 * ELECTION_TICKS);
    expect(group.raft("n1").status()).toMatchObject({ role: "leader", term: 1 });
    group.heal();
    group.tick(3 * ELECTION_TICKS);
    expect(group.raft("n3").status()).toMatchObject({ role: "follower", term: 1, leaderId: "n1" });
    expect(group.commands("n3")).toEqual(["a", "b"]);
  });

  test("a member that is ahead in term but behind in log frees itself: it deposes the leader once and follows", () => {
    const group = new Group(3, GUARDED);
    group.elect("n1");
    group.node("n3").hardState = { term: 7, vote: "n3", commit: 0 };
    group.node("n3").restart();
    group.tick(8 * ELECTION_TICKS);
    const terms = [...group.nodes.values()].map(({ raft }) => raft.status().term);
    expect(group.leaders()).toHaveLength(1);
    expect(new Set(terms).size).toBe(1);
    expect(terms[0]).toBeGreaterThanOrEqual(7);
  });
});

describe("check-quorum (thesis 6.2)", () => {
  test("a leader that hears of no majority for an election timeout steps down", () => {
    const group = new Group(5, GUARDED);
    group.elect("n1");
    group.isolate("n1", "n2");
    group.tick(2 * ELECTION_TICKS, "n1", "n2");
    expect(group.leaders()).toEqual([]);
  });

  test("a leader that hears of a majority stays", () => {
    const group = new Group(5, GUARDED);
    group.elect("n1");
    group.isolate("n4", "n5");
    group.tick(10 * ELECTION_TICKS);
    expect(group.leaders()).toEqual(["n1"]);
  });

  test("followers of a live leader refuse to look at votes, unless the leader asked for the election", () => {
    const group = new Group(3, { checkQuorum: true });
    group.elect("n1");
    const vote = { kind: "vote", from: "n3", to: "n2", term: 2, last: { term: 1, index: 1 } } as const;
    group.raft("n2").step({ ...vote, transfer: false });
    expect(group.raft("n2").status().term).toBe(1);
    group.raft("n2").step({ ...vote, transfer: true });
    expect(group.raft("n2").status()).toMatchObject({ term: 2, vote: "n3" });
  });

  test("a follower that forgets its leader grants pre-votes before its timeout", () => {
    const group = new Group(3, GUARDED);
    group.elect("n1");
    group.isolate("n1");
    group.raft("n3").campaign();
    group.settle();
    expect(group.raft("n3").status().role).toBe("pre_candidate");
    group.raft("n2").forgetLeader();
    group.raft("n3").campaign();
    group.settle();
    expect(group.raft("n3").status()).toMatchObject({ role: "leader", term: 2 });
  });

  test("followers whose leader was reset take turns, and the first wins long before an election timeout", () => {
    const group = new Group(5, GUARDED);
    group.elect("n3");
    group.isolate("n3");
    const survivors = ["n1", "n2", "n4", "n5"];
    for (const id of survivors) group.raft(id).reportReset("n3");
    expect(survivors.map((id) => group.raft(id).status().randomizedElectionTicks)).toEqual([1, 3, 5, 7]);
    expect(survivors.map((id) => group.raft(id).status().leaderId)).toEqual([null, null, null, null]);
    group.tick(1);
    expect(group.leaders()).toContain("n1");
    expect(group.raft("n5").status()).toMatchObject({ term: 2, leaderId: "n1" });
    expect(group.raft("n5").status().randomizedElectionTicks).toBeGreaterThanOrEqual(ELECTION_TICKS);
  });

  test("who loses the leader later answers a question that it was asked before", () => {
    const group = new Group(3, GUARDED);
    group.elect("n1");
    group.isolate("n1");
    group.raft("n2").reportReset("n1");
    group.raft("n2").tick();
    group.settle();
    expect(group.raft("n2").status()).toMatchObject({ role: "pre_candidate", term: 1 });
    group.raft("n3").reportReset("n1");
    group.settle();
    expect(group.raft("n2").status()).toMatchObject({ role: "leader", term: 2 });
  });

  test("a question from before the leader was heard again stays unanswered", () => {
    const group = new Group(3, GUARDED);
    group.elect("n1");
    group.raft("n2").reportReset("n1");
    group.raft("n2").tick();
    group.settle();
    group.tick(1, "n1");
    group.raft("n3").reportReset("n1");
    expect(group.raft("n3").hasReady()).toBe(true);
    expect(group.raft("n3").takeReady().messagesAfterPersist).toEqual([]);
  });

  test("a reset of a living leader's connection costs no election: the others hear it, and so does who lost it", () => {
    const group = new Group(3, GUARDED);
    group.elect("n1");
    group.raft("n2").reportReset("n1");
    group.raft("n2").tick();
    group.settle();
    expect(group.raft("n2").status()).toMatchObject({ role: "pre_candidate", term: 1, leaderId: null });
    group.tick(ELECTION_TICKS - 1);
    expect(group.leaders()).toEqual(["n1"]);
    expect(group.raft("n2").status()).toMatchObject({ role: "follower", term: 1, leaderId: "n1" });
    expect(group.raft("n2").status().randomizedElectionTicks).toBeGreaterThanOrEqual(ELECTION_TICKS);
  });

  test("a leader that is heard again in time is not campaigned against", () => {
    const group = new Group(3, GUARDED);
    group.elect("n1");
    group.raft("n3").reportReset("n1");
    group.raft("n1").propose([new Uint8Array([1])]);
    group.settle();
    group.raft("n3").tick();
    group.raft("n3").tick();
    group.raft("n3").tick();
    expect(group.raft("n3").status()).toMatchObject({ role: "follower", leaderId: "n1" });
  });

  test("a hint is good for one try: later ones wait for an election timeout", () => {
    const group = new Group(3, GUARDED);
    group.elect("n1");
    group.isolate("n2");
    const { raft } = group.node("n2");
    raft.reportReset("n1");
    raft.tick();
    expect(raft.status().role).toBe("pre_candidate");
    expect(raft.status().randomizedElectionTicks).toBeGreaterThanOrEqual(ELECTION_TICKS);
  });

  test("members that have all just started take turns, and the first wins long before an election timeout", () => {
    const group = new Group(3, GUARDED);
    const ids = ["n1", "n2", "n3"];
    for (const id of ids) group.raft(id).reportStarted();
    const turns = ids.map((id) => group.raft(id).status().randomizedElectionTicks);
    expect(turns).toEqual([0, 2, 4].map((later) => 2 * HEARTBEAT_TICKS + later));
    expect(Math.max(...turns)).toBeLessThan(ELECTION_TICKS);
    group.tick(2 * HEARTBEAT_TICKS);
    expect(group.leaders()).toEqual(["n1"]);
    expect(group.raft("n3").status()).toMatchObject({ term: 1, leaderId: "n1" });
    expect(group.raft("n3").status().randomizedElectionTicks).toBeGreaterThanOrEqual(ELECTION_TICKS);
  });

  test("whoever starts beside a living leader that it does not hear of asks in vain, and once", () => {
    const group = new Group(3, GUARDED);
    group.elect("n1");
    group.raft("n2").forgetLeader();
    group.raft("n2").reportStarted();
    for (let tick = 0; tick < ELECTION_TICKS - 1; tick += 1) group.raft("n2").tick();
    group.settle();
    expect(group.raft("n2").status()).toMatchObject({ role: "pre_candidate", term: 1 });
    expect(group.raft("n2").status().randomizedElectionTicks).toBeGreaterThanOrEqual(ELECTION_TICKS);
    expect(group.leaders()).toEqual(["n1"]);
    group.tick(HEARTBEAT_TICKS);
    expect(group.raft("n2").status()).toMatchObject({ role: "follower", term: 1, leaderId: "n1" });
  });

  test.each([
    ["without pre-votes", { preVote: false }],
    ["with lease reads", { lease: leaseOf(new TestClock()) }],
  ])("%s a start waits as long as ever", (_, config) => {
    const group = new Group(3, { ...GUARDED, ...config });
    const before = group.raft("n1").status();
    group.raft("n1").reportStarted();
    expect(group.raft("n1").status()).toEqual(before);
  });

  test("the reset of another's connection, or of one to a leader of the past, means nothing", () => {
    const group = new Group(3, GUARDED);
    group.elect("n1");
    const before = group.raft("n2").status();
    group.raft("n2").reportReset("n3");
    expect(group.raft("n2").status()).toEqual(before);
    group.raft("n1").reportReset("n2");
    expect(group.leaders()).toEqual(["n1"]);
  });

  test("a learner forgets a leader that was reset, and looks for none", () => {
    const group = new Group(3, {
      ...GUARDED,
      configuration: { ...configurationOf(["n1", "n2"]), learners: ["n3"] },
    });
    group.elect("n1");
    group.raft("n3").reportReset("n1");
    expect(group.raft("n3").status().leaderId).toBeNull();
    for (let tick = 1; tick < ELECTION_TICKS; tick += 1) group.raft("n3").tick();
    expect(group.raft("n3").status()).toMatchObject({ role: "follower", term: 1 });
  });

  test("a lone voter waits for nobody", () => {
    const node = member("n1", 1);
    node.raft.tick();
    expect(node.raft.status()).toMatchObject({ role: "candidate", term: 1 });
  });

  test("with lease reads nobody forgets its leader", () => {
    const group = new Group(3, { ...GUARDED, lease: leaseOf(new TestClock()) });
    group.elect("n1");
    group.raft("n2").forgetLeader();
    group.raft("n2").reportReset("n1");
    expect(group.raft("n2").status().leaderId).toBe("n1");
  });
});

test("a leader's own vote counts only when it is durable", () => {
  const node = member("n1", 1);
  node.raft.campaign();
  const ready = node.raft.takeReady();
  expect(node.raft.status().role).toBe("candidate");
  node.raft.persisted({ readyNumber: ready.number, last: idOf(ready) });
  expect(node.raft.status().role).toBe("leader");
});
