import { describe, expect, test } from "@jest/globals";
import {
  type Configuration,
  changedConfiguration,
  configurationOf,
  type MemberChange,
  type MemberId,
  type Message,
  type ProgressStatus,
  type ProposeConfigurationOutcome,
  type TraceEvent,
} from "@quorate/services/raft";
import { heartbeatAnswer, type NodeConfig, text } from "./group";
import { configurationCommand, SlowMember } from "./slow-member";

const two = configurationOf(["n1", "n2"]);
const three = configurationOf(["n1", "n2", "n3"]);

/** Everything that the member has to do; what it sends. */
function settle(member: SlowMember): readonly Message[] {
  const sent: Message[] = [];
  while (!member.isIdle) {
    sent.push(...member.take(), ...member.store());
    while (member.apply() !== null) {}
  }
  return sent;
}

function answer(from: MemberId, index: number, term = 1): Message {
  return { kind: "append_response", from, to: "n1", term, index, hint: null };
}

/** n1, elected by all others in term 1, with its first entry committed. */
function leader(configuration: Configuration, changes: Partial<NodeConfig> = {}): SlowMember {
  const member = new SlowMember("n1", configuration, changes);
  const others = configuration.voters.filter((id) => id !== "n1");
  member.raft.campaign();
  settle(member);
  for (const from of others) {
    member.raft.step({ kind: "vote_response", from, to: "n1", term: 1, rejected: false });
  }
  settle(member);
  for (const from of others) member.raft.step(answer(from, 1));
  settle(member);
  return member;
}

function change(
  member: SlowMember,
  changes: readonly MemberChange[],
  transition: "auto" | "explicit" = "auto",
): ProposeConfigurationOutcome {
  const changed = changedConfiguration(member.raft.status().configuration, changes, transition);
  if (changed.kind === "fault") throw new Error(changed.fault);
  return member.raft.proposeConfiguration(changed.configuration, configurationCommand(changed.configuration));
}

function progressOf(member: SlowMember, id: MemberId): ProgressStatus | undefined {
  return member.raft.status().progress?.find((progress) => progress.id === id);
}

const addFourth: readonly MemberChange[] = [{ kind: "add_voter", id: "n4" }];

describe("a proposal of a configuration", () => {
  test("a follower names its leader", () => {
    const member = new SlowMember("n2", three, {});
    expect(change(member, addFourth)).toEqual({ kind: "not_leader", leaderId: null });
    member.raft.step({ kind: "heartbeat", from: "n1", to: "n2", term: 1, commit: 0, readSequence: 0 });
    expect(change(member, addFourth)).toEqual({ kind: "not_leader", leaderId: "n1" });
  });

  test("is in force when it is applied, not when it is appended", () => {
    const member = leader(three);
    expect(change(member, addFourth).kind).toBe("accepted");
    settle(member);
    expect(member.raft.isMember("n4")).toBe(false);
    member.raft.step(answer("n2", 2));
    settle(member);
    expect(member.raft.isMember("n4")).toBe(true);
    expect(progressOf(member, "n4")).toMatchObject({ match: 0, next: 2, isRecentlyActive: true });
  });

  test("waits until the one before it is applied", () => {
    const member = leader(three);
    change(member, addFourth);
    settle(member);
    expect(change(member, [{ kind: "remove", id: "n3" }])).toEqual({ kind: "configuration_pending" });
    member.raft.step(answer("n2", 2));
    while (member.raft.hasReady()) member.take();
    expect(change(member, [{ kind: "remove", id: "n3" }])).toEqual({ kind: "configuration_pending" });
    settle(member);
    expect(change(member, [{ kind: "remove", id: "n3" }]).kind).toBe("accepted");
  });

  test("waits, on a new leader, until all that it found is applied", () => {
    const member = new SlowMember("n1", three, {});
    const entry = { term: 1, index: 1, kind: "conf_change_v2", data: configurationCommand(two) } as const;
    const previous = { term: 0, index: 0 };
    member.raft.step({
      kind: "append",
      from: "n2",
      to: "n1",
      term: 1,
      previous,
      entries: [entry],
      commit: 0,
    });
    settle(member);
    member.raft.campaign();
    settle(member);
    member.raft.step({ kind: "vote_response", from: "n2", to: "n1", term: 2, rejected: false });
    settle(member);
    expect(change(member, addFourth)).toEqual({ kind: "configuration_pending" });
    member.raft.step(answer("n2", 2, 2));
    settle(member);
    expect(member.raft.status().configuration).toEqual(two);
    expect(change(member, addFourth).kind).toBe("accepted");
  });

  test("is refused where it may not follow the present one", () => {
    const member = leader(three);
    const next = configurationOf(["n1", "n4", "n5"]);
    expect(member.raft.proposeConfiguration(next, text("x"))).toMatchObject({ kind: "configuration_fault" });
    expect(member.raft.status().last.index).toBe(1);
  });

  test("is refused while leadership is handed over", () => {
    const member = leader(three);
    member.raft.transferLeadership("n2");
    expect(change(member, addFourth)).toEqual({ kind: "transferring", target: "n2" });
  });
});

