import { beforeEach, describe, expect, test } from "@jest/globals";
import {
  type Command,
  createNamespaceCommand,
  encodeCommand,
  INITIAL_STATE,
  Refusal,
  setQuotaCommand,
} from "@quorate/services/kv";
import { ANYONE, Harness } from "./harness";
import { append, doneOf, expectRefused, increment, put, remove } from "./samples";

let it: Harness;

beforeEach(() => {
  it = new Harness();
});

const within = (namespace: string, command: Command): Command => ({ ...command, namespace });

describe("the quota of a namespace", () => {
  const quota = (keysMax: number | null, bytesMax: number | null): Command =>
    setQuotaCommand(ANYONE, "default", { keysMax, bytesMax });

  beforeEach(() => {
    for (const key of ["a", "b"]) it.apply(put(key, "12345"));
  });

  test("is set at creation, and changed and lifted later, with no revision", () => {
    it.apply(createNamespaceCommand(ANYONE, "orders", { keysMax: 5, bytesMax: 600 }));
    expect(it.machine.namespace("orders")).toMatchObject({ keysMax: 5, bytesMax: 600 });
    const answer = it.apply(setQuotaCommand(ANYONE, "orders", { keysMax: null, bytesMax: 7 }));
    expect([doneOf(answer).deleted, answer.revision]).toEqual([0n, 2n]);
    it.restart();
    expect(it.machine.namespace("orders")).toMatchObject({ keysMax: null, bytesMax: 7 });
    it.apply(setQuotaCommand(ANYONE, "orders", { keysMax: null, bytesMax: null }));
    expect(it.machine.namespace("orders")).toMatchObject({ keysMax: null, bytesMax: null });
  });

  test.each([
    { what: "a key more", command: put("c", ""), quotas: [2, null], message: "3 keys, its quota is 2" },
    {
      what: "a key by increment",
      command: increment("c", 1n),
      quotas: [2, null],
      message: "3 keys, its quota is 2",
    },
    {
      what: "a longer value",
      command: put("a", "123456"),
      quotas: [null, 12],
      message: "13 bytes, its quota is 12",
    },
    {
      what: "an append",
      command: append("a", "6"),
      quotas: [null, 12],
      message: "13 bytes, its quota is 12",
    },
    {
      what: "a key's own bytes",
      command: put("cc", ""),
      quotas: [9, 13],
      message: "14 bytes, its quota is 13",
    },
  ] as const)("refuses $what beyond it", ({ command, quotas: [keysMax, bytesMax], message }) => {
    it.apply(quota(keysMax, bytesMax));
    expectRefused(it, command, Refusal.QUOTA_EXCEEDED, `namespace "default" would hold ${message}`);
  });

  test("takes what is exactly at it", () => {
    it.apply(quota(3, 20));
    doneOf(it.apply(put("c", "1234567")));
    expect(it.machine.namespace("")).toMatchObject({ keyCount: 3, byteCount: 20 });
  });

  test("that is set below what is there lets nothing grow, and anything else", () => {
    it.apply(quota(1, 5));
    expectRefused(
      it,
      put("c", ""),
      Refusal.QUOTA_EXCEEDED,
      'namespace "default" would hold 3 keys, its quota is 1',
    );
    expect(it.apply(put("a", "123456")).result?.$case).toBe("refused");
    for (const command of [put("a", "54321"), put("a", "5"), remove("b")]) doneOf(it.apply(command));
    expect(it.machine.namespace("")).toMatchObject({ keyCount: 1, byteCount: 2 });
  });

  test("is of one namespace alone", () => {
    it.apply(createNamespaceCommand(ANYONE, "orders"));
    it.apply(quota(2, null));
    doneOf(it.apply(within("orders", put("c", "1"))));
    doneOf(it.apply(within("orders", put("d", "1"))));
    doneOf(it.apply(within("orders", put("e", "1"))));
  });

  test("counts what earlier commands of the batch did", () => {
    it.apply(quota(3, null));
    const commands = [put("c", "1"), put("d", "1"), remove("a"), put("d", "1")];
    const answers = it.applyEntries(commands.map(encodeCommand), []);
    expect(answers.map(({ result }) => result?.$case)).toEqual(["done", "refused", "done", "done"]);
  });

  test("of a namespace that there is not, or below 0, is refused", () => {
    expectRefused(
      it,
      setQuotaCommand(ANYONE, "nowhere", { keysMax: 1, bytesMax: 1 }),
      Refusal.UNKNOWN_NAMESPACE,
      'there is no namespace "nowhere"',
    );
    expectRefused(
      it,
      quota(-1, null),
      Refusal.UNKNOWN_COMMAND,
      "keys_max is -1, not in 0 to 9007199254740991",
    );
    expectRefused(
      it,
      quota(null, -1),
      Refusal.UNKNOWN_COMMAND,
      "bytes_max is -1, not in 0 to 9007199254740991",
    );
    expect(it.machine.resident().namespaces[0]).toMatchObject({
      ...INITIAL_STATE.namespaces[0],
      keyCount: 2,
      byteCount: 12,
    });
  });
});
