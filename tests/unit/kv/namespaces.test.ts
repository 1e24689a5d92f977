import { beforeEach, describe, expect, test } from "@jest/globals";
import {
  type Command,
  checkedCommand,
  createNamespaceCommand,
  deleteNamespaceCommand,
  deleteRangeCommand,
  encodeCommand,
  grantLeaseCommand,
  NAMESPACES_MAX,
  openSessionCommand,
  Refusal,
  setQuotaCommand,
  tickCommand,
} from "@quorate/services/kv";
import { utf8Decode, utf8Encode } from "@quorate/services/std";
import { ANYONE, Harness, request } from "./harness";
import { doneOf, expectRefused, put, refusedOf, removeRange } from "./samples";

let it: Harness;

beforeEach(() => {
  it = new Harness();
});

const create = (name: string): Command => createNamespaceCommand(ANYONE, name);
const drop = (name: string): Command => deleteNamespaceCommand(ANYONE, name);
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

describe("DeleteNamespace", () => {
  const BEFORE = [create("orders"), put("k", "here"), within("orders", put("k", "there"))];

  beforeEach(() => {
    for (const command of BEFORE) doneOf(it.apply(command));
  });

  test("A23: drops a namespace with its contents, as one change and one revision, and nothing of another", () => {
    it.apply(within("orders", put("l", "there")));
    const answer = it.apply(drop("orders"));
    expect([answer.revision, doneOf(answer).deleted]).toEqual([4n, 2n]);
    expect(it.machine.resident().namespaces.map(({ name }) => name)).toEqual(["default"]);
    expect(it.store.changes.filter(({ revision }) => revision > 3)).toEqual([
      {
        kind: "truncate",
        namespaceId: 2,
        generation: 1,
        revision: 4,
        ordinal: 0,
        origin: { cause: "namespace_deleted", wallTimeMs: ANYONE.wallTimeMs, requestId: null },
      },
    ]);
    expect(contents(1)).toEqual(["k=here"]);
    expectRefused(
      it,
      within("orders", put("k", "v")),
      Refusal.UNKNOWN_NAMESPACE,
      'there is no namespace "orders"',
    );
    expect(it.store.resident()).toEqual(it.machine.resident());
  });

  test("of one without keys makes no revision", () => {
    it.apply(create("empty"));
    const answer = it.apply(drop("empty"));
    expect([answer.revision, doneOf(answer).deleted]).toEqual([2n, 0n]);
    expect(it.store.resident()).toEqual(it.machine.resident());
  });

  test("tells the store which generation its keys are in", () => {
    const { writes } = it.machine.apply([checkedCommand(drop("orders"))], it.store.read([]));
    expect(writes).toMatchObject({ namespacesDeleted: [{ id: 2, generation: 1 }], namespaces: [] });
  });

  test("A23: one of the same name made later is another: it is empty, with an id of its own", () => {
    it.apply(drop("orders"));
    expect(doneOf(it.apply(create("orders"))).namespaceId).toBe(3n);
    expect(it.machine.namespace("orders")).toEqual({
      id: 3,
      name: "orders",
      generation: 1,
      keyCount: 0,
      byteCount: 0,
      oldestRevision: 3,
      firstEventRevision: 4,
      keysMax: null,
      bytesMax: null,
    });
    expect(contents(3)).toEqual([]);
  });

  test("ends its sessions and leases, and no others", () => {
    for (const namespace of ["orders", "default"]) {
      it.apply(within(namespace, openSessionCommand(ANYONE, 1000)));
      it.apply(within(namespace, grantLeaseCommand(ANYONE, 1000)));
    }
    it.apply(within("orders", put("l", "v", { leaseId: 1n })));
    it.apply(put("l", "v", { leaseId: 2n }));
    it.apply(within("orders", setQuotaCommand(request(1, 1), "orders", { keysMax: 9, bytesMax: null })));
    it.apply(drop("orders"));
    const { sessions, answers, leases, leaseKeys } = it.machine.resident();
    expect(sessions.map(({ clientId }) => clientId)).toEqual([2]);
    expect(answers).toEqual([]);
    expect(leases.map(({ leaseId }) => leaseId)).toEqual([2]);
    expect(leaseKeys.map(({ leaseId }) => leaseId)).toEqual([2]);
    expect(it.store.resident()).toEqual(it.machine.resident());
    it.apply(tickCommand(0, 0));
    it.apply(tickCommand(1000, 0));
    expect(contents(1)).toEqual(["k=here"]);
  });

  test("under a session of the very namespace ends that session, so a repeated request finds neither", () => {
    it.apply(within("orders", openSessionCommand(ANYONE, 1000)));
    const command = within("orders", deleteNamespaceCommand(request(1, 1), "orders"));
    expect(doneOf(it.apply(command)).deleted).toBe(1n);
    expect(it.store.resident()).toEqual(it.machine.resident());
    expectRefused(it, command, Refusal.UNKNOWN_NAMESPACE, 'there is no namespace "orders"');
  });

  test("a repeated request under a session of default is answered alike, whatever there is by then", () => {
    it.apply(openSessionCommand(ANYONE, 1000));
    const first = it.apply(deleteNamespaceCommand(request(1, 1), "orders"));
    it.apply(create("orders"));
    expect(it.apply(deleteNamespaceCommand(request(1, 1), "orders"))).toEqual(first);
    expect(it.machine.namespace("orders")?.id).toBe(3);
  });

  test("the default one is always there", () => {
    expectRefused(it, drop("default"), Refusal.PERMANENT_NAMESPACE, 'namespace "default" is always there');
  });

  test("one that there is not is refused", () => {
    expectRefused(it, drop("nowhere"), Refusal.UNKNOWN_NAMESPACE, 'there is no namespace "nowhere"');
    const message = "name must be 1 to 64 of the characters A-Z, a-z, 0-9, dot, underscore and hyphen";
    expectRefused(it, drop(""), Refusal.UNKNOWN_COMMAND, message);
  });

  test("within one batch may come before and after all else, as one by one", () => {
    const commands = [
      within("orders", put("l", "1")),
      drop("orders"),
      within("orders", put("lost", "1")),
      create("orders"),
      within("orders", put("m", "1")),
      within("orders", put("k", "new", { expected: 0n })),
      create("brief"),
      within("brief", grantLeaseCommand(ANYONE, 1000)),
      within("brief", put("x", "1", { leaseId: 1n })),
      drop("brief"),
      within("orders", removeRange("m", null)),
      create("brief"),
    ];
    const single = new Harness();
    single.applyEntries(BEFORE.map(encodeCommand), [1]);
    single.applyEntries(commands.map(encodeCommand), [1]);
    it.applyEntries(commands.map(encodeCommand), []);
    expect(it.store.resident()).toEqual(single.store.resident());
    expect(it.store.changes).toEqual(single.store.changes);
    expect(contents(3)).toEqual(["k=new"]);
    expect(it.machine.namespace("brief")?.id).toBe(5);
    expect(it.machine.leaseCount).toBe(0);
  });
});