describe("a joint configuration", () => {
  const replace: readonly MemberChange[] = [
    { kind: "add_voter", id: "n4" },
    { kind: "remove", id: "n3" },
  ];

  test("is left by itself, by an entry without data", () => {
    const member = leader(three);
    change(member, replace);
    settle(member);
    member.raft.step(answer("n2", 2));
    settle(member);
    expect(member.raft.logEntries().at(-1)).toMatchObject({ index: 3, kind: "conf_change_v2" });
    expect(member.raft.logEntries().at(-1)?.data).toHaveLength(0);
    member.raft.step(answer("n2", 3));
    settle(member);
    expect(member.raft.status().configuration).toEqual(configurationOf(["n1", "n2", "n4"]));
    expect(member.raft.status().last.index).toBe(3);
  });

  test("commits what a majority of each half holds, and no sooner", () => {
    const member = leader(three);
    change(member, [...replace, { kind: "add_voter", id: "n5" }, { kind: "remove", id: "n2" }], "explicit");
    settle(member);
    member.raft.step(answer("n2", 2));
    settle(member);
    member.raft.propose([text("a")]);
    settle(member);
    member.raft.step(answer("n2", 3));
    expect(member.raft.status().commit).toBe(2);
    member.raft.step(answer("n4", 3));
    expect(member.raft.status().commit).toBe(3);
  });

  test("is left after a transfer that was given up, where it could not be before", () => {
    const member = leader(three);
    change(member, replace);
    settle(member);
    member.raft.transferLeadership("n3");
    member.raft.step(answer("n2", 2));
    settle(member);
    expect(member.raft.status().last.index).toBe(2);
    for (let tick = 0; tick < 10; tick += 1) member.raft.tick();
    expect(member.raft.status()).toMatchObject({ transferTarget: null, last: { index: 3 } });
  });
});

describe("when a configuration is applied", () => {
  test("what waited for a removed member commits", () => {
    const member = leader(configurationOf(["n1", "n2", "n3", "n4"]));
    change(member, [{ kind: "remove", id: "n4" }]);
    member.raft.propose([text("a")]);
    settle(member);
    member.raft.step(answer("n2", 3));
    member.raft.step(answer("n3", 2));
    settle(member);
    expect(member.raft.status().commit).toBe(3);
  });

  test("reads that waited for a removed member are served", () => {
    const member = leader(configurationOf(["n1", "n2", "n3", "n4"]));
    change(member, [{ kind: "remove", id: "n4" }]);
    settle(member);
    member.raft.readIndex("r");
    settle(member);
    member.raft.step({ ...heartbeatAnswer("n2", 1), readSequence: 1 } as Message);
    for (const from of ["n2", "n3"]) member.raft.step(answer(from, 2));
    member.take();
    member.store();
    member.apply();
    expect(member.raft.takeReady().readStates).toEqual([{ context: "r", index: 1 }]);
  });

  test("a new member does not count as silent before it could answer", () => {
    const member = leader(two, { checkQuorum: true });
    for (let tick = 0; tick < 9; tick += 1) member.raft.tick();
    change(member, [{ kind: "add_voter", id: "n3" }]);
    settle(member);
    member.raft.step(answer("n2", 2));
    settle(member);
    member.raft.tick();
    expect(member.raft.status().role).toBe("leader");
  });

  test("a transfer to a removed member ends", () => {
    const member = leader(three);
    change(member, [{ kind: "remove", id: "n3" }]);
    settle(member);
    member.raft.transferLeadership("n3");
    member.raft.step(answer("n2", 2));
    settle(member);
    expect(member.raft.status().transferTarget).toBeNull();
    expect(member.raft.propose([text("a")]).kind).toBe("accepted");
  });

  test("a promoted learner counts, and a member that comes back begins anew", () => {
    const member = leader({ ...two, learners: ["n3"] });
    change(member, [{ kind: "add_voter", id: "n3" }]);
    settle(member);
    for (const from of ["n3", "n2"]) member.raft.step(answer(from, 2));
    settle(member);
    expect(progressOf(member, "n3")).toMatchObject({ isLearner: false, match: 2 });
    change(member, [{ kind: "remove", id: "n3" }]);
    settle(member);
    member.raft.step(answer("n2", 3));
    settle(member);
    expect(member.raft.step(answer("n3", 3))).toBe("unknown_peer");
    change(member, [{ kind: "add_learner", id: "n3" }]);
    settle(member);
    member.raft.step(answer("n2", 4));
    settle(member);
    expect(progressOf(member, "n3")).toMatchObject({ isLearner: true, match: 0 });
  });

  test("a candidate that votes no longer gives up", () => {
    const member = new SlowMember("n1", three, {});
    member.raft.campaign();
    member.raft.applyConfiguration(configurationOf(["n2", "n3"]));
    expect(member.raft.status().role).toBe("follower");
  });
});

