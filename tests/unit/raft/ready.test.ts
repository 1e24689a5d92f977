import { describe, expect, test } from "@jest/globals";
import type { AppendMessage, Entry, Ready } from "@quorate/services/raft";
import { entry, idOf, member, type Node, text, textOf } from "./group";

function append(
  term: number,
  from: string,
  previous: [number, number],
  entries: readonly Entry[],
  commit = 0,
): AppendMessage {
  return {
    kind: "append",
    from,
    to: "n1",
    term,
    previous: { term: previous[0], index: previous[1] },
    entries,
    commit,
  };
}

/** Stores a Ready and reports it. */
function persist(node: Node, ready: Ready): void {
  node.log.store(ready.entries);
  node.raft.persisted({ readyNumber: ready.number, last: idOf(ready) });
}

/** A leader of three that has committed its first entry, with nothing outstanding. */
function leader(): Node {
  const node = member("n1", 3);
  node.raft.campaign();
  node.handleReady();
  node.raft.step({ kind: "vote_response", from: "n2", to: "n1", term: 1, rejected: false });
  node.handleReady();
  node.raft.step({ kind: "append_response", from: "n2", to: "n1", term: 1, index: 1, hint: null });
  node.handleReady();
  return node;
}

describe("a Ready", () => {
  test("has nothing when nothing happened, and says what changed otherwise", () => {
    const node = member("n1", 3);
    expect(node.raft.hasReady()).toBe(false);
    expect(node.raft.takeReady()).toEqual({
      number: 1,
      softState: null,
      hardState: null,
      entries: [],
      messages: [],
      messagesAfterPersist: [],
      committedEntries: [],
      readStates: [],
      snapshotOffer: null,
      mustSync: false,
    });
  });

  test("hands a leader's appends out to be sent while it stores, and a follower's acknowledgement only after", () => {
    const node = leader();
    node.raft.propose([text("a")]);
    const ready = node.raft.takeReady();
    expect(ready.messages.map(({ kind, to }) => [kind, to])).toEqual([["append", "n2"]]);
    expect([ready.entries.map(textOf), ready.messagesAfterPersist, ready.mustSync]).toEqual([
      ["a"],
      [],
      true,
    ]);

    const follower = member("n1", 3);
    follower.raft.step(append(1, "n2", [0, 0], [entry(1, 1)]));
    expect(follower.raft.takeReady()).toMatchObject({
      messages: [],
      messagesAfterPersist: [{ kind: "append_response", index: 1 }],
      mustSync: true,
    });
  });

  test("keeps requests for votes until the term and the own vote are durable", () => {
    const node = member("n1", 3);
    node.raft.campaign();
    const ready = node.raft.takeReady();
    expect(ready.messages).toEqual([]);
    expect(ready.messagesAfterPersist.map(({ kind }) => kind)).toEqual(["vote", "vote"]);
    expect(ready).toMatchObject({ hardState: { term: 1, vote: "n1", commit: 0 }, mustSync: true });
  });

  test("keeps the order of messages: what comes after one that must wait waits too", () => {
    const node = member("n1", 3);
    node.raft.step({ kind: "heartbeat", from: "n2", to: "n1", term: 1, commit: 0, readSequence: 0 });
    node.raft.campaign();
    node.raft.step({ kind: "heartbeat", from: "n2", to: "n1", term: 2, commit: 0, readSequence: 0 });
    const ready = node.raft.takeReady();
    expect(ready.messages.map(({ kind }) => kind)).toEqual(["heartbeat_response"]);
    expect(ready.messagesAfterPersist.map(({ kind }) => kind)).toEqual([
      "vote",
      "vote",
      "heartbeat_response",
    ]);
  });

  test("need not be synced when only the commit index moved", () => {
    const node = leader();
    node.raft.propose([text("a")]);
    node.handleReady();
    node.raft.step({ kind: "append_response", from: "n2", to: "n1", term: 1, index: 2, hint: null });
    const ready = node.raft.takeReady();
    expect(ready).toMatchObject({ hardState: { term: 1, vote: "n1", commit: 2 }, mustSync: false });
    expect(ready.committedEntries.map(textOf)).toEqual(["a"]);
  });

  test("may commit entries that it asks to store", () => {
    const node = member("n1", 3);
    node.raft.step(append(1, "n2", [0, 0], [entry(1, 1), entry(1, 2)], 1));
    const ready = node.raft.takeReady();
    expect(ready.entries.map(textOf)).toEqual(["1/1", "1/2"]);
    expect(ready.committedEntries.map(textOf)).toEqual(["1/1"]);
  });
});

describe("entries that are applied only when they are durable here", () => {
  const changes = { appliesOnlyDurable: true } as const;

  test("are handed out after the Ready that stores them, with no other to wait for", () => {
    const node = member("n1", 3, changes);
    node.raft.step(append(1, "n2", [0, 0], [entry(1, 1), entry(1, 2)], 1));
    const stored = node.raft.takeReady();
    expect([stored.entries.map(textOf), stored.committedEntries]).toEqual([["1/1", "1/2"], []]);
    expect(node.raft.hasReady()).toBe(false);
    node.log.store(stored.entries);
    node.raft.persisted({ readyNumber: stored.number, last: idOf(stored) });
    expect(node.raft.hasReady()).toBe(true);
    expect(node.raft.takeReady().committedEntries.map(textOf)).toEqual(["1/1"]);
  });

  test("do not wait for later ones that are being stored", () => {
    const node = member("n1", 3, changes);
    node.raft.step(append(1, "n2", [0, 0], [entry(1, 1)], 0));
    node.handleReady();
    node.raft.step(append(1, "n2", [1, 1], [entry(1, 2)], 1));
    const ready = node.raft.takeReady();
    expect([ready.entries.map(textOf), ready.committedEntries.map(textOf)]).toEqual([["1/2"], ["1/1"]]);
  });

  test("wait where a newer leader has replaced what was durable", () => {
    const node = member("n1", 3, changes);
    node.raft.step(append(1, "n2", [0, 0], [entry(1, 1)], 0));
    node.handleReady();
    node.raft.step(append(2, "n3", [0, 0], [entry(2, 1)], 1));
    expect(node.raft.takeReady().committedEntries).toEqual([]);
  });
});

