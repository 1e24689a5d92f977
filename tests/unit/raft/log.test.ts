import { describe, expect, test } from "@jest/globals";
import { type Entry, entryBytes, LogTail, RaftLog } from "@quorate/services/raft";
import { entry, logOf } from "./group";
import { MemoryLog } from "./memory-log";

const NO_BOUND = Number.POSITIVE_INFINITY;

/** A log whose first entries are stored and whose others are not durable yet. */
function logWith(stored: number[], undurable: number[], commit = 0, applyingBytesMax = NO_BOUND): RaftLog {
  const log = new RaftLog(logOf(...stored), {
    commit,
    applied: 0,
    applyingBytesMax,
    appliesOnlyDurable: false,
  });
  log.append(undurable.map((term, at) => entry(term, stored.length + at + 1)));
  return log;
}

function terms(log: RaftLog): unknown[] {
  const all: unknown[] = [];
  for (let index = 1; index <= log.lastIndex; index += 1) all.push(log.term(index));
  return all;
}

function ids(entries: readonly Entry[] | "compacted"): unknown {
  return entries === "compacted" ? entries : entries.map(({ term, index }) => `${term}/${index}`);
}

describe("the tail of the log", () => {
  test("hands out each entry once", () => {
    const tail = new LogTail({ term: 1, index: 4 });
    tail.append([entry(1, 5), entry(1, 6)]);
    expect(ids(tail.handOut())).toEqual(["1/5", "1/6"]);
    expect(tail.hasUnhanded).toBe(false);
    tail.append([entry(2, 7)]);
    expect(ids(tail.handOut())).toEqual(["2/7"]);
  });

  test("hands out again what replaces what it had handed out", () => {
    const tail = new LogTail({ term: 1, index: 4 });
    tail.append([entry(1, 5), entry(1, 6), entry(1, 7)]);
    tail.handOut();
    tail.cutAfter({ term: 1, index: 5 });
    tail.append([entry(2, 6)]);
    expect(ids(tail.handOut())).toEqual(["2/6"]);
  });

  test("keeps what is not durable and drops what is", () => {
    const tail = new LogTail({ term: 1, index: 4 });
    tail.append([entry(1, 5), entry(1, 6)]);
    tail.handOut();
    tail.append([entry(1, 7)]);
    tail.dropDurable({ term: 1, index: 6 });
    expect([tail.firstIndex, tail.lastIndex, tail.term(6), tail.term(5)]).toEqual([7, 7, 1, null]);
    tail.dropDurable({ term: 1, index: 5 });
    expect(tail.firstIndex).toBe(7);
  });

  test("does not take an entry of another term for durable", () => {
    const tail = new LogTail({ term: 1, index: 4 });
    tail.append([entry(2, 5)]);
    tail.handOut();
    tail.dropDurable({ term: 1, index: 5 });
    expect(tail.isEmpty).toBe(false);
  });

  test("may begin below the end of what is stored", () => {
    const tail = new LogTail({ term: 1, index: 4 });
    tail.append([entry(1, 5)]);
    tail.cutAfter({ term: 1, index: 2 });
    tail.append([entry(2, 3)]);
    expect([tail.firstIndex, tail.lastIndex]).toEqual([3, 3]);
  });

  test.each([
    ["a gap", entry(1, 6)],
    ["a falling term", entry(0, 5)],
  ])("refuses %s", (_, wrong) => {
    const tail = new LogTail({ term: 1, index: 4 });
    expect(() => tail.append([wrong])).toThrow("does not hold");
  });
});

describe("appending after an entry of the leader's", () => {
  const rows: readonly [
    string,
    { previous: [number, number]; terms: number[]; matched: number | null; log: number[] },
  ][] = [
    ["no match: the term differs", { previous: [2, 3], terms: [4], matched: null, log: [1, 2, 3] }],
    ["no match: the entry is missing", { previous: [3, 4], terms: [4], matched: null, log: [1, 2, 3] }],
    ["nothing to append", { previous: [3, 3], terms: [], matched: 3, log: [1, 2, 3] }],
    ["at the end", { previous: [3, 3], terms: [3, 4], matched: 5, log: [1, 2, 3, 3, 4] }],
    ["all of it is there already", { previous: [1, 1], terms: [2], matched: 2, log: [1, 2, 3] }],
    ["some of it is there already", { previous: [1, 1], terms: [2, 3, 4], matched: 4, log: [1, 2, 3, 4] }],
    ["the end is replaced", { previous: [2, 2], terms: [4, 4], matched: 4, log: [1, 2, 4, 4] }],
    ["more than the tail is replaced", { previous: [1, 1], terms: [4], matched: 2, log: [1, 4] }],
    ["all is replaced", { previous: [0, 0], terms: [5], matched: 1, log: [5] }],
  ];

  test.each(rows)("%s", (_, { previous: [term, index], terms: sent, matched, log: expected }) => {
    const log = logWith([1, 2], [3]);
    const entries = sent.map((sentTerm, at) => entry(sentTerm, index + 1 + at));
    expect(log.appendAfter({ term, index }, entries, 0)).toBe(matched);
    expect(terms(log)).toEqual(expected);
  });

  test("commits what the leader committed, as far as the message reaches", () => {
    const log = logWith([1, 2], [3]);
    log.appendAfter({ term: 2, index: 2 }, [], 3);
    expect(log.commit).toBe(2);
    log.appendAfter({ term: 2, index: 2 }, [entry(3, 3), entry(3, 4)], 3);
    expect(log.commit).toBe(3);
    log.appendAfter({ term: 2, index: 2 }, [], 1);
    expect(log.commit).toBe(3);
  });

  test("never replaces what is committed", () => {
    const log = logWith([1, 2, 3], [], 2);
    expect(() => log.appendAfter({ term: 1, index: 1 }, [entry(4, 2)], 0)).toThrow("committed");
  });
});

