import { describe, expect, test } from "@jest/globals";
import {
  configurationOf,
  EMPTY_HARD_STATE,
  type Entry,
  LogTail,
  type Message,
  Raft,
  RaftLog,
} from "@quorate/services/raft";
import { configOf, entry, heartbeatAnswer, idOf, logOf, member, type Node, text } from "./group";
import { MemoryLog } from "./memory-log";

const three = configurationOf(["n1", "n2", "n3"]);
const four = configurationOf(["n1", "n2", "n3", "n4"]);

/** n1, leading term 2, all of whose four entries of term 1 are applied, and the first two of them cut. */
function cutLeader(): Node {
  const log = logOf(1, 1, 1, 1).compactedTo({ term: 1, index: 2 });
  const node = member("n1", 3, { log, hardState: { term: 1, vote: null, commit: 4 }, appliedIndex: 4 });
  node.raft.campaign();
  node.handleReady();
  node.raft.step({ kind: "vote_response", from: "n2", to: "n1", term: 2, rejected: false });
  node.handleReady();
  return node;
}

function refusal(index: number, hint: number): Message {
  const found = { term: hint === 0 ? 0 : 1, index: hint };
  return { kind: "append_response", from: "n3", to: "n1", term: 2, index, hint: found };
}

function acknowledgement(index: number): Message {
  return { kind: "append_response", from: "n3", to: "n1", term: 2, index, hint: null };
}

function statusOf(node: Node, id: string): unknown {
  return node.raft.status().progress?.find((progress) => progress.id === id);
}

describe("a leader whose log begins later than a follower needs", () => {
  test("offers its state as it is applied, once, and sends nothing else", () => {
    const node = cutLeader();
    node.raft.step(refusal(4, 0));
    expect(node.handleReady()).toEqual([
      { kind: "snapshot", from: "n1", to: "n3", term: 2, last: { term: 1, index: 4 } },
    ]);
    expect(statusOf(node, "n3")).toMatchObject({
      state: "snapshot",
      pendingSnapshot: 4,
      needsSnapshot: true,
      next: 5,
    });
    node.raft.propose([text("a")]);
    expect(node.handleReady().filter(({ to }) => to === "n3")).toEqual([]);
  });

  test("offers it again with each answer to a heartbeat, as it is then", () => {
    const node = cutLeader();
    node.raft.step(refusal(4, 0));
    node.handleReady();
    node.raft.step({ kind: "append_response", from: "n2", to: "n1", term: 2, index: 5, hint: null });
    while (node.raft.hasReady()) node.handleReady();
    node.raft.step(heartbeatAnswer("n3", 2));
    expect(node.handleReady()).toMatchObject([{ kind: "snapshot", to: "n3", last: { term: 2, index: 5 } }]);
  });

  test("goes on from the log as soon as the follower holds what is before it, however it got there", () => {
    const node = cutLeader();
    node.raft.step(refusal(4, 0));
    node.handleReady();
    node.raft.step(acknowledgement(1));
    expect(statusOf(node, "n3")).toMatchObject({ state: "snapshot", match: 1 });
    node.raft.step(acknowledgement(2));
    expect(statusOf(node, "n3")).toMatchObject({ state: "replicate", match: 2, needsSnapshot: false });
    expect(node.handleReady()).toMatchObject([{ kind: "append", previous: { term: 1, index: 2 } }]);
  });

  test("goes on offering while its log is cut beyond what was brought", () => {
    const node = cutLeader();
    node.raft.step(refusal(4, 0));
    node.handleReady();
    node.raft.step({ kind: "append_response", from: "n2", to: "n1", term: 2, index: 5, hint: null });
    while (node.raft.hasReady()) node.handleReady();
    node.log.compact(5);
    node.raft.step(acknowledgement(4));
    expect(statusOf(node, "n3")).toMatchObject({ state: "snapshot", match: 4 });
    node.raft.step(heartbeatAnswer("n3", 2));
    expect(node.handleReady()).toMatchObject([{ kind: "snapshot", last: { index: 5 } }]);
  });

  test("offers nothing to who was not heard of, and says that only a state can help", () => {
    const node = member("n1", 3, { checkQuorum: true });
    const stored = { kind: "append_response", to: "n1", term: 1, hint: null } as const;
    node.raft.campaign();
    node.handleReady();
    node.raft.step({ kind: "vote_response", from: "n2", to: "n1", term: 1, rejected: false });
    node.handleReady();
    for (const from of ["n2", "n3"]) node.raft.step({ ...stored, from, index: 1 });
    node.raft.propose([text("a")]);
    node.handleReady();
    node.raft.step({ ...stored, from: "n2", index: 2 });
    while (node.raft.hasReady()) node.handleReady();
    for (let tick = 0; tick < 10; tick += 1) node.raft.tick();
    node.raft.step(heartbeatAnswer("n2", 1));
    node.raft.reportUnreachable("n3");
    node.log.compact(2);
    node.raft.propose([text("b")]);
    const sent = node.handleReady().filter(({ to, kind }) => to === "n3" && kind !== "heartbeat");
    expect(sent).toEqual([]);
    expect(statusOf(node, "n3")).toMatchObject({ state: "probe", match: 1, needsSnapshot: true });
    node.raft.step(heartbeatAnswer("n3", 1));
    expect(node.handleReady()).toMatchObject([{ kind: "snapshot", to: "n3", last: { index: 2 } }]);
  });
});

