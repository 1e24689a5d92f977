import { beforeEach, describe, expect, test } from "@jest/globals";
import {
  type Command,
  compactAllCommand,
  compactCommand,
  createNamespaceCommand,
  encodeCommand,
  firstEvent,
  oldestReadable,
  openSessionCommand,
  Refusal,
  truncateCommand,
} from "@quorate/services/kv";
import { ANYONE, Harness, request } from "./harness";
import { doneOf, expectRefused, put, refusedOf } from "./samples";

let it: Harness;

beforeEach(() => {
  it = new Harness();
  for (const key of ["a", "b", "c", "d"]) it.apply(put(key, "v"));
});

const compact = (revision: number): Command => compactCommand(ANYONE, revision);
const compactAll = (revision: number): Command => compactAllCommand(revision, 0);
const within = (namespace: string, command: Command): Command => ({ ...command, namespace });

/** The oldest revision that can be read, and the first whose events can be told. */
function floors(namespace = ""): [number, number] {
  const state = it.machine.namespace(namespace)!;
  return [oldestReadable(state, it.machine.meta), firstEvent(state, it.machine.meta)];
}

describe("Compact", () => {
  test("gives up what was before the revision, and makes no revision itself", () => {
    expect(floors()).toEqual([0, 1]);
    const before = it.store.contents();
    const answer = it.apply(compact(3));
    expect([answer.revision, doneOf(answer).deleted]).toEqual([4n, 0n]);
    expect(floors()).toEqual([3, 4]);
    expect(it.machine.namespace("")).toMatchObject({ oldestRevision: 3, firstEventRevision: 4 });
    expect(it.store.contents()).toEqual(before);
    it.restart();
    expect(floors()).toEqual([3, 4]);
  });

  test("to the last revision leaves only what is there now", () => {
    doneOf(it.apply(compact(4)));
    expect(floors()).toEqual([4, 5]);
  });

  test("to the same revision again changes nothing, and is no error", () => {
    doneOf(it.apply(compact(3)));
    const before = it.machine.resident();
    doneOf(it.apply(compact(3)));
    expect(it.machine.resident()).toEqual(before);
  });

  test.each([0, 1, 2])("to revision %d, given up before, is refused and tells the oldest", (revision) => {
    it.apply(compact(3));
    const message = `revision ${revision} is given up already: the oldest one is 3`;
    expectRefused(it, compact(revision), Refusal.COMPACTED, message, 3n);
  });

  test("to a revision that has not been reached is refused", () => {
    const message = "revision 5 has not been reached: the last one is 4";
    expectRefused(it, compact(5), Refusal.FUTURE_REVISION, message);
  });

  test("at a revision that an earlier command of the batch makes is done", () => {
    const answers = it.applyEntries([put("e", "v"), compact(5), compact(6)].map(encodeCommand), []);
    expect(answers.map(({ result }) => result?.$case)).toEqual(["done", "done", "refused"]);
    expect(floors()).toEqual([5, 6]);
  });

  test.each([-1, 2 ** 53])("to revision %d is malformed", (revision) => {
    const message = `revision is ${revision}, not in 0 to 9007199254740991`;
    expectRefused(it, compact(revision), Refusal.UNKNOWN_COMMAND, message);
    expectRefused(it, compactAll(revision), Refusal.UNKNOWN_COMMAND, message);
  });

  test("of one namespace leaves the others", () => {
    it.apply(createNamespaceCommand(ANYONE, "orders"));
    it.apply(put("e", "v"));
    it.apply(compact(2));
    expect([floors(), floors("orders")]).toEqual([
      [2, 3],
      [4, 5],
    ]);
  });

  test("after a truncation: what it gave up stays so, and the truncation itself is an event until then", () => {
    it.apply(truncateCommand(ANYONE));
    expect(floors()).toEqual([5, 5]);
    it.apply(put("e", "v"));
    expectRefused(
      it,
      compact(4),
      Refusal.COMPACTED,
      "revision 4 is given up already: the oldest one is 5",
      5n,
    );
    doneOf(it.apply(compact(5)));
    expect(floors()).toEqual([5, 5]);
    doneOf(it.apply(compact(6)));
    expect(floors()).toEqual([6, 7]);
    it.apply(truncateCommand(ANYONE));
    expect(floors()).toEqual([7, 7]);
  });

  test("a repeated request is answered alike", () => {
    it.apply(openSessionCommand(ANYONE, 1000));
    const first = it.apply(compactCommand(request(1, 1), 2));
    it.apply(compact(4));
    expect(it.apply(compactCommand(request(1, 1), 2))).toEqual(first);
    expect(refusedOf(it.apply(compactCommand(request(1, 2), 2))).oldestRevision).toBe(4n);
  });
});

describe("Compact in all namespaces", () => {
  test("raises the floor of each, of those made later too", () => {
    it.apply(createNamespaceCommand(ANYONE, "orders"));
    it.apply(put("e", "v"));
    doneOf(it.apply(compactAll(5)));
    it.apply(createNamespaceCommand(ANYONE, "later"));
    for (const name of ["", "orders", "later"]) expect([name, floors(name)]).toEqual([name, [5, 6]]);
    expect(it.machine.meta.compactedRevision).toBe(5);
    it.restart();
    expect(it.machine.meta.compactedRevision).toBe(5);
  });

  test.each([
    { revision: 1, compacted: 2, why: "never falls" },
    { revision: 3, compacted: 3, why: "rises" },
    { revision: 9, compacted: 4, why: "stops at the last revision" },
  ])("is never refused: $revision after 2 $why", ({ revision, compacted }) => {
    it.apply(compactAll(2));
    const answer = it.apply(compactAll(revision));
    expect([answer.result?.$case, answer.revision]).toEqual(["done", 4n]);
    expect(it.machine.meta.compactedRevision).toBe(compacted);
  });

  test("stands under what a namespace gave up itself", () => {
    it.apply(compact(3));
    it.apply(compactAll(2));
    expect(floors()).toEqual([3, 4]);
    it.apply(compactAll(4));
    expect(floors()).toEqual([4, 5]);
    expectRefused(
      it,
      compact(3),
      Refusal.COMPACTED,
      "revision 3 is given up already: the oldest one is 4",
      4n,
    );
    doneOf(it.apply(compact(4)));
    expect(it.machine.namespace("")?.oldestRevision).toBe(3);
  });

  test("needs no namespace to be there", () => {
    doneOf(it.apply(within("nowhere", compactAll(2))));
    expect(it.machine.meta.compactedRevision).toBe(2);
  });
});
