import { describe, expect, it } from "@jest/globals";
import type { HistoryRecord } from "./history";
import { checkLinearizable, judgeKeys } from "./linearizable";
import { simulatedHistory } from "./simulated-history";
import { failed, Sketch } from "./sketch";

const [a, b, c, d] = [new Sketch("a"), new Sketch("b"), new Sketch("c"), new Sketch("d")];

const good: Record<string, readonly HistoryRecord[]> = {
  "nothing at all": [],
  "a key that was never written is absent": [a.get([0, 1])],
  "a read after a put": [a.put([0, 1], "x"), b.get([2, 3], "x")],
  "a read of either value while a put is open": [
    a.put([0, 1], "x"),
    a.put([2, 10], "y"),
    b.get([3, 4], "x"),
    b.get([5, 6], "y"),
  ],
  "puts that overlap, in the order that two later reads agree on": [
    a.put([0, 10], "x"),
    b.put([0, 10], "y"),
    c.get([11, 12], "x"),
    d.get([11, 12], "x"),
  ],
  "a put that was overwritten before anybody saw it": [
    a.put([0, 10], "x"),
    b.put([0, 10], "y"),
    c.put([0, 10], "z"),
    d.get([11, 12], "y"),
  ],
  "an unknown put that takes effect late": [
    a.put([0, 1], "x"),
    b.put([2, null], "y"),
    c.get([3, 4], "x"),
    c.get([100, 101], "y"),
  ],
  "an unknown put that never takes effect": [
    a.put([0, 1], "x"),
    b.put([2, null], "y"),
    c.get([100, 101], "x"),
  ],
  "an unknown put that takes effect after another put": [
    b.put([0, null], "y"),
    a.put([1, 2], "x"),
    c.get([3, 4], "y"),
  ],
  "two unknown increments of which one took effect": [
    a.incr([0, null], 1),
    b.incr([1, null], 1),
    c.get([2, 3], "1"),
    c.incr([4, 5], 1, 2),
  ],
  "an unknown delete seen by a create": [
    a.put([0, 1], "x"),
    b.delete([2, null]),
    c.cas([3, 4], null, "y"),
    c.get([5, 6], "y"),
  ],
  "an unknown swap that decides who wins": [
    a.put([0, 1], "x"),
    b.cas([2, null], "x", "y"),
    c.cas([3, 4], "x", "z", false),
    c.get([5, 6], "y"),
  ],
  "a failed put that nobody sees": [a.put([0, 1], "x"), failed(b.put([2, 3], "y")), c.get([4, 5], "x")],
  "appends of two clients": [
    a.append([0, 10], "1,", "1,"),
    b.append([0, 10], "2,", "1,2,"),
    c.get([5, 12], "1,2,"),
  ],
  "an unknown append between two others": [
    a.append([0, 1], "1,", "1,"),
    b.append([2, null], "2,"),
    c.append([3, 4], "3,", "1,2,3,"),
  ],
  "an append of nothing creates the key once": [
    a.append([0, 10], "", ""),
    b.append([0, 10], "", ""),
    c.get([11, 12], ""),
  ],
  "increments from nothing, with a negative one": [
    a.incr([0, 1], 5, 5),
    a.incr([2, 3], -7, -2),
    a.get([4, 5], "-2"),
  ],
  "one of two racing swaps wins": [
    a.put([0, 1], "x"),
    b.cas([2, 10], "x", "y"),
    c.cas([2, 10], "x", "z", false),
    d.get([11, 12], "y"),
  ],
  "equal times overlap": [a.put([0, 5], "x"), b.get([5, 6], null)],
  "revisions that rise": [
    a.put([0, 1], "x", 3),
    b.get([2, 3], "x", 3),
    a.put([4, 5], "y", 8),
    b.get([6, 7], "y", 8),
  ],
  "an unknown put whose revision a read tells": [
    a.put([0, 1], "x", 3),
    b.put([2, null], "y"),
    c.get([4, 5], "y", 4),
    a.put([6, 7], "z", 5),
  ],
  "a revision of a write that none but a failed swap saw": [
    a.put([0, 1], "x"),
    b.put([2, null], "y"),
    c.cas([3, 4], "z", "w", false, 9),
    c.get([5, 6], "y", 9),
  ],
  "a deletion, and a new life at a higher revision": [
    a.put([0, 1], "x", 3),
    a.delete([2, 3], true, 4),
    b.get([4, 5], null, 0),
    a.put([6, 7], "x", 6),
    b.get([8, 9], "x", 6),
  ],
};