describe("a follower that is offered a state", () => {
  function offer(index: number, term = 1): Message {
    return { kind: "snapshot", from: "n1", to: "n2", term: 2, last: { term, index } };
  }

  function follower(...terms: number[]): Node {
    return member("n2", 3, { log: logOf(...terms), hardState: { term: 1, vote: null, commit: 1 } });
  }

  test("follows the sender and hands the latest offer out, once", () => {
    const node = follower(1, 1);
    node.raft.step(offer(5));
    node.raft.step(offer(7));
    expect(node.raft.status()).toMatchObject({ leaderId: "n1", term: 2, commit: 1, last: { index: 2 } });
    expect(node.raft.takeReady().snapshotOffer).toEqual({ from: "n1", last: { term: 1, index: 7 } });
    expect(node.raft.hasReady()).toBe(false);
  });

  test("answers with what it has committed where that is as much", () => {
    const node = follower(1, 1);
    node.raft.step(offer(1));
    const ready = node.raft.takeReady();
    expect([ready.snapshotOffer, ready.messagesAfterPersist]).toMatchObject([
      null,
      [{ kind: "append_response", to: "n1", index: 1, hint: null }],
    ]);
  });

  test("commits what it holds of it instead", () => {
    const node = follower(1, 1, 1);
    node.raft.step(offer(2));
    const ready = node.raft.takeReady();
    expect(ready.snapshotOffer).toBeNull();
    expect(node.raft.status().commit).toBe(2);
    expect(ready.messagesAfterPersist).toMatchObject([{ index: 2, hint: null }]);
  });

  test("in a candidate's role follows, in a leader's does not", () => {
    const node = member("n2", 3);
    node.raft.campaign();
    node.raft.step({ ...offer(5), term: 1 } as Message);
    expect(node.raft.status()).toMatchObject({ role: "follower", leaderId: "n1" });
    const lone = member("n1", 1);
    lone.raft.campaign();
    while (lone.raft.hasReady()) lone.handleReady();
    lone.raft.step({ ...offer(5), term: 1, to: "n1", from: "n3" } as Message);
    expect(lone.raft.status().role).toBe("leader");
    expect(lone.raft.hasReady()).toBe(false);
  });
});

