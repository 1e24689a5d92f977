import { describe, expect, it } from "@jest/globals";
import { EMPTY_HARD_STATE, type HardState, type Message } from "@quorate/services/raft";
import { expectBroken } from "./expect-broken";
import { StoredVotes } from "./stored-votes";

const granted: Message = { kind: "vote_response", from: "n1", to: "n2", term: 3, rejected: false };
const asked: Message = {
  kind: "vote",
  from: "n1",
  to: "n2",
  term: 3,
  last: { term: 1, index: 1 },
  transfer: false,
};

function withDisk(stored: Partial<HardState>): StoredVotes {
  return new StoredVotes(() => ({ ...EMPTY_HARD_STATE, ...stored }));
}

describe("the check of stored votes", () => {
  it("K3: finds nothing where the vote, or a later term, is on disk", () => {
    withDisk({ term: 3, vote: "n2" }).sent(granted);
    withDisk({ term: 4 }).sent(granted);
    withDisk({ term: 3, vote: "n1" }).sent(asked);
    expect(() => withDisk({ term: 1 }).sent({ ...granted, rejected: true })).not.toThrow();
  });

  it("K3: finds a vote that leaves before it is on disk", () => {
    const name = "a vote is stored before it is given";
    expectBroken(name, "n1 gives n2 its vote in term 3, but has stored term 2", () =>
      withDisk({ term: 2, vote: "n2" }).sent(granted),
    );
    expectBroken(name, "n1 gives n2 its vote in term 3", () => withDisk({ term: 3 }).sent(granted));
    expectBroken(name, "n1 gives n1 its vote in term 3", () => withDisk({ term: 3, vote: "n2" }).sent(asked));
  });
});
