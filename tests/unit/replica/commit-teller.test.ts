import { beforeEach, describe, expect, it } from "@jest/globals";
import {
  COMMIT_WAIT_MS_MAX,
  COMMIT_WAIT_MS_MIN,
  CommitTeller,
  QUICKNESS_MIN,
} from "../../../services/replica/commit-teller";
import { appliedAnswer, put, ReplicaRig } from "./replica-rig";

/** Members that have settled, some time after the last command. */
async function quietRig(): Promise<ReplicaRig> {
  const rig = new ReplicaRig(3);
  await rig.elect();
  await rig.tick(15);
  rig.sent.length = 0;
  return rig;
}

/** One that has taken so many quick commands that it expects the next. */
async function quickRig(): Promise<ReplicaRig> {
  const rig = await quietRig();
  for (let nth = 0; nth <= QUICKNESS_MIN; nth += 1) await write(rig, String(nth));
  rig.sent.length = 0;
  return rig;
}

async function write(rig: ReplicaRig, value: string): Promise<void> {
  const leader = rig.seats.find(({ replica }) => replica?.isLeader === true)!.replica!;
  const outcome = leader.submit(put("a", value));
  await rig.settle();
  appliedAnswer(await outcome);
}

/** How far each follower's commit index is behind the leader's. */
function lags(rig: ReplicaRig): number[] {
  const statuses = rig.seats.map(({ id }) => rig.replica(id).status().raft);
  const commit = statuses.find(({ role }) => role === "leader")!.commit;
  return statuses.filter(({ role }) => role !== "leader").map((status) => commit - status.commit);
}

/** How many appends went out with entries and without, and answers to any. */
function traffic(rig: ReplicaRig): { full: number; empty: number; answers: number } {
  const full = rig.sent.filter(({ kind, ...rest }) => kind === "append" && carries(rest) > 0).length;
  const all = rig.sent.filter(({ kind }) => kind === "append").length;
  const answers = rig.sent.filter(({ kind }) => kind === "append_response").length;
  return { full, empty: all - full, answers };
}

function carries(message: object): number {
  return "entries" in message ? (message.entries as readonly unknown[]).length : 0;
}

describe("followers hear what is committed", () => {
  it("a turn after the commit, where the command came after a quiet time", async () => {
    const rig = await quietRig();
    await write(rig, "1");
    expect(lags(rig)).toEqual([0, 0]);
    expect(traffic(rig)).toEqual({ full: 2, empty: 2, answers: 2 });
  });

  it("at once of some commands that come quickly one after another, and then with the next", async () => {
    const rig = await quietRig();
    await write(rig, "late");
    for (let quick = 1; quick < QUICKNESS_MIN; quick += 1) {
      await write(rig, "quick");
      expect(lags(rig)).toEqual([0, 0]);
    }
    rig.sent.length = 0;
    for (const value of ["1", "2", "3"]) {
      await write(rig, value);
      expect(lags(rig)).toEqual([1, 1]);
    }
    expect(traffic(rig)).toEqual({ full: 6, empty: 0, answers: 6 });
  });

  it("of the last of quick commands after a wait", async () => {
    const rig = await quickRig();
    expect(lags(rig)).toEqual([1, 1]);
    await rig.wait(COMMIT_WAIT_MS_MIN);
    expect(lags(rig)).toEqual([0, 0]);
  });

  it("at once where two came late, and not yet where one did", async () => {
    const rig = await quickRig();
    for (let nth = 0; nth < QUICKNESS_MIN; nth += 1) await write(rig, "quick");
    const lagsOfLate = [];
    for (const value of ["1", "2"]) {
      await rig.wait(100);
      await write(rig, value);
      lagsOfLate.push(lags(rig));
    }
    expect(lagsOfLate).toEqual([
      [1, 1],
      [0, 0],
    ]);
  });
});

describe("a commit teller", () => {
  let nowMs = 0;
  let hasCommitToTell = false;
  let turns = 0;
  let timers: { readonly delayMs: number; readonly run: () => void }[] = [];
  let teller: CommitTeller;

  beforeEach(() => {
    nowMs = 0;
    hasCommitToTell = false;
    turns = 0;
    timers = [];
    teller = new CommitTeller({
      clock: { monotonicMs: () => nowMs },
      scheduler: { afterMs: (delayMs, run) => timers.push({ delayMs, run }) },
      hasCommitToTell: () => hasCommitToTell,
      planTurn: () => {
        turns += 1;
      },
    });
  });

  function committed(): void {
    hasCommitToTell = true;
    teller.settled();
  }

  /** Commands have come quickly for long: the word of a commit waits for the next. */
  function expectQuick(): void {
    for (let nth = 0; nth < QUICKNESS_MIN; nth += 1) {
      committed();
      carried();
    }
    turns = 0;
  }

  function carried(): void {
    teller.proposed();
    hasCommitToTell = false;
    teller.settled();
  }

  it("plans a turn where the last commands came late", () => {
    for (let nth = 0; nth < 10; nth += 1) {
      committed();
      nowMs += COMMIT_WAIT_MS_MIN + 0.1;
      carried();
    }
    turns = 0;
    committed();
    expect([turns, timers.length, teller.takeDue(), teller.takeDue()]).toEqual([1, 0, true, false]);
  });

  it.each([
    { tookMs: 0.5, waitMs: COMMIT_WAIT_MS_MIN },
    { tookMs: 5, waitMs: 5 },
    { tookMs: 80, waitMs: COMMIT_WAIT_MS_MAX },
  ])(
    "waits $waitMs ms where it took $tookMs ms to commit, and takes what comes within that for quick",
    ({ tookMs, waitMs }) => {
      const told = [waitMs + 0.5, waitMs].map((afterMs) => {
        let last: readonly unknown[] = [];
        for (let nth = 0; nth < 10; nth += 1) {
          nowMs += tookMs;
          turns = 0;
          committed();
          last = [turns, timers.map(({ delayMs }) => delayMs)];
          nowMs += afterMs;
          carried();
          for (const { run } of timers.splice(0)) run();
        }
        return last;
      });
      expect(told).toEqual([
        [1, []],
        [0, [waitMs]],
      ]);
    },
  );

  it("learns of what comes first after a commit, and not of what follows before the next", () => {
    for (let nth = 0; nth < 2 * QUICKNESS_MIN; nth += 1) {
      committed();
      carried();
      nowMs += 50;
      carried();
      carried();
    }
    turns = 0;
    committed();
    expect([turns, timers.length]).toEqual([0, 1]);
  });

  it("sets one timer for many commits that are carried in time", () => {
    expectQuick();
    for (let at = 0; at < 3; at += 1) {
      committed();
      nowMs += 0.5;
      carried();
    }
    expect([turns, timers.length, teller.takeDue()]).toEqual([0, 1, false]);
    timers[0]!.run();
    expect([turns, timers.length]).toEqual([0, 1]);
  });

  it("lets what came while the timer ran wait as long as anything else", () => {
    expectQuick();
    committed();
    nowMs += 1.5;
    carried();
    committed();
    nowMs += 0.5;
    timers[0]!.run();
    expect([turns, timers[1]!.delayMs]).toEqual([0, 1.5]);
    nowMs += 1.5;
    timers[1]!.run();
    expect([turns, teller.takeDue()]).toEqual([1, true]);
  });

  it("tells at last by a clock that stands still", () => {
    expectQuick();
    committed();
    timers[0]!.run();
    expect([turns, teller.takeDue()]).toEqual([1, true]);
  });
});