describe("a member whose state was replaced", () => {
  const append = { kind: "append", from: "n1", to: "n2", term: 3, commit: 1 } as const;

  /** n2, with these entries stored and the first of them committed, following n1 in term 3; nothing outstanding. */
  function following(...terms: number[]): Node {
    const node = member("n2", 3, { log: logOf(...terms), hardState: { term: 3, vote: null, commit: 1 } });
    node.raft.step({ kind: "heartbeat", from: "n1", to: "n2", term: 3, commit: 0, readSequence: 0 });
    while (node.raft.hasReady()) node.handleReady();
    return node;
  }

  test("goes on after it, with another configuration, and tells its leader", () => {
    const node = following(1, 1);
    const last = { term: 3, index: 6 };
    node.log.continueAfter(last);
    expect(node.raft.restore({ last, configuration: four })).toBe("restored");
    expect(node.raft.status()).toMatchObject({
      commit: 6,
      applied: 6,
      last,
      firstIndex: 7,
      configuration: four,
    });
    expect(node.handleReady()).toMatchObject([{ kind: "append_response", to: "n1", index: 6, hint: null }]);
    expect(node.hardState.commit).toBe(6);
    node.raft.step({ ...append, previous: last, entries: [entry(3, 7)], commit: 7 });
    node.handleReady();
    expect(node.log.all).toEqual([entry(3, 7)]);
    expect(node.applied.at(-1)).toEqual(entry(3, 7));
  });

  test("keeps what follows it where the stored log holds it", () => {
    const node = following(1, 1, 3, 3, 3);
    const last = { term: 3, index: 3 };
    node.log.continueAfter(last);
    node.raft.restore({ last, configuration: three });
    expect(node.raft.status()).toMatchObject({ commit: 3, applied: 3, last: { index: 5 }, firstIndex: 1 });
  });

  test("forgets what follows it where the stored log held another entry there", () => {
    const node = following(1, 1, 2, 2, 2);
    const last = { term: 3, index: 3 };
    node.log.continueAfter(last);
    node.raft.restore({ last, configuration: three });
    expect(node.raft.status()).toMatchObject({ commit: 3, last, firstIndex: 4 });
    expect(node.raft.logEntries()).toEqual([]);
  });

  test("keeps, and stores anew, what follows it where only the tail held it", () => {
    const node = following(1, 1);
    const entries = [entry(3, 3), entry(3, 4)];
    node.raft.step({ ...append, previous: { term: 1, index: 2 }, entries });
    const last = { term: 3, index: 3 };
    node.log.continueAfter(last);
    node.raft.restore({ last, configuration: three });
    expect(node.raft.takeReady().entries).toEqual([entry(3, 4)]);
    expect(node.raft.status()).toMatchObject({ commit: 3, last: { term: 3, index: 4 }, firstIndex: 4 });
  });

  test("is not told of one that is committed already", () => {
    const node = following(1, 1);
    expect(node.raft.restore({ last: { term: 1, index: 1 }, configuration: four })).toBe("stale");
    expect(node.raft.status()).toMatchObject({ commit: 1, configuration: three });
    expect(node.raft.hasReady()).toBe(false);
  });

  test.each(["pre_candidate", "candidate"] as const)("stops to be a %s", (role) => {
    const preVote = role === "pre_candidate";
    const node = member("n2", 3, { log: logOf(1), hardState: { term: 3, vote: null, commit: 1 }, preVote });
    node.raft.campaign();
    while (node.raft.hasReady()) node.handleReady();
    expect(node.raft.status().role).toBe(role);
    const last = { term: 3, index: 6 };
    node.log.continueAfter(last);
    const { term, vote } = node.raft.status();
    node.raft.restore({ last, configuration: three });
    expect(node.raft.status()).toMatchObject({ role: "follower", leaderId: null, term, vote, commit: 6 });
  });

  test("takes over the term of a state from a later one, and stores it", () => {
    const node = following(1, 1);
    const last = { term: 5, index: 6 };
    node.log.continueAfter(last);
    node.raft.restore({ last, configuration: three });
    node.handleReady();
    expect(node.hardState).toEqual({ term: 5, vote: null, commit: 6 });
  });

  test("does not lead, and stores nothing meanwhile", () => {
    const last = { term: 3, index: 6 };
    const lone = member("n1", 1);
    lone.raft.campaign();
    while (lone.raft.hasReady()) lone.handleReady();
    expect(() => lone.raft.restore({ last, configuration: three })).toThrow("leader");
    const node = following(1, 1);
    node.raft.step({ ...append, previous: { term: 1, index: 2 }, entries: [entry(3, 3)] });
    const ready = node.raft.takeReady();
    expect(() => node.raft.restore({ last, configuration: three })).toThrow("stored");
    node.raft.persisted({ readyNumber: ready.number, last: idOf(ready) });
    expect(() => node.raft.restore({ last, configuration: three })).toThrow("stored log");
  });

  test("waits no more for what was handed out to be applied", () => {
    const log = logOf(1, 1, 1);
    const restored = new RaftLog(log, {
      commit: 3,
      applied: 1,
      applyingBytesMax: 1,
      appliesOnlyDurable: false,
    });
    expect(restored.takeEntriesToApply()).toHaveLength(1);
    expect(restored.hasEntriesToApply).toBe(false);
    const last = { term: 2, index: 9 };
    log.continueAfter(last);
    restored.restore(last);
    restored.append([entry(2, 10)]);
    restored.commitTo(10);
    expect(restored.takeEntriesToApply()).toEqual([entry(2, 10)]);
  });
});

