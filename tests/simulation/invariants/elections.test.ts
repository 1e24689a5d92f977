import { beforeEach, describe, expect, it } from "@jest/globals";
import type { ConfigurationState } from "@quorate/services/kv";
import { configurationOf, type HardState, type Message } from "@quorate/services/raft";
import { Elections } from "./elections";
import { expectBroken } from "./expect-broken";

function vote(from: string, to: string, term: number, rejected = false): Message {
  return { kind: "vote_response", from, to, term, rejected };
}

function heartbeat(from: string, term: number): Message {
  return { kind: "heartbeat", from, to: "n2", term, commit: 0, readSequence: 0 };
}

describe("the check of elections", () => {
  let elections: Elections;
  let configurations: readonly ConfigurationState[];
  let stored: Map<string, HardState>;
  let stores: Map<string, string>;
  let elected: number[];

  beforeEach(() => {
    stored = new Map();
    stores = new Map();
    elected = [];
    configurations = [configurationOf(["n1", "n2", "n3"])];
    elections = new Elections({
      configurationsOf: () => configurations,
      storeOf: (id) => stores.get(id) ?? "first",
      hardStateOf: (id) => stored.get(id) ?? { term: 0, vote: null, commit: 0 },
      onElected: (term) => elected.push(term),
    });
  });

  const grant = (from: string, to: string, term: number): void => {
    elections.sent(vote(from, to, term));
    elections.delivered(vote(from, to, term));
  };
  const voteForItself = (id: string, term: number): void => {
    stored.set(id, { term, vote: id, commit: 0 });
    elections.stored(id, { term, vote: id, commit: 0 });
  };

  it("K3: finds nothing where each term has a leader with a majority", () => {
    voteForItself("n1", 1);
    grant("n2", "n1", 1);
    elections.sent(heartbeat("n1", 1));
    elections.leads("n1", 1);
    grant("n1", "n3", 2);
    grant("n2", "n3", 2);
    elections.leads("n3", 2);
    // Its last words as a leader may come after those of its successor.
    elections.sent(heartbeat("n1", 1));
    expect(elected).toEqual([1, 2]);
  });

  it("K3: finds two leaders of one term, by what they send or what they say of themselves", () => {
    grant("n2", "n1", 4);
    grant("n3", "n1", 4);
    elections.sent(heartbeat("n1", 4));
    expectBroken("one leader a term", "n1 and n3 both lead term 4", () => elections.sent(heartbeat("n3", 4)));
    expectBroken("one leader a term", "n1 and n2 both lead term 4", () => elections.leads("n2", 4));
  });

  it("K3: finds a member that votes for two in a term, also long after", () => {
    grant("n2", "n1", 4);
    grant("n2", "n1", 4);
    grant("n2", "n3", 5);
    elections.sent(vote("n2", "n3", 4, true));
    expectBroken("one vote a term", "n2 voted for n1 in term 4 and then promised it to n3", () =>
      elections.sent(vote("n2", "n3", 4)),
    );
  });

  it("K3: finds a member that stores a vote for itself after it promised it to another", () => {
    grant("n2", "n1", 4);
    expectBroken("one vote a term", "n2 voted for n1 in term 4 and then stored it to n2", () =>
      elections.stored("n2", { term: 4, vote: "n2", commit: 0 }),
    );
  });

  it("a directory that replaces another has promised nothing", () => {
    grant("n2", "n1", 4);
    stores.set("n2", "second");
    elections.sent(vote("n2", "n3", 4));
  });

  it("K3: finds a leader without a majority: a vote that is sent only, or its own that is not stored, does not count", () => {
    elections.sent(vote("n2", "n1", 3));
    voteForItself("n1", 3);
    expectBroken("elected by a majority", "n1 leads term 3 by the votes of n1, no majority of n1 n2 n3", () =>
      elections.leads("n1", 3),
    );
    grant("n3", "n2", 6);
    expectBroken("elected by a majority", "n2 leads term 6 by the votes of n3", () =>
      elections.leads("n2", 6),
    );
  });
});