const bad: Record<string, { readonly records: readonly HistoryRecord[]; readonly culprit: number }> = {
  "a stale read": {
    records: [a.put([0, 1], "x"), a.put([2, 3], "y"), b.get([4, 5], "x")],
    culprit: 2,
  },
  "a read of nothing after a put": { records: [a.put([0, 1], "x"), b.get([2, 3])], culprit: 1 },
  "a value out of thin air": { records: [a.put([0, 1], "x"), b.get([2, 3], "q")], culprit: 1 },
  "a read from the future": { records: [a.get([0, 1], "x"), b.put([2, 3], "x")], culprit: 0 },
  "a lost update: two increments gave the same number": {
    records: [a.incr([0, 10], 1, 1), b.incr([0, 10], 1, 1)],
    culprit: 1,
  },
  "a lost update: two swaps from the same value": {
    records: [a.put([0, 1], "x"), b.cas([2, 10], "x", "y"), c.cas([2, 11], "x", "z")],
    culprit: 2,
  },
  "a lost put": {
    records: [a.put([0, 1], "x"), b.delete([2, 3], false)],
    culprit: 1,
  },
  "a dirty read of a write that failed": {
    records: [a.put([0, 1], "x"), failed(b.put([2, 6], "y")), c.get([4, 5], "y")],
    culprit: 2,
  },
  "a failed increment that counts": {
    records: [a.incr([0, 1], 1, 1), failed(b.incr([2, 3], 1)), a.incr([4, 5], 1, 3)],
    culprit: 2,
  },
  "an increment applied twice": {
    records: [a.incr([0, 1], 1, 1), b.get([2, 3], "2")],
    culprit: 1,
  },
  "an unknown increment applied twice": {
    records: [a.incr([0, null], 1), b.get([2, 3], "2")],
    culprit: 1,
  },
  "an unknown put that takes effect twice": {
    records: [
      a.put([0, null], "y"),
      b.get([1, 2], "y"),
      b.put([3, 4], "x"),
      b.get([5, 6], "x"),
      b.get([7, 8], "y"),
    ],
    culprit: 4,
  },
  "an unknown put taken back": {
    records: [a.put([0, 1], "x"), b.put([2, null], "y"), c.get([3, 4], "y"), c.get([5, 6], "x")],
    culprit: 3,
  },
  "two readers see two puts in opposite orders": {
    records: [
      a.put([0, 20], "x"),
      b.put([0, 20], "y"),
      c.get([1, 2], "x"),
      d.get([1, 2], "y"),
      c.get([3, 4], "y"),
      d.get([5, 6], "x"),
    ],
    culprit: 5,
  },
  "an append in the wrong order": {
    records: [a.append([0, 1], "1,", "1,"), b.append([2, 3], "2,", "1,2,"), c.get([4, 5], "2,1,")],
    culprit: 2,
  },
  "an append that is missing": {
    records: [a.append([0, 1], "1,", "1,"), b.append([2, 3], "2,", "2,")],
    culprit: 1,
  },
  "an append that is there twice": {
    records: [a.append([0, 1], "1,", "1,"), b.get([2, 3], "1,1,")],
    culprit: 1,
  },
  "an append that does not end with its operand": { records: [a.append([0, 1], "1,", "2,")], culprit: 0 },
  "two clients both created the key": {
    records: [a.cas([0, 10], null, "x"), b.cas([0, 11], null, "y")],
    culprit: 1,
  },
  "a swap that should have won": {
    records: [a.put([0, 1], "x"), b.cas([2, 3], "x", "y", false)],
    culprit: 1,
  },
  "an increment of a word": { records: [a.put([0, 1], "x"), b.incr([2, 3], 1, 1)], culprit: 1 },
  "a revision that goes back": {
    records: [a.put([0, 1], "x", 7), b.put([2, 3], "y", 6)],
    culprit: 1,
  },
  "two writes at one revision": {
    records: [a.put([0, 10], "x", 7), b.put([0, 11], "y", 7)],
    culprit: 1,
  },
  "two reads of one version at different revisions": {
    records: [a.put([0, 1], "x", 7), b.get([2, 3], "x", 7), b.get([4, 5], "x", 8)],
    culprit: 2,
  },
  "the right value at the revision of an earlier life": {
    records: [a.put([0, 1], "x", 3), a.put([2, 3], "y", 4), a.put([4, 5], "x", 5), b.get([6, 7], "x", 3)],
    culprit: 3,
  },
  "a hidden write without a revision to spare": {
    records: [a.put([0, 1], "x", 3), b.incr([2, null], 1), b.put([4, null], "y"), a.get([5, 6], "y", 3)],
    culprit: 3,
  },
  "an order of revisions against the order of time": {
    records: [a.put([0, 20], "x", 9), b.put([1, 2], "y", 5), c.get([3, 4], "x", 9), c.get([5, 6], "y", 5)],
    culprit: 3,
  },
};