describe("the hint of where two logs may meet", () => {
  test.each([
    ["its last entry is old enough", 3, 5, "3/3"],
    ["a stretch of greater terms is skipped", 3, 2, "2/2"],
    ["nothing is old enough", 3, 0, "0/0"],
    ["the entry is not there", 9, 9, "0/9"],
  ])("%s", (_, index, term, expected) => {
    const hint = logWith([1, 2, 3], []).conflictHint(index, term);
    expect(`${hint.term}/${hint.index}`).toBe(expected);
  });

  test("has no term where the log is compacted", () => {
    const reader = logOf(1, 5, 5, 5).compactedTo({ term: 5, index: 3 });
    const log = new RaftLog(reader, {
      commit: 3,
      applied: 3,
      applyingBytesMax: NO_BOUND,
      appliesOnlyDurable: false,
    });
    expect(log.conflictHint(4, 2)).toEqual({ term: 0, index: 2 });
  });
});

describe("which log is newer", () => {
  test.each([
    ["a later term wins", { term: 4, index: 1 }, true],
    ["an earlier term loses, however long", { term: 2, index: 9 }, false],
    ["of equal terms the longer wins", { term: 3, index: 4 }, true],
    ["equal logs are both new enough", { term: 3, index: 3 }, true],
    ["of equal terms the shorter loses", { term: 3, index: 2 }, false],
  ])("%s", (_, last, expected) => {
    expect(logWith([1, 2], [3]).isUpToDate(last)).toBe(expected);
  });
});

describe("reading entries", () => {
  const size = entryBytes(entry(1, 1));
  const rows: readonly [string, number, number, string[] | "compacted"][] = [
    ["across the stored part and the tail", 2, NO_BOUND, ["1/2", "1/3", "2/4", "2/5"]],
    ["at least one, however small the bound", 2, 0, ["1/2"]],
    ["up to the bound in the stored part", 2, size * 2 + 1, ["1/2", "1/3"]],
    ["up to the bound in the tail", 2, size * 3, ["1/2", "1/3", "2/4"]],
    ["the tail alone", 4, size, ["2/4"]],
    ["none past the end", 6, NO_BOUND, []],
    ["compacted below the first", 1, NO_BOUND, "compacted"],
  ];

  test.each(rows)("%s", (_, from, bytesMax, expected) => {
    const reader = logOf(1, 1, 1).compactedTo({ term: 1, index: 1 });
    const log = new RaftLog(reader, {
      commit: 1,
      applied: 1,
      applyingBytesMax: NO_BOUND,
      appliesOnlyDurable: false,
    });
    log.append([entry(2, 4), entry(2, 5)]);
    expect(ids(log.entriesFrom(from, bytesMax))).toEqual(expected);
  });

  test("never shows what a newer leader replaced but the store still holds", () => {
    const log = logWith([1, 1, 1], []);
    log.appendAfter({ term: 1, index: 1 }, [entry(2, 2)], 0);
    expect([log.lastIndex, log.term(2), log.term(3)]).toEqual([2, 2, "unavailable"]);
  });
});

describe("handing out committed entries", () => {
  const size = entryBytes(entry(1, 1));

  test("hands out each once", () => {
    const log = logWith([1, 1, 1], [], 2);
    expect(ids(log.takeEntriesToApply())).toEqual(["1/1", "1/2"]);
    expect(log.hasEntriesToApply).toBe(false);
    log.commitTo(3);
    expect(ids(log.takeEntriesToApply())).toEqual(["1/3"]);
  });

  test("stops at its bound until something is applied", () => {
    const log = logWith([1, 1, 1], [], 3, size * 2);
    expect(ids(log.takeEntriesToApply())).toEqual(["1/1", "1/2"]);
    expect(log.hasEntriesToApply).toBe(false);
    expect(log.appliedTo(1)).toBe(0);
    expect(log.hasEntriesToApply).toBe(false);
    expect(log.appliedTo(2)).toBe(6);
    expect(ids(log.takeEntriesToApply())).toEqual(["1/3"]);
  });

  test.each([
    ["what was not handed out", 3],
    ["less than before", 0],
  ])("refuses to have applied %s", (_, index) => {
    const log = logWith([1, 1, 1], [], 2);
    log.takeEntriesToApply();
    log.appliedTo(1);
    expect(() => log.appliedTo(index)).toThrow("does not hold");
  });

  test("knows of an unapplied change of the configuration", () => {
    const reader = new MemoryLog();
    reader.store([entry(1, 1), { ...entry(1, 2), kind: "conf_change_v2" }, entry(1, 3)]);
    const log = new RaftLog(reader, {
      commit: 3,
      applied: 0,
      applyingBytesMax: 1,
      appliesOnlyDurable: false,
    });
    expect(log.hasUnappliedConfigurationChange()).toBe(true);
    expect(ids(log.takeEntriesToApply())).toEqual(["1/1"]);
  });
});

describe("committing", () => {
  test("counts an entry of the leader's own term only", () => {
    const log = logWith([1, 2], [3]);
    expect(log.commitByCounting({ term: 3, index: 2 })).toBe(false);
    expect(log.commitByCounting({ term: 3, index: 3 })).toBe(true);
    expect(log.commitByCounting({ term: 3, index: 3 })).toBe(false);
  });

  test("stops a member that has lost what it acknowledged", () => {
    expect(() => logWith([1, 2], [3]).commitTo(4)).toThrow("lost");
  });
});