describe("a leader that is removed", () => {
  function removeLeader(configuration: Configuration): readonly Message[] {
    const member = leader(configuration);
    change(member, [{ kind: "remove", id: "n1" }]);
    settle(member);
    const best = configuration.voters.at(-1) as MemberId;
    member.raft.step(answer(best, 2));
    const sent = settle(member);
    expect(member.raft.status()).toMatchObject({ role: "follower", leaderId: null, term: 1, progress: null });
    member.raft.campaign();
    for (let tick = 0; tick < 30; tick += 1) member.raft.tick();
    expect(member.raft.status()).toMatchObject({ role: "follower", term: 1 });
    return sent;
  }

  test.each([
    ["one of three", three, "n3"],
    ["one of two", two, "n2"],
  ])("bids the voter that holds the most to take over: %s", (_, configuration, expected) => {
    const bids = removeLeader(configuration).filter(({ kind }) => kind === "timeout_now");
    expect(bids.map(({ to }) => to)).toEqual([expected]);
  });

  test("leads on in the outgoing half of a joint configuration, not counting itself in the other", () => {
    const member = leader(three);
    change(
      member,
      [
        { kind: "remove", id: "n1" },
        { kind: "add_voter", id: "n4" },
      ],
      "explicit",
    );
    settle(member);
    member.raft.step(answer("n2", 2));
    settle(member);
    expect(member.raft.status().role).toBe("leader");
    member.raft.propose([text("a")]);
    settle(member);
    member.raft.step(answer("n2", 3));
    // Two of n1, n2, n3, but one of n2, n3, n4.
    expect(member.raft.status().commit).toBe(2);
    member.raft.step(answer("n4", 3));
    expect(member.raft.status().commit).toBe(3);
  });

  test.each([
    ["campaigns as soon as it has", 9, 1],
    ["leaves the leader alone where that took it an election timeout", 10, 0],
  ])("one that was bidden before it has applied the change %s", (_, ticks, count) => {
    const member = new SlowMember("n2", three, { electionTicks: 10 });
    const entry = {
      term: 1,
      index: 1,
      kind: "conf_change_v2",
      data: configurationCommand(configurationOf(["n2", "n3"])),
    } as const;
    const previous = { term: 0, index: 0 };
    member.raft.step({
      kind: "append",
      from: "n1",
      to: "n2",
      term: 1,
      previous,
      entries: [entry],
      commit: 1,
    });
    member.raft.step({ kind: "timeout_now", from: "n1", to: "n2", term: 1 });
    for (let tick = 0; tick < ticks; tick += 1) {
      member.raft.tick();
      member.raft.step({ kind: "heartbeat", from: "n1", to: "n2", term: 1, commit: 1, readSequence: 0 });
    }
    expect(member.raft.status().role).toBe("follower");
    const votes = settle(member).filter(({ kind }) => kind === "vote");
    expect(votes).toMatchObject(Array(count).fill({ to: "n3", transfer: true }));
  });

  test("its vote, refused for its longer log, tells the candidate that the change is committed", () => {
    const candidate = new SlowMember("n2", two, {});
    const alone = configurationOf(["n2"]);
    const data = configurationCommand(alone);
    const entry = { term: 1, index: 1, kind: "conf_change_v2", data } as const;
    const append = { kind: "append", from: "n1", to: "n2", term: 1, commit: 0 } as const;
    candidate.raft.step({ ...append, previous: { term: 0, index: 0 }, entries: [entry] });
    settle(candidate);
    candidate.raft.campaign();
    settle(candidate);
    const committed = { term: 1, index: 1 };
    candidate.raft.step({ kind: "vote_response", from: "n1", to: "n2", term: 2, rejected: true, committed });
    expect(candidate.raft.status()).toMatchObject({ role: "follower", commit: 1 });
    settle(candidate);
    expect(candidate.raft.status().configuration).toEqual(alone);
    candidate.raft.campaign();
    settle(candidate);
    expect(candidate.raft.status().role).toBe("leader");
  });

  test("a refusal tells what is committed, and what the candidate does not hold changes nothing", () => {
    const voter = leader(three);
    voter.raft.step({ kind: "pre_vote", from: "n2", to: "n1", term: 2, last: { term: 0, index: 0 } });
    expect(settle(voter)).toMatchObject([{ rejected: true, committed: { term: 1, index: 1 } }]);
    const candidate = new SlowMember("n2", three, {});
    candidate.raft.campaign();
    settle(candidate);
    const committed = { term: 1, index: 1 };
    candidate.raft.step({ kind: "vote_response", from: "n1", to: "n2", term: 1, rejected: true, committed });
    expect(candidate.raft.status()).toMatchObject({ role: "candidate", commit: 0 });
  });
});

