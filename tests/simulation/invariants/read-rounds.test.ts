import { beforeEach, describe, it } from "@jest/globals";
import { configurationOf, type Message } from "@quorate/services/raft";
import { expectBroken } from "./expect-broken";
import { ReadRounds } from "./read-rounds";

describe("the check of read rounds", () => {
  let rounds: ReadRounds;

  beforeEach(() => {
    rounds = new ReadRounds(() => [configurationOf(["n1", "n2", "n3"])]);
  });

  const arrive = (context: string): void =>
    rounds.delivered({ kind: "read_index", from: "n2", to: "n1", term: 0, context });
  const ask = (readSequence: number): void => {
    for (const to of ["n2", "n3"])
      rounds.sent({ kind: "heartbeat", from: "n1", to, term: 4, commit: 1, readSequence });
  };
  const confirm = (from: string, readSequence: number): void =>
    rounds.delivered({
      kind: "heartbeat_response",
      from,
      to: "n1",
      term: 4,
      readSequence,
      lowOnSpace: false,
    });
  const answer = (context: string): void => {
    const message: Message = {
      kind: "read_index_response",
      from: "n1",
      to: "n2",
      term: 4,
      index: 1,
      context,
    };
    rounds.sent(message);
  };

  it("K3: finds nothing where a majority has answered since, be it a later round", () => {
    arrive("a");
    ask(1);
    confirm("n3", 1);
    answer("a");
    arrive("b");
    ask(2);
    arrive("c");
    ask(3);
    confirm("n2", 3);
    answer("b");
    answer("c");
  });

  it("K3: finds a read that is answered by the word of its leader alone", () => {
    arrive("a");
    expectBroken("read quorum", "n1, leading term 4, answers the read a", () => answer("a"));
  });

  it("K3: finds a read that is answered by a round that began before it came", () => {
    ask(1);
    arrive("a");
    confirm("n2", 1);
    confirm("n3", 1);
    confirm("n2", 0);
    expectBroken("read quorum", "only n1 said that it leads", () => answer("a"));
  });
});
