import { describe, expect, test } from "@jest/globals";
import {
  type AppendMessage,
  configurationOf,
  type Message,
  type ProgressStatus,
} from "@quorate/services/raft";
import {
  ELECTION_TICKS,
  Group,
  heartbeatAnswer,
  idOf,
  logOf,
  member,
  type Node,
  text,
  textOf,
} from "./group";

function appendsTo(messages: readonly Message[], to: string): AppendMessage[] {
  return messages.filter(
    (message): message is AppendMessage => message.kind === "append" && message.to === to,
  );
}

function progressOf(group: Group, leader: string, id: string): ProgressStatus {
  const progress = group
    .raft(leader)
    .status()
    .progress?.find((status) => status.id === id);
  if (progress === undefined) throw new Error(`${leader} knows nothing of ${id}`);
  return progress;
}

/** A leader of three whose followers are silent, with its first entry stored. */
function lonelyLeader(changes: Parameters<typeof member>[2] = {}): Node {
  const node = member("n1", 3, changes);
  node.raft.campaign();
  node.handleReady();
  node.raft.step({ kind: "vote_response", from: "n2", to: "n1", term: 1, rejected: false });
  node.handleReady();
  return node;
}

function acknowledge(node: Node, from: string, index: number): void {
  node.raft.step({
    kind: "append_response",
    from,
    to: node.id,
    term: node.raft.status().term,
    index,
    hint: null,
  });
}

