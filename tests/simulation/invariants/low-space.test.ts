import { beforeEach, describe, it } from "@jest/globals";
import {
  type Configuration,
  configurationOf,
  type MemberId,
  type Message,
  type Term,
} from "@quorate/services/raft";
import { expectBroken } from "./expect-broken";
import { LowSpace } from "./low-space";

const NAME = "writes are refused only for want of space";

describe("the check of low space", () => {
  let space: LowSpace;
  let configuration: Configuration;

  beforeEach(() => {
    configuration = configurationOf(["n1", "n2", "n3"]);
    space = new LowSpace();
  });

  const response = (from: MemberId, term: Term): Message => ({
    kind: "heartbeat_response",
    from,
    to: "n1",
    term,
    readSequence: 0,
    lowOnSpace: true,
  });
  const isOrIsNotLow = (member: MemberId, term: Term, isLowOnSpace: boolean): void =>
    space.stepped(member, { isLowOnSpace, hasSpace: true, raft: { term, configuration } }, null);
  const send = (from: MemberId, term: Term, isLow = false): void =>
    space.sent(response(from, term), () => isLow);
  const tell = (from: MemberId, term: Term): void => space.delivered(response(from, term));
  const lead = (term: Term, hasSpace: boolean, isLowOnSpace = false): void =>
    space.stepped("n1", { isLowOnSpace, hasSpace, raft: { term, configuration } }, term);

  it("K3: finds nothing where a majority said in this term that it is low, be it so no more", () => {
    lead(4, true);
    tell("n2", 4);
    lead(4, true);
    tell("n3", 4);
    lead(4, false);
    lead(4, true);
    lead(4, false);
  });

  it("K3: counts the leader itself, as it was in its term or just before it looked", () => {
    configuration = configurationOf(["n1"]);
    lead(4, false, true);
    lead(4, false);
    lead(4, true);
    lead(4, false);
    isOrIsNotLow("n1", 5, true);
    lead(6, false);
    expectBroken(NAME, "only nobody was low on it", () => lead(7, false));
  });

  it("K3: judges by the configuration of the time at which writes are refused", () => {
    tell("n2", 4);
    tell("n3", 4);
    lead(4, false);
    configuration = configurationOf(["n1", "n2", "n3", "n4", "n5"]);
    lead(4, false);
    lead(4, true);
    const words = "though of n1 n2 n3 n4 n5 only n2, n3 was low on it";
    expectBroken(NAME, words, () => lead(4, false));
    configuration = { ...configuration, votersOutgoing: ["n1", "n2", "n3"] };
    lead(5, true);
    tell("n2", 5);
    tell("n3", 5);
    lead(5, false);
  });

  it("K3: finds a leader that refuses writes though too few are low", () => {
    tell("n2", 4);
    expectBroken(NAME, "n1, leading term 4, refuses writes for want of space", () => lead(4, false));
  });

  it("K3: finds a leader that goes by what it was told when it led before", () => {
    tell("n2", 4);
    tell("n3", 4);
    lead(4, false);
    isOrIsNotLow("n1", 5, false);
    tell("n3", 6);
    tell("n2", 4);
    expectBroken(NAME, "only n3 was low on it since that term began", () => lead(6, false));
  });

  it("K3: finds a member that says that it is low, and never was in that term", () => {
    isOrIsNotLow("n2", 3, true);
    send("n2", 4);
    isOrIsNotLow("n2", 3, false);
    send("n2", 3);
    send("n3", 4, true);
    expectBroken(NAME, "n2 tells n1 that it is low on space, which it never was in term 4", () =>
      send("n2", 4),
    );
  });
});