describe("a tail that goes on after one of its entries", () => {
  const entries: readonly Entry[] = [entry(1, 3), entry(1, 4), entry(1, 5)];

  test.each([
    ["the one before it", 2, [3, 4, 5]],
    ["one in its midst", 4, [5]],
    ["its last", 5, []],
  ] as const)("hands out again all that follows: %s", (_, index, expected) => {
    const tail = new LogTail({ term: 1, index: 2 });
    tail.append(entries);
    tail.handOut();
    tail.restartAfter({ term: 1, index });
    expect(tail.firstIndex).toBe(index + 1);
    expect(tail.handOut().map((handedOut) => handedOut.index)).toEqual(expected);
  });
});

describe("a member that begins with a state from elsewhere", () => {
  test.each([
    ["of a later term than it was in", { term: 3, vote: "n1", commit: 0 }, 7, 7, null],
    ["of the term it is in", { term: 7, vote: "n1", commit: 0 }, 7, 7, "n1"],
    ["of an earlier term", { term: 9, vote: "n1", commit: 0 }, 7, 9, "n1"],
    ["and was in none", EMPTY_HARD_STATE, 7, 7, null],
  ] as const)("is in no earlier term than that: %s", (_, hardState, lastTerm, term, vote) => {
    const log = new MemoryLog({ term: lastTerm, index: 20 });
    const raft = new Raft(configOf("n2", ["n1", "n2"], { log, hardState, appliedIndex: 20 }));
    expect(raft.status()).toMatchObject({ term, vote, commit: 20, applied: 20 });
    expect(raft.hasReady()).toBe(hardState.term < lastTerm);
  });

  test("an entry of a later term than was stored is damage", () => {
    const config = configOf("n2", ["n1"], {
      log: logOf(1, 5),
      hardState: { term: 3, vote: null, commit: 0 },
    });
    expect(() => new Raft(config)).toThrow("newer");
  });

  test("one that knows of nobody waits for a leader's state", () => {
    const log = new MemoryLog();
    const raft = new Raft(configOf("n9", [], { log }));
    for (let tick = 0; tick < 50; tick += 1) raft.tick();
    raft.campaign();
    expect(raft.status()).toMatchObject({ role: "follower", term: 0 });
    const last = { term: 1, index: 4 };
    raft.step({ kind: "snapshot", from: "n1", to: "n9", term: 1, last });
    const ready = raft.takeReady();
    raft.persisted({ readyNumber: ready.number, last: null });
    expect(ready.snapshotOffer).toEqual({ from: "n1", last });
    log.continueAfter(last);
    raft.restore({ last, configuration: configurationOf(["n1", "n9"]) });
    expect(raft.isMember("n9")).toBe(true);
  });
});