describe("log replication (Raft paper, 5.3)", () => {
  test("each command becomes an entry, is sent with the one before it, and is applied by all in order", () => {
    const group = new Group(3);
    group.elect("n1");
    const outcome = group.raft("n1").propose([text("a"), text("b")]);
    expect(outcome).toEqual({ kind: "accepted", first: { term: 1, index: 2 }, last: { term: 1, index: 3 } });
    const [append] = appendsTo(group.node("n1").handleReady(), "n2");
    expect(append).toMatchObject({ previous: { term: 1, index: 1 }, commit: 1, term: 1 });
    expect(append?.entries.map(textOf)).toEqual(["a", "b"]);
    group.propose("n1", "c");
    group.tick(1);
    for (const id of group.nodes.keys()) expect(group.commands(id).slice(-1)).toEqual(["c"]);
  });

  test("an entry is committed once a majority stores it, and the next message says so", () => {
    const node = lonelyLeader();
    node.raft.propose([text("a")]);
    node.handleReady();
    expect(node.raft.status().commit).toBe(0);
    acknowledge(node, "n2", 2);
    expect(node.raft.status().commit).toBe(2);
    expect(appendsTo(node.handleReady(), "n2")[0]?.commit).toBe(2);
    expect(node.applied.map(textOf)).toEqual(["", "a"]);
  });

  test("the leader's own entry counts only when it is durable", () => {
    const node = lonelyLeader();
    node.raft.propose([text("a")]);
    const ready = node.raft.takeReady();
    acknowledge(node, "n2", 2);
    expect(node.raft.status().commit).toBe(1);
    node.raft.persisted({ readyNumber: ready.number, last: idOf(ready) });
    expect(node.raft.status().commit).toBe(2);
  });

  test("an acknowledgement of more than the leader holds is not counted", () => {
    const node = lonelyLeader();
    acknowledge(node, "n2", 99);
    expect(node.raft.status().commit).toBe(0);
    acknowledge(node, "n2", 1);
    expect(node.raft.status().commit).toBe(1);
  });

  test("entries may be committed by the followers alone before the leader has stored them", () => {
    const node = lonelyLeader();
    node.raft.propose([text("a")]);
    const ready = node.raft.takeReady();
    acknowledge(node, "n2", 2);
    acknowledge(node, "n3", 2);
    expect(node.raft.status().commit).toBe(2);
    expect(node.raft.takeReady().committedEntries.map(textOf)).toEqual(["", "a"]);
    node.raft.persisted({ readyNumber: ready.number, last: idOf(ready) });
  });

  test("a follower refuses entries that do not follow its log, and keeps what it has", () => {
    const node = member("n1", 3, { log: logOf(1, 1, 2), hardState: { term: 2, vote: null, commit: 0 } });
    const append = { kind: "append", from: "n2", to: "n1", term: 3, entries: [], commit: 0 } as const;
    node.raft.step({ ...append, previous: { term: 3, index: 3 } });
    node.raft.step({ ...append, previous: { term: 3, index: 7 } });
    expect(node.handleReady()).toEqual([
      { kind: "append_response", from: "n1", to: "n2", term: 3, index: 3, hint: { term: 2, index: 3 } },
      { kind: "append_response", from: "n1", to: "n2", term: 3, index: 7, hint: { term: 2, index: 3 } },
    ]);
    expect(node.raft.status().last).toEqual({ term: 2, index: 3 });
  });

  test("an old append is answered with what is committed", () => {
    const group = new Group(3);
    group.elect("n1");
    group.propose("n1", "a", "b");
    const append = { kind: "append", from: "n1", to: "n2", term: 1, entries: [], commit: 0 } as const;
    group.raft("n2").step({ ...append, previous: { term: 0, index: 0 } });
    expect(group.node("n2").handleReady()).toEqual([
      { kind: "append_response", from: "n2", to: "n1", term: 1, index: 3, hint: null },
    ]);
  });

  /** Figure 7 of the paper: the leader of term 8 and the six logs that its followers may have. */
  const leaderLog = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  test.each<[string, number[]]>([
    ["lacks the last entry", [1, 1, 1, 4, 4, 5, 5, 6, 6]],
    ["lacks many", [1, 1, 1, 4]],
    ["has one more", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ["has more of a later term", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ["has others of the same term", [1, 1, 1, 4, 4, 4, 4]],
    ["has others of earlier terms", [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])("the leader makes a log equal to its own that %s (figure 7)", (_, followerLog) => {
    const logs: Record<string, number[]> = { n1: leaderLog, n2: followerLog, n3: leaderLog };
    const group = new Group(3, {}, (id) => ({
      log: logOf(...(logs[id] as number[])),
      hardState: { term: 7, vote: null, commit: 0 },
    }));
    group.elect("n1");
    expect(group.raft("n1").status()).toMatchObject({ role: "leader", term: 8 });
    expect(group.node("n2").log.all).toEqual(group.node("n1").log.all);
    expect(group.raft("n2").status().commit).toBe(11);
  });

  test("a long stretch of other terms costs one round a term, not one an entry", () => {
    const group = new Group(3, {}, (id) => ({
      log: logOf(1, ...new Array<number>(200).fill(id === "n2" ? 2 : 3)),
      hardState: { term: 3, vote: null, commit: 0 },
    }));
    let rejections = 0;
    group.loses = (message) => {
      if (message.kind === "append_response" && message.hint !== null) rejections += 1;
      return false;
    };
    group.elect("n1");
    expect(group.node("n2").log.all).toEqual(group.node("n1").log.all);
    expect(rejections).toBeLessThanOrEqual(2);
  });
});

describe("safety (Raft paper, 5.4)", () => {
  test("an entry of an earlier term is not committed by counting, but by one of the leader's own after it (figure 8)", () => {
    const node = member("n1", 3, { log: logOf(1, 2), hardState: { term: 3, vote: null, commit: 1 } });
    node.raft.campaign();
    node.handleReady();
    node.raft.step({ kind: "vote_response", from: "n2", to: "n1", term: 4, rejected: false });
    node.handleReady();
    acknowledge(node, "n2", 2);
    expect(node.raft.status().commit).toBe(1);
    acknowledge(node, "n2", 3);
    expect(node.raft.status().commit).toBe(3);
  });

  test("a new leader begins its term with an empty entry", () => {
    const group = new Group(3);
    group.elect("n2");
    expect(group.node("n2").log.all.map(({ term, data }) => [term, data.length])).toEqual([[1, 0]]);
  });

  test("a member that has lost what it acknowledged stops instead of serving", () => {
    const node = member("n1", 3);
    const heartbeat = {
      kind: "heartbeat",
      from: "n2",
      to: "n1",
      term: 1,
      commit: 4,
      readSequence: 0,
    } as const;
    expect(() => node.raft.step(heartbeat)).toThrow("lost");
  });
});

describe("the flow to a follower", () => {
  const bytesOfThree = { appendBytesMax: 0, inflightMessagesMax: 3 };

  test("probes with one message, then sends ahead as far as the window of messages goes", () => {
    const node = lonelyLeader(bytesOfThree);
    for (const command of ["a", "b", "c", "d"]) node.raft.propose([text(command)]);
    expect(appendsTo(node.handleReady(), "n2")).toHaveLength(0);
    acknowledge(node, "n2", 1);
    expect(appendsTo(node.handleReady(), "n2").map(({ entries }) => entries.map(textOf))).toEqual([
      ["a"],
      ["b"],
      ["c"],
    ]);
    acknowledge(node, "n2", 2);
    expect(appendsTo(node.handleReady(), "n2").map(({ entries }) => entries.map(textOf))).toEqual([["d"]]);
  });

  test("stops at the window of bytes", () => {
    const node = lonelyLeader({ appendBytesMax: 0, inflightBytesMax: 10 });
    acknowledge(node, "n2", 1);
    node.handleReady();
    for (const command of ["aaaaaa", "bbbbbb", "cccccc"]) node.raft.propose([text(command)]);
    expect(appendsTo(node.handleReady(), "n2").flatMap(({ entries }) => entries.map(textOf))).toEqual([
      "aaaaaa",
      "bbbbbb",
    ]);
  });

  test("asks once a heartbeat with an empty message when the window is full", () => {
    const node = lonelyLeader({ appendBytesMax: 0, inflightMessagesMax: 1 });
    acknowledge(node, "n2", 1);
    node.raft.propose([text("a")]);
    node.raft.propose([text("b")]);
    node.handleReady();
    node.raft.step(heartbeatAnswer("n2", 1));
    expect(appendsTo(node.handleReady(), "n2").map(({ entries }) => entries.length)).toEqual([0]);
  });

  test("goes back to probing when a message could not be sent, and finds its way again", () => {
    const group = new Group(3);
    group.elect("n1");
    group.isolate("n3");
    group.propose("n1", "a", "b");
    group.raft("n1").reportUnreachable("n3");
    expect(progressOf(group, "n1", "n3")).toMatchObject({ state: "probe", match: 1, next: 2 });
    group.heal();
    group.tick(2);
    expect(progressOf(group, "n1", "n3")).toMatchObject({ state: "replicate", match: 3 });
    expect(group.commands("n3")).toEqual(["a", "b"]);
  });
});

describe("proposals", () => {
  test("a follower names its leader, a candidate nobody", () => {
    const group = new Group(3);
    expect(group.raft("n2").propose([text("a")])).toEqual({ kind: "not_leader", leaderId: null });
    group.elect("n1");
    expect(group.raft("n2").propose([text("a")])).toEqual({ kind: "not_leader", leaderId: "n1" });
  });

  test("a follower forwards a proposal that it is sent, or drops it when it knows no leader", () => {
    const proposals = [{ kind: "normal", data: text("a") }] as const;
    const propose = { kind: "propose", from: "n2", to: "n2", term: 0, proposals } as const;
    const group = new Group(3);
    expect(group.raft("n2").step(propose)).toBe("proposal_dropped");
    group.elect("n1");
    expect(group.raft("n2").step(propose)).toBe("stepped");
    group.settle();
    group.tick(1);
    expect(group.commands("n3")).toEqual(["a"]);
  });

  test("are refused while too many bytes are uncommitted, and taken again after", () => {
    const node = lonelyLeader({ uncommittedBytesMax: 10 });
    acknowledge(node, "n2", 1);
    node.handleReady();
    expect(node.raft.propose([text("a".repeat(50))]).kind).toBe("accepted");
    expect(node.raft.propose([text("b")]).kind).toBe("full");
    node.handleReady();
    acknowledge(node, "n2", 2);
    node.handleReady();
    expect(node.raft.propose([text("b")]).kind).toBe("accepted");
  });

  test("a deposed leader's entries that were not committed are replaced", () => {
    const group = new Group(3);
    group.elect("n1");
    group.isolate("n1");
    group.propose("n1", "lost");
    group.elect("n2");
    group.propose("n2", "kept");
    group.heal();
    group.tick(ELECTION_TICKS);
    for (const id of group.nodes.keys()) expect(group.commands(id)).toEqual(["kept"]);
    expect(group.node("n1").log.all).toEqual(group.node("n2").log.all);
  });
});

describe("a commit that is not told at once", () => {
  const changes = { tellsCommitAtOnce: false } as const;
  const commits = (messages: readonly Message[]): unknown[] =>
    messages.flatMap((message) =>
      message.kind === "append" ? [[message.to, message.entries.length, message.commit]] : [],
    );

  function committed(): Group {
    const group = new Group(3, changes);
    group.elect("n1");
    group.propose("n1", "a");
    expect(group.raft("n1").status().commit).toBe(2);
    expect(group.raft("n1").hasReady()).toBe(false);
    return group;
  }

  test("goes along with the next entries", () => {
    const group = committed();
    expect(group.raft("n2").status().commit).toBeLessThan(2);
    const { raft } = group.node("n1");
    raft.propose([text("b")]);
    expect(commits(raft.takeReady().messages)).toEqual([
      ["n2", 1, 2],
      ["n3", 1, 2],
    ]);
    expect(raft.hasCommitToTell).toBe(false);
  });

  test("is told alone when the caller asks for that, and once", () => {
    const group = committed();
    const { raft } = group.node("n1");
    expect(raft.hasCommitToTell).toBe(true);
    raft.tellCommit();
    expect(raft.hasCommitToTell).toBe(false);
    group.settle();
    expect([group.raft("n2").status().commit, group.raft("n3").status().commit]).toEqual([2, 2]);
    raft.tellCommit();
    expect(raft.hasReady()).toBe(false);
  });

  test("is not answered where it was told alone", () => {
    const group = committed();
    const { raft } = group.node("n1");
    raft.tellCommit();
    const told = appendsTo(group.node("n1").handleReady(), "n2");
    expect(told.map(({ entries, commit }) => [entries.length, commit])).toEqual([[0, 2]]);
    for (const message of told) group.raft("n2").step(message);
    expect(group.raft("n2").status().commit).toBe(2);
    expect(group.node("n2").handleReady()).toEqual([]);
  });

  test("is answered where the logs do not meet", () => {
    const group = committed();
    group.loses = ({ kind, to }) => kind === "append" && to === "n3";
    group.propose("n1", "b");
    group.heal();
    group.raft("n1").tellCommit();
    const told = appendsTo(group.node("n1").handleReady(), "n3");
    for (const message of told) group.raft("n3").step(message);
    const answers = group.node("n3").handleReady();
    expect(answers).toMatchObject([{ kind: "append_response", index: 3, hint: { index: 2 } }]);
  });

  test("is told anew with an answer where the answer to the entries was lost", () => {
    const group = committed();
    group.loses = ({ kind, from }) => kind === "append_response" && from === "n3";
    group.propose("n1", "b");
    group.heal();
    group.raft("n1").tellCommit();
    group.settle();
    const match = (): number | undefined =>
      group
        .raft("n1")
        .status()
        .progress?.find(({ id }) => id === "n3")?.match;
    expect([group.raft("n3").status().commit, match()]).toEqual([3, 2]);
    group.tick(1, "n1");
    expect(match()).toBe(3);
  });

  test("is not to be told while more is on its way to be committed", () => {
    const group = committed();
    const { raft } = group.node("n1");
    raft.propose([text("b")]);
    raft.propose([text("c")]);
    group.loses = ({ to, kind }) => to === "n1" && kind === "append_response";
    group.settle();
    raft.step({ kind: "append_response", from: "n2", to: "n1", term: 1, index: 3, hint: null });
    expect([raft.status().commit, raft.hasCommitToTell]).toEqual([3, false]);
    raft.step({ kind: "append_response", from: "n2", to: "n1", term: 1, index: 4, hint: null });
    expect([raft.status().commit, raft.hasCommitToTell]).toEqual([4, true]);
  });

  test("is told at once where it is of a change of the configuration, which may take a member away", () => {
    const group = committed();
    group.settle();
    const next = configurationOf(["n1", "n2"]);
    expect(group.raft("n1").proposeConfiguration(next, text("without n3")).kind).toBe("accepted");
    group.settle();
    expect([group.raft("n2").status().commit, group.raft("n3").status().commit]).toEqual([3, 3]);
  });

  test("is heard with a heartbeat by whom nothing else has told", () => {
    const group = committed();
    group.loses = ({ kind }) => kind === "append";
    group.raft("n1").tellCommit();
    group.settle();
    expect(group.raft("n2").status().commit).toBeLessThan(2);
    group.heal();
    group.tick(1, "n1");
    expect([group.raft("n2").status().commit, group.raft("n3").status().commit]).toEqual([2, 2]);
  });
});
