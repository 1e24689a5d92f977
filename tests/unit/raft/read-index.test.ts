import { describe, expect, test } from "@jest/globals";
import { configurationOf, type Message } from "@quorate/services/raft";
import { ELECTION_TICKS, Group, member, text } from "./group";

describe("reads by index (thesis 6.4)", () => {
  test("C5: a leader answers after a round of heartbeats with its commit index", () => {
    const group = new Group(3);
    group.elect("n1");
    group.propose("n1", "a");
    expect(group.raft("n1").readIndex("r")).toEqual({ kind: "accepted" });
    expect(group.node("n1").readStates).toEqual([]);
    group.settle();
    expect(group.node("n1").readStates).toEqual([{ context: "r", index: 2 }]);
  });

  test("C5: a follower is answered by its leader", () => {
    const group = new Group(3);
    group.elect("n1");
    group.propose("n1", "a");
    group.raft("n2").readIndex("r");
    group.settle();
    expect(group.node("n2").readStates).toEqual([{ context: "r", index: 2 }]);
    expect(group.node("n1").readStates).toEqual([]);
  });

  test("C5: ten at once are answered by the round of the last", () => {
    const group = new Group(3);
    group.elect("n1");
    const contexts = Array.from({ length: 10 }, (_, at) => `r${at}`);
    for (const context of contexts) group.raft("n1").readIndex(context);
    const sent = group.node("n1").handleReady();
    const last = sent.filter(({ kind, to }) => kind === "heartbeat" && to === "n2").slice(-1);
    group.inTransit.push(...last);
    group.settle();
    expect(group.node("n1").readStates.map(({ context }) => context)).toEqual(contexts);
  });

  test("C5: after a change of leader, a read waits for the first entry of the new term", () => {
    const group = new Group(3);
    group.elect("n1");
    group.propose("n1", "a");
    group.loses = ({ kind }) => kind === "append";
    group.elect("n2");
    expect(group.raft("n2").status()).toMatchObject({ role: "leader", term: 2 });
    expect(group.raft("n2").readIndex("r")).toEqual({ kind: "accepted" });
    group.settle();
    expect(group.node("n2").readStates).toEqual([]);
    group.heal();
    group.tick(2);
    expect(group.node("n2").readStates).toEqual([{ context: "r", index: 3 }]);
  });

  test("C4: a leader that is cut off answers no read, not even when it returns", () => {
    const group = new Group(3);
    group.elect("n1");
    group.isolate("n1");
    group.raft("n1").readIndex("stale");
    group.elect("n2");
    group.propose("n2", "new");
    group.tick(ELECTION_TICKS);
    group.heal();
    group.tick(ELECTION_TICKS);
    expect(group.leaders()).toHaveLength(1);
    expect(group.node("n1").readStates).toEqual([]);
  });

  test("C4: a leader that leads again does not answer what its former term was asked", () => {
    const group = new Group(3);
    group.elect("n1");
    group.isolate("n1");
    group.raft("n1").readIndex("old");
    group.settle();
    group.heal();
    group.elect("n2");
    group.elect("n1");
    group.tick(2);
    expect(group.raft("n1").status()).toMatchObject({ role: "leader", term: 3 });
    expect(group.node("n1").readStates).toEqual([]);
  });

  test("without a leader a read is refused", () => {
    expect(member("n1", 3).raft.readIndex("r")).toEqual({ kind: "no_leader" });
  });

  test("a lone voter answers at once, but only when it knows what is committed", () => {
    const node = member("n1", 1);
    node.raft.campaign();
    node.handleReady();
    node.raft.readIndex("early");
    expect(node.readStates).toEqual([]);
    node.handleReady();
    node.handleReady();
    expect(node.readStates).toEqual([{ context: "early", index: 1 }]);
    node.raft.propose([text("a")]);
    node.raft.readIndex("later");
    expect(node.raft.takeReady().readStates).toEqual([{ context: "later", index: 1 }]);
  });

  test("more than the bound are refused until some are answered", () => {
    const group = new Group(3, { waitingReadsMax: 2 });
    group.elect("n1");
    const outcomes = ["a", "b", "c"].map((context) => group.raft("n1").readIndex(context).kind);
    expect(outcomes).toEqual(["accepted", "accepted", "full"]);
    group.settle();
    expect(group.raft("n1").readIndex("d").kind).toBe("accepted");
  });
});

