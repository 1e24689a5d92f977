import { beforeEach, describe, expect, test } from "@jest/globals";
import {
  type Command,
  createNamespaceCommand,
  deleteNamespaceCommand,
  deleteRangeCommand,
  encodeCommand,
  NAMESPACES_MAX,
  openSessionCommand,
  Refusal,
} from "@quorate/services/kv";
import { utf8Decode, utf8Encode } from "@quorate/services/std";
import { ANYONE, Harness, request } from "./harness";
import { doneOf, expectRefused, put, refusedOf } from "./samples";

let it: Harness;

beforeEach(() => {
  it = new Harness();
});

const create = (name: string): Command => createNamespaceCommand(ANYONE, name);
const within = (namespace: string, command: Command): Command => ({ ...command, namespace });

function contents(namespaceId: number): string[] {
  return it.store.contents(namespaceId).map(({ key, value }) => `${utf8Decode(key)}=${utf8Decode(value)}`);
}

describe("CreateNamespace", () => {
  test("A23: the same key in two namespaces names two records", () => {
    doneOf(it.apply(create("orders")));
    it.apply(put("k", "here"));
    it.apply(within("orders", put("k", "there")));
    expect(contents(1)).toEqual(["k=here"]);
    expect(contents(2)).toEqual(["k=there"]);
    expect(it.machine.namespace("orders")).toMatchObject({ id: 2, keyCount: 1, byteCount: 6 });
  });

  test("makes no revision, and gives an id that is never used again", () => {
    it.apply(put("k", "v"));
    const answers = ["a", "b"].map((name) => it.apply(create(name)));
    expect(answers.map((answer) => [answer.revision, doneOf(answer).namespaceId])).toEqual([
      [1n, 2n],
      [1n, 3n],
    ]);
    it.restart();
    expect(doneOf(it.apply(create("c"))).namespaceId).toBe(4n);
  });

  test("has nothing to say of the time before, when another may have had its name", () => {
    it.apply(create("orders"));
    it.apply(within("orders", put("k", "v")));
    it.apply(deleteNamespaceCommand(ANYONE, "orders"));
    it.apply(create("orders"));
    // Revision 1 put the key, revision 2 deleted the namespace: what asks for either is told that it is given up.
    expect(it.machine.namespace("orders")).toMatchObject({ id: 3, oldestRevision: 2, firstEventRevision: 3 });
  });

  test.each(["orders", "default"])("refuses a name that there is: %s", (name) => {
    it.apply(create("orders"));
    expectRefused(it, create(name), Refusal.NAMESPACE_EXISTS, `there is a namespace "${name}" already`);
  });

  test.each([[""], ["a b"], ["a/b"], ["ä"], ["a\n"], ["n".repeat(65)]])("refuses the name %j", (name) => {
    const message = "name must be 1 to 64 of the characters A-Z, a-z, 0-9, dot, underscore and hyphen";
    expectRefused(it, create(name), Refusal.UNKNOWN_COMMAND, message);
  });

  test("takes names up to the limit", () => {
    for (const name of ["A", "0", "a.b_c-d", "n".repeat(64)]) doneOf(it.apply(create(name)));
  });

  test("a repeated request is answered alike, and another one is told that the name is taken", () => {
    it.apply(openSessionCommand(ANYONE, 1000));
    const first = it.apply(createNamespaceCommand(request(1, 1), "orders"));
    expect(it.apply(createNamespaceCommand(request(1, 1), "orders"))).toEqual(first);
    const other = it.apply(createNamespaceCommand(request(1, 2), "orders"));
    expect(refusedOf(other).refusal).toBe(Refusal.NAMESPACE_EXISTS);
    expect(it.machine.resident().namespaces).toHaveLength(2);
  });

  test("a session of one namespace is none of another", () => {
    it.apply(create("orders"));
    it.apply(within("orders", openSessionCommand(ANYONE, 1000)));
    const answer = it.apply(createNamespaceCommand(request(1, 1), "more"));
    expect(refusedOf(answer).refusal).toBe(Refusal.SESSION_EXPIRED);
  });

  test("a batch that creates a namespace may fill it, count it and clear a range of it", () => {
    const clear = deleteRangeCommand(
      { ...ANYONE, namespace: "new" },
      { start: utf8Encode("b"), end: utf8Encode("d") },
      2,
    );
    const commands = [
      create("new"),
      ...["d", "b", "a", "c"].map((key) => within("new", put(key, "1"))),
      within("new", put("a", "2", { expected: 3n })),
      clear,
      within("new", put("e", "3")),
    ];
    const answers = it.applyEntries(commands.map(encodeCommand), []);
    expect(answers.map(({ result }) => result?.$case)).toEqual(commands.map(() => "done"));
    expect(doneOf(answers[6]!).deleted).toBe(2n);
    expect(contents(2)).toEqual(["a=2", "d=1", "e=3"]);
  });

  test("a range over its limit in a namespace that the batch created is refused whole", () => {
    const clear = deleteRangeCommand(
      { ...ANYONE, namespace: "new" },
      { start: utf8Encode("a"), end: null },
      1,
    );
    const commands = [create("new"), ...["a", "b"].map((key) => within("new", put(key, "1"))), clear];
    const answers = it.applyEntries(commands.map(encodeCommand), []);
    expect(refusedOf(answers[3]!).refusal).toBe(Refusal.TOO_LARGE);
    expect(contents(2)).toEqual(["a=1", "b=1"]);
  });

  test("there are no more than the limit", () => {
    const names = Array.from({ length: NAMESPACES_MAX - 1 }, (_, at) => `n${at}`);
    it.applyEntries(
      names.map((name) => encodeCommand(create(name))),
      [],
    );
    expectRefused(
      it,
      create("one-more"),
      Refusal.TOO_MANY_NAMESPACES,
      "there are 10000 namespaces, the limit of a cluster is 10000",
    );
  });
});
