import { describe, expect, it } from "@jest/globals";
import type { Answer } from "@quorate/services/kv";
import type { SubmitOutcome } from "@quorate/services/replica";
import { Proposals } from "../../../services/replica/proposals";

const ANSWER: Answer = { revision: 7n, result: undefined };
const DATA = Uint8Array.of(1, 2, 3);

function proposals(bounds: Partial<{ commandsMax: number; bytesMax: number; graceTicks: number }> = {}) {
  const outcomes: (SubmitOutcome | null)[] = [];
  const queue = new Proposals({ commandsMax: 4, bytesMax: 100, graceTicks: 3, ...bounds });
  const push = (data = DATA) => {
    const at = outcomes.length;
    outcomes.push(null);
    return queue.push({ data, settle: (outcome) => (outcomes[at] = outcome) });
  };
  const place = (first: { term: number; index: number }) => queue.placed(queue.takeQueued(), first);
  return { queue, outcomes, push, place };
}

describe("proposals", () => {
  it("settle with the answer of their own entry, in any order of places", () => {
    const { queue, outcomes, push, place } = proposals();
    push();
    push();
    place({ term: 2, index: 10 });
    queue.applied({ term: 2, index: 10 }, ANSWER);
    expect(outcomes).toEqual([{ kind: "applied", answer: ANSWER, entry: { term: 2, index: 10 } }, null]);
    queue.applied({ term: 2, index: 11 }, ANSWER);
    expect(outcomes[1]).toEqual({ kind: "applied", answer: ANSWER, entry: { term: 2, index: 11 } });
    expect(queue.size).toBe(0);
  });

  it("are superseded when another term's entry, even an empty one, is applied at their place", () => {
    const { queue, outcomes, push, place } = proposals();
    push();
    push();
    place({ term: 2, index: 10 });
    queue.leadershipLost();
    queue.applied({ term: 3, index: 10 }, null);
    queue.applied({ term: 3, index: 11 }, ANSWER);
    const superseded = { kind: "not_applied", reason: "superseded", leaderId: null };
    expect(outcomes).toEqual([superseded, superseded]);
  });

  it("leave room for a change of the configuration, which is placed without being queued", () => {
    const { queue, outcomes, push, place } = proposals({ commandsMax: 2 });
    push();
    push();
    place({ term: 2, index: 10 });
    let change: SubmitOutcome | null = null;
    queue.placed([{ data: DATA, settle: (outcome) => (change = outcome) }], { term: 2, index: 12 });
    expect(push()).toBe("full");
    for (const index of [10, 11, 12]) queue.applied({ term: 2, index }, ANSWER);
    expect(change).toEqual({ kind: "applied", answer: ANSWER, entry: { term: 2, index: 12 } });
    expect(outcomes[1]).toMatchObject({ kind: "applied" });
    expect(push()).toBe("accepted");
  });

  it("of a deposed leader can still be applied by the next one", () => {
    const { queue, outcomes, push, place } = proposals({ graceTicks: 3 });
    push();
    place({ term: 2, index: 10 });
    queue.leadershipLost();
    queue.tick();
    queue.tick();
    queue.applied({ term: 2, index: 10 }, ANSWER);
    queue.tick();
    expect(outcomes[0]).toEqual({ kind: "applied", answer: ANSWER, entry: { term: 2, index: 10 } });
  });

  it("of a deposed leader become unknown after the grace, and not before", () => {
    const { queue, outcomes, push, place } = proposals({ graceTicks: 3 });
    push();
    place({ term: 2, index: 10 });
    queue.tick();
    queue.leadershipLost();
    queue.tick();
    queue.tick();
    expect(outcomes[0]).toBeNull();
    queue.tick();
    expect(outcomes[0]).toEqual({ kind: "unknown", reason: "leadership_lost" });
  });

  it("stay open for a leader that won again, and are unknown when their place is given anew, for others may hold them", () => {
    const { queue, outcomes, push, place } = proposals({ graceTicks: 1 });
    push();
    place({ term: 2, index: 10 });
    queue.leadershipLost();
    queue.leadershipWon();
    queue.tick();
    expect(outcomes[0]).toBeNull();
    push();
    place({ term: 4, index: 10 });
    expect(outcomes).toEqual([{ kind: "unknown", reason: "leadership_lost" }, null]);
    queue.applied({ term: 4, index: 10 }, ANSWER);
    expect(outcomes[1]).toEqual({ kind: "applied", answer: ANSWER, entry: { term: 4, index: 10 } });
  });

  it("before a place that is given anew stay open", () => {
    const { queue, outcomes, push, place } = proposals();
    push();
    push();
    push();
    place({ term: 2, index: 10 });
    queue.leadershipLost();
    queue.leadershipWon();
    push();
    place({ term: 4, index: 11 });
    const unknown = { kind: "unknown", reason: "leadership_lost" };
    expect(outcomes).toEqual([null, unknown, unknown, null]);
    queue.applied({ term: 2, index: 10 }, ANSWER);
    expect(outcomes[0]).toEqual({ kind: "applied", answer: ANSWER, entry: { term: 2, index: 10 } });
  });

  it("up to the last entry of a state that was installed are unknown, and later ones stay open", () => {
    const { queue, outcomes, push, place } = proposals();
    push();
    push();
    push();
    place({ term: 2, index: 10 });
    queue.installedUpTo(11);
    const unknown = { kind: "unknown", reason: "leadership_lost" };
    expect(outcomes).toEqual([unknown, unknown, null]);
    queue.applied({ term: 2, index: 12 }, ANSWER);
    expect(outcomes[2]).toEqual({ kind: "applied", answer: ANSWER, entry: { term: 2, index: 12 } });
  });

  it("beyond the bound on commands or bytes are refused at once, and room returns", () => {
    const { queue, push, place } = proposals({ commandsMax: 2, bytesMax: 100 });
    expect([push(), push(), push()]).toEqual(["accepted", "accepted", "full"]);
    place({ term: 1, index: 5 });
    expect(push()).toBe("full");
    queue.applied({ term: 1, index: 5 }, ANSWER);
    expect(push(new Uint8Array(101))).toBe("full");
    expect(push(new Uint8Array(100))).toBe("accepted");
  });

  it("that were never tried are not applied when all ends; those in the log are unknown", () => {
    const { queue, outcomes, push, place } = proposals();
    push();
    place({ term: 1, index: 5 });
    push();
    queue.settleAll("stopping", "store_lost");
    expect(outcomes).toEqual([
      { kind: "unknown", reason: "store_lost" },
      { kind: "not_applied", reason: "stopping", leaderId: null },
    ]);
    expect(queue.size).toBe(0);
  });
});