describe("several Readys outstanding", () => {
  test("each hands out only what is new, and each makes its own part durable", () => {
    const node = leader();
    node.raft.propose([text("a")]);
    const first = node.raft.takeReady();
    node.raft.propose([text("b")]);
    const second = node.raft.takeReady();
    expect([first.entries.map(textOf), second.entries.map(textOf)]).toEqual([["a"], ["b"]]);

    node.raft.step({ kind: "append_response", from: "n2", to: "n1", term: 1, index: 3, hint: null });
    expect(node.raft.status().commit).toBe(1);
    persist(node, first);
    expect(node.raft.status().commit).toBe(2);
    persist(node, second);
    expect(node.raft.status().commit).toBe(3);
  });

  test("one report may stand for several that were stored together", () => {
    const node = leader();
    node.raft.propose([text("a")]);
    const first = node.raft.takeReady();
    node.raft.propose([text("b")]);
    const second = node.raft.takeReady();
    node.log.store(first.entries);
    node.raft.step({ kind: "append_response", from: "n2", to: "n1", term: 1, index: 3, hint: null });
    persist(node, second);
    expect(node.raft.status().commit).toBe(3);
  });

  test("reports must come in order, once, and name what was to be stored", () => {
    const node = leader();
    node.raft.propose([text("a")]);
    const ready = node.raft.takeReady();
    const { number: readyNumber } = ready;
    expect(() => node.raft.persisted({ readyNumber: readyNumber + 1, last: null })).toThrow(
      "after it was taken",
    );
    expect(() => node.raft.persisted({ readyNumber, last: { term: 9, index: 2 } })).toThrow("term");
    expect(() => node.raft.persisted({ readyNumber, last: null })).toThrow("index");
    persist(node, ready);
    expect(() => persist(node, ready)).toThrow("once");
  });

  test("a former leader's acknowledgement to itself does not count in a later term", () => {
    const node = leader();
    node.raft.propose([text("a")]);
    const stale = node.raft.takeReady();
    node.raft.step({ kind: "heartbeat", from: "n2", to: "n1", term: 2, commit: 1, readSequence: 0 });
    node.raft.campaign();
    const campaign = node.raft.takeReady();
    node.raft.step({ kind: "vote_response", from: "n2", to: "n1", term: 3, rejected: false });
    node.log.store(stale.entries);
    node.raft.persisted({ readyNumber: stale.number, last: idOf(stale) });
    expect(node.raft.status().role).toBe("candidate");
    persist(node, campaign);
    expect(node.raft.status().role).toBe("leader");
    expect(node.raft.status().progress?.find(({ id }) => id === "n1")?.match).toBe(2);
    node.raft.step({ kind: "append_response", from: "n2", to: "n1", term: 3, index: 3, hint: null });
    expect(node.raft.status().commit).toBe(1);
  });

  test("entries that were replaced and came back are not durable by the first write of them (the ABA race)", () => {
    const node = member("n1", 5);
    // The leader of term 1 sends 1/1; before it is stored the one of term 2 replaces it, then 1/1 comes back in term 3.
    node.raft.step(append(1, "n2", [0, 0], [entry(1, 1)]));
    const first = node.raft.takeReady();
    node.raft.step(append(2, "n3", [0, 0], [entry(2, 1)]));
    const second = node.raft.takeReady();
    node.raft.step(append(3, "n2", [0, 0], [entry(1, 1), entry(3, 2)]));
    const third = node.raft.takeReady();
    expect(third.entries.map(textOf)).toEqual(["1/1", "3/2"]);

    // After the second write the store holds 2/1: whoever reads 1/1 from there gets the wrong entry.
    persist(node, first);
    persist(node, second);
    expect(node.log.all.map(textOf)).toEqual(["2/1"]);
    node.raft.step(append(3, "n2", [3, 2], [], 2));
    expect(node.raft.takeReady().committedEntries.map(textOf)).toEqual(["1/1", "3/2"]);

    persist(node, third);
    expect(node.log.all.map(textOf)).toEqual(["1/1", "3/2"]);
  });

  test("what a dropped report left in memory goes with the next one", () => {
    const node = member("n1", 3);
    node.raft.step(append(1, "n2", [0, 0], [entry(1, 1)]));
    const first = node.raft.takeReady();
    node.raft.step({ kind: "heartbeat", from: "n3", to: "n1", term: 2, commit: 0, readSequence: 0 });
    const second = node.raft.takeReady();
    const reads: number[] = [];
    const entries = node.log.entries.bind(node.log);
    node.log.entries = (range) => {
      reads.push(range.from);
      return entries(range);
    };
    persist(node, first);
    persist(node, second);
    node.raft.step(append(2, "n3", [1, 1], [], 1));
    expect(node.raft.takeReady().committedEntries.map(textOf)).toEqual(["1/1"]);
    expect(reads).toEqual([1]);
  });
});
