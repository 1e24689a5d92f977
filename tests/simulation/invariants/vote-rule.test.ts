import { beforeEach, describe, it } from "@jest/globals";
import { MemoryLogDisk } from "@quorate/services/memory";
import { expectBroken } from "./expect-broken";
import { VoteRule } from "./vote-rule";

describe("the check of the logs that are voted for", () => {
  let disk: MemoryLogDisk;
  let rule: VoteRule;

  beforeEach(() => {
    disk = new MemoryLogDisk();
    rule = new VoteRule(() => disk);
  });

  const hold = (...terms: readonly number[]): void => {
    const entries = terms.map(
      (term, at) => ({ term, index: at + 1, kind: "normal", data: new Uint8Array(0) }) as const,
    );
    disk.replace(entries, null, true);
  };
  const candidacy = (term: number, index: number): void =>
    rule.sent({ kind: "vote", from: "n2", to: "n1", term: 5, last: { term, index }, transfer: false });
  const vote = (rejected = false): void =>
    rule.sent({ kind: "vote_response", from: "n1", to: "n2", term: 5, rejected });

  it("K3: finds nothing where the candidate's log is as new, or what came later is newer", () => {
    vote();
    candidacy(2, 2);
    vote();
    hold(1, 2);
    vote();
    hold(1, 1, 1, 1);
    vote();
    hold(1, 2, 5);
    vote();
    hold(1, 2, 3);
    vote(true);
  });

  it("K3: finds a vote for a shorter log, and for a longer one of an older term", () => {
    candidacy(2, 2);
    hold(1, 2, 2);
    const name = "a vote goes to a log as new";
    expectBroken(name, "n1, whose log ends at 2/3, votes in term 5 for n2, whose log ends at 2/2", () =>
      vote(),
    );
    hold(3);
    expectBroken(name, "n1, whose log ends at 3/1, votes in term 5 for n2", () => vote());
  });
});
