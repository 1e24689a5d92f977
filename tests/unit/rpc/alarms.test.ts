import { describe, expect, test } from "@jest/globals";
import type { ProgressStatus } from "@quorate/services/raft";
import { AlarmBoard } from "@quorate/services/rpc";
import type { VerificationStatus } from "@quorate/services/verification";
import { RAFT_STATUS, REPLICA_STATUS } from "./fake-node";

function progressOf(id: string, changes: Partial<ProgressStatus> = {}): ProgressStatus {
  return {
    id,
    state: "replicate",
    match: 95,
    next: 96,
    isLearner: false,
    isRecentlyActive: true,
    isLowOnSpace: false,
    isPaused: false,
    inflightMessages: 0,
    inflightBytes: 0,
    pendingSnapshot: 0,
    needsSnapshot: false,
    ...changes,
  };
}

class Board {
  nowMs = 0;
  status = REPLICA_STATUS;
  verification: Partial<VerificationStatus> = {};
  readonly board = new AlarmBoard({
    replica: { status: () => this.status },
    verification: {
      status: () =>
        ({
          diverged: [],
          isSplit: false,
          isWrong: false,
          ...this.verification,
        }) as unknown as VerificationStatus,
    },
    clock: { monotonicMs: () => this.nowMs, wallMs: () => 1_000_000 + this.nowMs },
  });

  /** As a leader that sees these others. */
  leads(...others: ProgressStatus[]): this {
    this.status = { ...REPLICA_STATUS, raft: { ...RAFT_STATUS, progress: [progressOf("n1"), ...others] } };
    return this;
  }

  follows(): this {
    this.status = { ...REPLICA_STATUS, raft: { ...RAFT_STATUS, role: "follower", progress: null } };
    return this;
  }

  /** Looks once a second for so long. */
  passes(ms: number): this {
    for (let at = 0; at < ms; at += 1000) {
      this.nowMs += 1000;
      this.board.observe();
    }
    return this;
  }

  get told(): string[] {
    return this.board.list.map(({ kind, memberId, sinceMs }) => `${kind} ${memberId} ${sinceMs - 1_000_000}`);
  }
}

const gone = progressOf("n2", { isRecentlyActive: false });

describe("alarms", () => {
  test("E9: little space, of this member as it knows, of others as the leader sees them", () => {
    const board = new Board().follows().passes(1000);
    expect(board.told).toEqual([]);
    board.status = { ...board.status, isLowOnSpace: true };
    expect(board.passes(2000).told).toEqual(["no_space n1 2000"]);
    board.leads(progressOf("n2"), progressOf("n3", { isLowOnSpace: true }));
    expect(board.passes(1000).told).toEqual(["no_space n3 4000"]);
    expect(board.leads(progressOf("n2"), progressOf("n3")).passes(1000).told).toEqual([]);
  });

  test("a member that the leader has not heard of for more than 10 s is down, and is not once it was heard of", () => {
    const board = new Board().leads(progressOf("n2")).passes(3000);
    expect(board.leads(gone).passes(10_000).told).toEqual([]);
    expect(board.passes(3000).told).toEqual(["member_down n2 14000"]);
    expect(board.board.list[0]?.message).toContain("n2 was not heard of for more than 10 s");
    expect(board.leads(progressOf("n2")).passes(1000).told).toEqual([]);
  });

  test("one look at the wrong moment is no alarm", () => {
    const board = new Board();
    for (let at = 0; at < 15; at += 1) {
      board.leads(gone).passes(1000);
      board.leads(progressOf("n2")).passes(1000);
    }
    expect(board.told).toEqual([]);
  });

  test("a leader begins to count when it begins to lead, and who was not looked for was not missed", () => {
    const board = new Board().leads(gone).passes(9000).follows().passes(9000);
    expect(board.leads(gone).passes(9000).told).toEqual([]);
    // As a process that was stopped for a minute.
    board.nowMs += 60_000;
    expect(board.passes(1000).told).toEqual([]);
    expect(board.passes(12_000).told).toHaveLength(1);
    // A member that was removed is nobody to be missed.
    expect(board.leads(progressOf("n3")).passes(1000).told).toEqual([]);
  });

  test("H5: members that differ, this one where it knows it of itself, and a cluster without a majority", () => {
    const board = new Board().leads(progressOf("n2"), progressOf("n3"));
    board.verification = { diverged: ["n3"] };
    expect(board.passes(2000).told).toEqual(["diverged n3 1000"]);
    board.verification = { diverged: ["n3"], isWrong: true };
    expect(board.passes(1000).told).toEqual(["diverged n3 1000", "diverged n1 3000"]);
    board.verification = { isSplit: true };
    expect(board.passes(1000).told).toEqual(["diverged  4000"]);
    expect(board.board.list[0]?.message).toContain("no majority");
    board.verification = {};
    expect(board.passes(1000).told).toEqual([]);
  });
});