describe("reads that ask no more members than a quorum needs", () => {
  const changes = { readsAsk: "quorum", tellsCommitAtOnce: false } as const;

  /** A leader n1 with followers that answered its heartbeat in that order. */
  function answeredBy(size: number, ...order: readonly string[]): Group {
    const group = new Group(size, changes);
    group.elect("n1");
    const { raft } = group.node("n1");
    raft.tick();
    group.node("n1").handleReady();
    for (const from of order) raft.step(heartbeatAnswer(from, 0));
    group.node("n1").handleReady();
    return group;
  }

  function heartbeatAnswer(from: string, readSequence: number): Message {
    return { kind: "heartbeat_response", from, to: "n1", term: 1, readSequence, lowOnSpace: false };
  }

  function asked(group: Group): string[] {
    return group
      .node("n1")
      .handleReady()
      .filter(({ kind }) => kind === "heartbeat")
      .map(({ to }) => to);
  }

  test("ask those that answered first", () => {
    const group = answeredBy(5, "n5", "n2", "n4", "n3");
    group.raft("n1").readIndex("r");
    expect(asked(group)).toEqual(["n2", "n5"]);
    for (const from of ["n2", "n5"]) group.raft("n1").step(heartbeatAnswer(from, 1));
    group.node("n1").handleReady();
    expect(group.node("n1").readStates).toEqual([{ context: "r", index: 1 }]);
  });

  test("ask the follower that reads, which so hears what is committed", () => {
    const group = answeredBy(3, "n2", "n3");
    group.propose("n1", "a");
    group.raft("n3").readIndex("r");
    group.inTransit.push(...group.node("n3").handleReady());
    for (const message of group.inTransit.splice(0)) group.raft("n1").step(message);
    const sent = group.node("n1").handleReady();
    expect(sent).toMatchObject([{ kind: "heartbeat", to: "n3", commit: 2, readSequence: 1 }]);
    group.inTransit.push(...sent);
    group.settle();
    expect(group.node("n3").readStates).toEqual([{ context: "r", index: 2 }]);
    expect(group.raft("n3").status().commit).toBe(2);
  });

  test("ask all with the next heartbeat, and whoever answered that the next time", () => {
    const group = answeredBy(3, "n2", "n3");
    group.raft("n1").readIndex("r");
    expect(asked(group)).toEqual(["n2"]);
    group.raft("n1").tick();
    expect(asked(group)).toEqual(["n2", "n3"]);
    group.raft("n1").step(heartbeatAnswer("n3", 1));
    group.node("n1").handleReady();
    expect(group.node("n1").readStates).toEqual([{ context: "r", index: 1 }]);
    group.raft("n1").readIndex("s");
    expect(asked(group)).toEqual(["n3"]);
  });

  test("ask all at once when the connection to one was reset", () => {
    const group = answeredBy(3, "n2", "n3");
    group.raft("n1").readIndex("r");
    expect(asked(group)).toEqual(["n2"]);
    group.raft("n1").reportReset("n2");
    expect(asked(group)).toEqual(["n2", "n3"]);
    group.raft("n1").step(heartbeatAnswer("n3", 1));
    group.raft("n1").readIndex("s");
    expect(asked(group)).toEqual(["n3"]);
  });

  test("ask enough of both halves of a joint configuration", () => {
    const group = answeredBy(5, "n5", "n3", "n2", "n4");
    const joint = { ...configurationOf(["n1", "n2", "n4"]), votersOutgoing: ["n1", "n3", "n5"] };
    group.raft("n1").applyConfiguration(joint);
    group.node("n1").handleReady();
    group.raft("n1").readIndex("r");
    expect(asked(group)).toEqual(["n2", "n3", "n5"]);
  });

  test("ask all while too few have answered", () => {
    const group = answeredBy(5, "n3");
    group.raft("n1").readIndex("r");
    expect(asked(group)).toEqual(["n2", "n3", "n4", "n5"]);
  });

  test("send nothing again to a follower that is behind, as the heartbeats to all do", () => {
    const group = answeredBy(3, "n2", "n3");
    const { raft } = group.node("n1");
    raft.propose([text("a")]);
    group.node("n1").handleReady();
    raft.readIndex("r");
    group.node("n1").handleReady();
    raft.step(heartbeatAnswer("n2", 1));
    expect(group.node("n1").handleReady()).toEqual([]);
    raft.tick();
    group.node("n1").handleReady();
    raft.step(heartbeatAnswer("n2", 0));
    expect(group.node("n1").handleReady()).toMatchObject([{ kind: "append", to: "n2", entries: [] }]);
  });
});