describe("known histories", () => {
  it.each(Object.entries(good))("K5: accepts: %s", (_, records) => {
    expect(checkLinearizable(records)).toEqual({ kind: "linearizable" });
  });

  it.each(Object.entries(bad))("K5: refuses: %s", (_, { records, culprit }) => {
    expect(checkLinearizable(records)).toMatchObject({
      kind: "violation",
      key: "k",
      culprit: records[culprit],
    });
  });

  it("K5: gives up openly where the bound is too small, which is not a pass", () => {
    const hard = simulatedHistory({
      seed: 3,
      operations: ["get", "incr"],
      count: 400,
      clients: 12,
      keys: 1,
      hasRevisions: false,
    });
    const verdict = checkLinearizable(hard, { statesMax: 0 });
    expect(verdict).toMatchObject({ kind: "undecided", key: "k0" });
    expect(checkLinearizable(hard, { statesMax: 0 })).toEqual(verdict);
  });
});

describe("a verdict", () => {
  it("explains a violation with what could have been and the operations around it", () => {
    const records = [
      a.put([0, 1_000_000], "x", 3),
      failed(b.put([1_500_000, 1_800_000], "y")),
      c.get([2_000_000, 3_000_000], "y"),
      d.put([9_000_000, 9_500_000], "z"),
    ];
    expect(checkLinearizable(records)).toMatchObject({
      prefixLength: 3,
      explanation: [
        'key "k" is not linearizable: no order of its operations explains',
        '  c      get -> "y"  [2.000 ms to 3.000 ms]',
        'Just before it the key could be: "x" at revision 3.',
        'Only an operation that failed would have written "y".',
        "Operations around it, in the order of their invocation:",
        '  a      put "x" -> ok at revision 3  [0.000 ms to 1.000 ms]',
        '  b      put "y" -> failed, so nothing was done  [1.500 ms to 1.800 ms]',
        '> c      get -> "y"  [2.000 ms to 3.000 ms]',
      ].join("\n"),
    });
  });

  it("names the violation that returned first, and prefers it to what is undecided", () => {
    const [left, right] = [new Sketch("a", "left"), new Sketch("b", "right")];
    const records = [left.put([0, 1], "x"), left.get([8, 9], "q"), right.get([2, 3], "q")];
    expect(checkLinearizable(records)).toMatchObject({ kind: "violation", key: "right" });
    expect(judgeKeys(records).map(({ key, verdict }) => [key, verdict.kind])).toEqual([
      ["left", "violation"],
      ["right", "violation"],
    ]);
  });

  it("counts operations by key and status", () => {
    const records = [a.put([0, 1], "x"), failed(b.put([2, 3], "y")), c.put([4, null], "z")];
    expect(judgeKeys(records)).toMatchObject([{ key: "k", operations: { ok: 1, fail: 1, unknown: 1 } }]);
  });
});

describe("the work of the search", () => {
  it("visits each operation about once where clients seldom meet", () => {
    const records = simulatedHistory({
      seed: 11,
      operations: ["get", "put", "delete", "cas"],
      count: 20_000,
      clients: 10,
      keys: 100,
      hasRevisions: false,
    });
    const judgements = judgeKeys(records);
    expect(new Set(judgements.map(({ verdict }) => verdict.kind))).toEqual(new Set(["linearizable"]));
    const explored = judgements.reduce((sum, { statesExplored }) => sum + statesExplored, 0);
    expect(explored).toBeLessThan(2 * records.length);
  });

  it("is not lost in puts of one hot key, nor in many unknown outcomes", () => {
    const puts = Array.from({ length: 40 }, (_, at) => new Sketch(`p${at}`).put([at, 1_000 + at], `v${at}`));
    const lost = Array.from({ length: 40 }, (_, at) => new Sketch(`u${at}`).incr([2_000 + at, null], 1));
    const reads = [a.get([3_000, 3_001], "v17"), a.get([3_002, 3_003], "v18")];
    const verdict = judgeKeys([...puts, ...lost, ...reads], { statesMax: 20_000 });
    expect(verdict).toMatchObject([{ verdict: { kind: "violation", culprit: reads[1] } }]);
  });
});