describe("space", () => {
  test("a follower says that its disk is nearly full, and its leader shows it", () => {
    const follower = new SlowMember("n2", two, {});
    follower.raft.setLowOnSpace(true);
    const heartbeat = {
      kind: "heartbeat",
      from: "n1",
      to: "n2",
      term: 1,
      commit: 0,
      readSequence: 0,
    } as const;
    follower.raft.step(heartbeat);
    const [said] = settle(follower);
    expect(said).toMatchObject({ kind: "heartbeat_response", lowOnSpace: true });
    const member = leader(two);
    member.raft.step(said as Message);
    expect(progressOf(member, "n2")?.isLowOnSpace).toBe(true);
    member.raft.step(heartbeatAnswer("n2", 1, false));
    member.raft.setLowOnSpace(true);
    expect([progressOf(member, "n1")?.isLowOnSpace, progressOf(member, "n2")?.isLowOnSpace]).toEqual([
      true,
      false,
    ]);
  });
});

test("a learner that hears no leader for an election timeout knows of none, campaigns for nothing, and hears it again", () => {
  const member = new SlowMember("n3", { ...two, learners: ["n3"] }, {});
  const heartbeat: Message = { kind: "heartbeat", from: "n1", to: "n3", term: 1, commit: 0, readSequence: 0 };
  member.raft.step(heartbeat);
  settle(member);
  expect(member.raft.status().leaderId).toBe("n1");
  const sent: Message[] = [];
  for (let tick = 0; tick < 40; tick += 1) {
    member.raft.tick();
    sent.push(...settle(member));
  }
  expect(sent).toEqual([]);
  expect(member.raft.status()).toMatchObject({ role: "follower", term: 1, leaderId: null });
  member.raft.step(heartbeat);
  settle(member);
  expect(member.raft.status().leaderId).toBe("n1");
});

test("the trace tells what is proposed to change, and who votes once it has", () => {
  const events: TraceEvent[] = [];
  const member = leader(two, { tracer: (event) => void events.push(event) });
  change(member, [{ kind: "add_learner", id: "n3" }]);
  settle(member);
  member.raft.step(answer("n2", 2));
  settle(member);
  const told = events.filter(({ prop }) => prop !== undefined).map(({ name, prop }) => [name, prop?.cc]);
  expect(told).toEqual([
    ["ChangeConf", { changes: [{ nid: "n3", action: "AddLearner" }], newconf: [] }],
    ["ApplyConfChange", { changes: [], newconf: ["n1", "n2"] }],
  ]);
});
