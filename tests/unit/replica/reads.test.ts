import { describe, expect, it } from "@jest/globals";
import type { ReadIndexOutcome } from "@quorate/services/raft";
import { type ReadFailure, Reads } from "../../../services/replica/reads";

function reads(options: { waitingMax?: number; retryTicks?: number } = {}) {
  const asked: string[] = [];
  const state = { nowMs: 0, answer: { kind: "accepted" } as ReadIndexOutcome };
  const under = new Reads({
    nonce: "n1.x",
    waitingMax: options.waitingMax ?? 10,
    retryTicks: options.retryTicks ?? 2,
    nowMs: () => state.nowMs,
    ask: (context) => {
      asked.push(context);
      return state.answer;
    },
  });
  const results: (ReadFailure | null | "open")[] = [];
  const wait = (signal?: AbortSignal) => {
    const at = results.length;
    results.push("open");
    return under.wait(signal).then((result) => {
      results[at] = result;
    });
  };
  return { reads: under, asked, state, results, wait };
}

async function microtasks(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

describe("reads", () => {
  it("share one round, are released when its index is applied, and later ones share the next", async () => {
    const { reads: under, asked, results, wait } = reads();
    void wait();
    void wait();
    under.startRound();
    void wait();
    under.startRound();
    expect(asked).toEqual(["n1.x:1"]);
    under.answered({ context: "n1.x:1", index: 5 }, 4);
    await microtasks();
    expect(results).toEqual(["open", "open", "open"]);
    expect(asked).toEqual(["n1.x:1", "n1.x:2"]);
    under.applied(5);
    await microtasks();
    expect(results).toEqual([null, null, "open"]);
    under.answered({ context: "n1.x:2", index: 5 }, 5);
    await microtasks();
    expect(results).toEqual([null, null, null]);
  });

  it("are not released by the answer to an earlier round", async () => {
    const { reads: under, asked, results, wait } = reads({ retryTicks: 2 });
    void wait();
    under.startRound();
    under.tick();
    under.tick();
    expect(asked).toEqual(["n1.x:1", "n1.x:2"]);
    under.answered({ context: "n1.x:1", index: 1 }, 9);
    await microtasks();
    expect(results).toEqual(["open"]);
    under.answered({ context: "n1.x:2", index: 1 }, 9);
    await microtasks();
    expect(results).toEqual([null]);
  });

  it("are asked again of a new leader, and fail when there is none", async () => {
    const { reads: under, asked, results, wait } = reads();
    void wait();
    under.startRound();
    under.leaderChanged(true);
    expect(asked).toHaveLength(2);
    void wait();
    under.leaderChanged(false);
    await microtasks();
    expect(results).toEqual(["no_leader", "no_leader"]);
  });

  it("fail at once when no leader is known or the core is full", async () => {
    const { reads: under, state, results, wait } = reads();
    state.answer = { kind: "no_leader" };
    void wait();
    under.startRound();
    await microtasks();
    state.answer = { kind: "full" };
    void wait();
    under.startRound();
    await microtasks();
    expect(results).toEqual(["no_leader", "backlog_full"]);
  });

  it("beyond the bound are refused", async () => {
    const { results, wait } = reads({ waitingMax: 1 });
    void wait();
    void wait();
    await microtasks();
    expect(results).toEqual(["open", "backlog_full"]);
  });

  it("are bounded wherever they wait: for a round, for its answer, for its index", async () => {
    const { reads: under, results, wait } = reads({ waitingMax: 2, retryTicks: 1 });
    void wait();
    under.startRound();
    under.answered({ context: "n1.x:1", index: 9 }, 0);
    void wait();
    under.startRound();
    under.tick();
    void wait();
    await microtasks();
    expect(results).toEqual(["open", "open", "backlog_full"]);
    expect(under.size).toBe(2);
    under.applied(9);
    void wait();
    await microtasks();
    expect(results).toEqual([null, "open", "backlog_full", "open"]);
    expect(under.size).toBe(2);
  });

  it("are forgotten once their caller has given up, though no round is ever answered", async () => {
    const { reads: under, asked, results, wait } = reads({ waitingMax: 1, retryTicks: 1 });
    for (let round = 0; round < 3; round += 1) {
      const controller = new AbortController();
      void wait(controller.signal);
      under.startRound();
      under.tick();
      controller.abort();
      await microtasks();
      expect(under.size).toBe(0);
    }
    expect(results).toEqual(["cancelled", "cancelled", "cancelled"]);
    under.tick();
    const rounds = asked.length;
    under.tick();
    expect(asked).toHaveLength(rounds);
  });

  it("end when their caller gives up, and leave no listener behind", async () => {
    const { reads: under, results, wait } = reads();
    const controller = new AbortController();
    void wait(controller.signal);
    under.startRound();
    controller.abort();
    await microtasks();
    expect(results).toEqual(["cancelled"]);
    under.answered({ context: "n1.x:1", index: 1 }, 1);
    await microtasks();
    expect(results).toEqual(["cancelled"]);
  });

  it("date the state by when the round was sent, once its index is applied", async () => {
    const { reads: under, state, wait } = reads();
    expect(under.freshAsOfMs).toBeNull();
    state.nowMs = 100;
    void wait();
    under.startRound();
    state.nowMs = 140;
    under.answered({ context: "n1.x:1", index: 8 }, 7);
    expect(under.freshAsOfMs).toBeNull();
    state.nowMs = 170;
    under.applied(8);
    expect(under.freshAsOfMs).toBe(100);
  });
});
