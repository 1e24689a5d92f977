import { describe, expect, test } from "@jest/globals";
import { Progress } from "@quorate/services/raft";

function progress(match: number, next: number, inflightMessagesMax = 3): Progress {
  const inflightBytesMax = Number.POSITIVE_INFINITY;
  return new Progress({ match, next, isLearner: false, inflightMessagesMax, inflightBytesMax });
}

function replicating(match: number, inflightMessagesMax = 3): Progress {
  const made = progress(match, match + 1, inflightMessagesMax);
  made.becomeReplicate();
  return made;
}

describe("a member that is probed", () => {
  test("is sent one message with entries at a time", () => {
    const member = progress(0, 5);
    member.onAppendSent({ entryCount: 2, bytes: 2, commit: 0 });
    expect([member.isPaused, member.next]).toEqual([true, 5]);
  });

  test("is not paused by an empty message", () => {
    const member = progress(0, 5);
    member.onAppendSent({ entryCount: 0, bytes: 0, commit: 0 });
    expect(member.isPaused).toBe(false);
  });

  test.each([
    ["the guess is below", 9, 4, 5],
    ["the guess is far above what was refused", 9, 50, 9],
    ["the guess is below what it holds", 9, 0, 3],
  ])("is tried anew after a rejection: %s", (_, rejected, guess, next) => {
    const member = progress(2, 10);
    member.onAppendSent({ entryCount: 1, bytes: 1, commit: 0 });
    expect(member.onRejected(rejected, guess)).toBe(true);
    expect([member.next, member.isPaused]).toEqual([next, false]);
  });

  test("ignores a rejection of anything but the last message", () => {
    const member = progress(2, 10);
    expect(member.onRejected(5, 3)).toBe(false);
    expect(member.next).toBe(10);
  });
});

describe("a member that is replicated to", () => {
  test("is sent ahead of its answers until the window is full", () => {
    const member = replicating(4);
    for (const _ of [1, 2, 3]) member.onAppendSent({ entryCount: 2, bytes: 2, commit: 0 });
    expect([member.next, member.isPaused]).toEqual([11, true]);
  });

  test("falls back to what it acknowledged when it rejects more", () => {
    const member = replicating(4);
    member.onAppendSent({ entryCount: 3, bytes: 3, commit: 4 });
    expect(member.onRejected(4, 4)).toBe(false);
    expect(member.onRejected(7, 4)).toBe(true);
    expect(member.next).toBe(5);
  });

  test("never unlearns an acknowledgement", () => {
    const member = replicating(4);
    expect(member.onAcknowledged(4)).toBe(false);
    expect(member.onAcknowledged(9)).toBe(true);
    expect([member.match, member.next]).toEqual([9, 10]);
    expect(member.onAcknowledged(6)).toBe(false);
    expect(member.match).toBe(9);
  });

  test.each([
    ["nothing was told yet", 0, 3, true],
    ["that much was told", 3, 3, false],
    ["all that it was sent is covered", 6, 9, false],
  ])("is told a commit index only when that may help: %s", (_, told, commit, expected) => {
    const member = replicating(4);
    member.onAppendSent({ entryCount: 2, bytes: 2, commit: told });
    expect(member.canBumpCommit(commit)).toBe(expected);
  });
});

describe("a member that a snapshot is on its way to", () => {
  test("is sent nothing else", () => {
    const member = progress(1, 2);
    member.becomeSnapshot(10);
    expect([member.state, member.isPaused, member.next]).toEqual(["snapshot", true, 11]);
    expect(() => member.onAppendSent({ entryCount: 0, bytes: 0, commit: 0 })).toThrow("snapshot");
  });

  test("is probed after it when it ends", () => {
    const member = progress(1, 2);
    member.becomeSnapshot(10);
    member.becomeProbe();
    expect([member.state, member.next, member.isPaused]).toEqual(["probe", 11, false]);
  });
});
