import { beforeEach, describe, expect, test } from "@jest/globals";
import {
  type Answer,
  appendCommand,
  type Command,
  type CommandSource,
  checkedCommand,
  closeSessionCommand,
  encodeAnswer,
  encodeCommand,
  INITIAL_STATE,
  incrementCommand,
  openSessionCommand,
  putCommand,
  Refusal,
  SESSION_ANSWER_BYTES_MAX,
  SESSION_WINDOW_MAX,
  StateMachine,
  tickCommand,
} from "@quorate/services/kv";
import { AssertionError, hexEncode, utf8Encode } from "@quorate/services/std";
import { ANYONE, Harness, request } from "./harness";

const TTL_MS = 1000;
const KEY = utf8Encode("k");

let it: Harness;

beforeEach(() => {
  it = new Harness();
  expect(open()).toBe(1n);
});

function open(): bigint | null {
  const { result } = it.apply(openSessionCommand(ANYONE, TTL_MS));
  return result?.$case === "done" ? result.value.clientId : null;
}

function increment(source: CommandSource): Command {
  return incrementCommand(source, KEY, 1n);
}

function refusalOf(answer: Answer): Refusal | null {
  return answer.result?.$case === "refused" ? answer.result.value.refusal : null;
}

function messageOf(answer: Answer): string | null {
  return answer.result?.$case === "refused" ? answer.result.value.message : null;
}

function tick(elapsedMs: number): void {
  it.apply(tickCommand(elapsedMs, 0));
}

const keptSequences = () => it.machine.resident().answers.map(({ sequence }) => sequence);
const session = () => it.machine.resident().sessions[0];

describe("what is kept", () => {
  test("is told by client and sequence, whatever order the writes came in", () => {
    expect(open()).toBe(2n);
    for (const sequence of [7, 2, 5]) it.apply(increment(request(2, sequence)));
    for (const sequence of [1, 2, 9, 3]) it.apply(increment(request(1, sequence)));
    expect(it.machine.resident().answers.map(({ clientId, sequence }) => [clientId, sequence])).toEqual([
      ...[1, 2, 3, 9].map((sequence) => [1, sequence]),
      ...[2, 5, 7].map((sequence) => [2, sequence]),
    ]);
    expect(it.machine.resident()).toEqual(it.store.resident());
  });
});

describe("a request id", () => {
  test("C10: a write that is sent again is applied once, and answered alike byte for byte", () => {
    const first = it.apply(increment(request(1, 1)));
    it.apply(increment(ANYONE));
    const again = it.apply(increment(request(1, 1)));
    expect(hexEncode(encodeAnswer(again))).toBe(hexEncode(encodeAnswer(first)));
    expect(it.value("k")).toBe("2");
  });

  test("C10: a machine that is loaded from its store answers a retry as before", () => {
    const first = it.apply(increment(request(1, 1)));
    it.restart();
    expect(it.machine.reads(checkedCommand(increment(request(1, 1))))).toEqual({
      keys: [],
      ranges: [],
      startsBatch: false,
      endsBatch: false,
    });
    expect(it.apply(increment(request(1, 1)))).toEqual(first);
    expect(it.value("k")).toBe("1");
  });

  test("C10: a retry in the same batch is applied once", () => {
    const entry = encodeCommand(increment(request(1, 1)));
    const [first, again] = it.applyEntries([entry, entry], []);
    expect(again).toEqual(first);
    expect(it.value("k")).toBe("1");
  });

  test("C10: a refused write is refused alike when it is sent again, even if it would succeed now", () => {
    const put = (source: CommandSource, expectedModRevision: bigint): Command =>
      putCommand(source, { key: KEY, value: KEY, leaseId: 0n, returnPrevious: false, expectedModRevision });
    const first = it.apply(put(request(1, 1), 5n));
    expect(refusalOf(first)).toBe(Refusal.CONDITION_FAILED);
    it.apply(
      putCommand(ANYONE, {
        key: KEY,
        value: KEY,
        leaseId: 0n,
        returnPrevious: false,
        expectedModRevision: null,
      }),
    );
    expect(it.apply(put(request(1, 1), 0n))).toEqual(first);
    expect(keptSequences()).toEqual([1]);
  });

  test("a write without one is applied once per arrival", () => {
    it.apply(increment(ANYONE));
    it.apply(increment(ANYONE));
    expect(it.value("k")).toBe("2");
  });

  test("one of another session is another write", () => {
    open();
    it.apply(increment(request(1, 1)));
    it.apply(increment(request(2, 1)));
    expect(it.value("k")).toBe("2");
  });

  test.each([2, 99])("with the unknown client id %d is refused, and opens nothing", (clientId) => {
    const before = it.machine.resident();
    const answer = it.apply(increment(request(clientId, 1)));
    expect(refusalOf(answer)).toBe(Refusal.SESSION_EXPIRED);
    expect(messageOf(answer)).toBe(`there is no session with client_id ${clientId}`);
    expect(it.machine.resident()).toEqual(before);
    expect(it.value("k")).toBeNull();
  });

  test("of a session in another namespace is refused, does not renew it and cannot end it", () => {
    const state = {
      ...INITIAL_STATE,
      meta: { ...INITIAL_STATE.meta, nextClientId: 2, nextNamespaceId: 3 },
      namespaces: [...INITIAL_STATE.namespaces, { ...INITIAL_STATE.namespaces[0]!, id: 2, name: "other" }],
      sessions: [{ clientId: 1, namespaceId: 2, ttlMs: TTL_MS, deadlineMs: 500, firstUnanswered: 1 }],
    };
    const machine = new StateMachine(state);
    const command = increment(request(1, 1));
    expect(machine.reads(checkedCommand(command))).toEqual({
      keys: [],
      ranges: [],
      startsBatch: false,
      endsBatch: false,
    });
    const { answers, writes } = machine.apply([checkedCommand(command)], it.store.read([]));
    expect(messageOf(answers[0] as Answer)).toBe("client_id 1 is of another namespace");
    expect(refusalOf(answers[0] as Answer)).toBe(Refusal.SESSION_EXPIRED);
    expect(machine.resident()).toEqual(state);
    expect(writes).toMatchObject({ sessions: [], namespaces: [], changes: [] });
    machine.apply([checkedCommand(closeSessionCommand(ANYONE, 1n))], it.store.read([]));
    expect(machine.sessionCount).toBe(1);
  });

  test("of a command that is about a session, time or a store is not looked at", () => {
    const answer = it.apply(openSessionCommand(request(77, 1), TTL_MS));
    expect(answer.result).toMatchObject({ $case: "done", value: { clientId: 2n, ttlMs: BigInt(TTL_MS) } });
  });
});

describe("the window", () => {
  test("takes sequences in any order", () => {
    for (const sequence of [3, 1, 1024, 2])
      expect(refusalOf(it.apply(increment(request(1, sequence))))).toBeNull();
    expect(it.value("k")).toBe("4");
    expect(keptSequences()).toEqual([1, 2, 3, 1024]);
  });

  test("drops the answers that the client has, and refuses their requests from then on", () => {
    for (const sequence of [1, 2, 3]) it.apply(increment(request(1, sequence)));
    it.apply(increment(request(1, 4, 3)));
    expect(keptSequences()).toEqual([3, 4]);
    const answer = it.apply(increment(request(1, 2)));
    expect(refusalOf(answer)).toBe(Refusal.ANSWER_DROPPED);
    expect(messageOf(answer)).toBe("the answer to sequence 2 was dropped: first_unanswered is 3");
    expect(it.value("k")).toBe("4");
  });

  test("refuses a sequence below it that was never sent", () => {
    it.apply(increment(request(1, 5, 5)));
    expect(refusalOf(it.apply(increment(request(1, 4))))).toBe(Refusal.ANSWER_DROPPED);
  });

  test("never falls: an older first_unanswered that comes late is of no effect", () => {
    it.apply(increment(request(1, 5, 5)));
    it.apply(increment(request(1, 6, 2)));
    expect(session()?.firstUnanswered).toBe(5);
  });

  test("0 for first_unanswered says the same as 1", () => {
    expect(refusalOf(it.apply(increment(request(1, 1, 0))))).toBeNull();
    expect(session()?.firstUnanswered).toBe(1);
  });

  test("is full from first_unanswered + 1,024 on; what is refused is not kept and can be sent again", () => {
    it.apply(increment(request(1, SESSION_WINDOW_MAX)));
    const answer = it.apply(increment(request(1, SESSION_WINDOW_MAX + 1)));
    expect(refusalOf(answer)).toBe(Refusal.SESSION_WINDOW_FULL);
    expect(messageOf(answer)).toBe("sequence 1025 is not below first_unanswered 1 + 1024");
    expect(it.value("k")).toBe("1");
    it.apply(increment(request(1, 1)));
    expect(refusalOf(it.apply(increment(request(1, SESSION_WINDOW_MAX + 1, 2))))).toBeNull();
    expect(keptSequences()).toEqual([SESSION_WINDOW_MAX, SESSION_WINDOW_MAX + 1]);
  });

  test("holds 1,024 answers, and a jump drops them all", () => {
    for (let sequence = 1; sequence <= SESSION_WINDOW_MAX; sequence += 1)
      it.apply(increment(request(1, sequence)));
    expect(keptSequences()).toHaveLength(SESSION_WINDOW_MAX);
    it.apply(increment(request(1, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)));
    expect(keptSequences()).toEqual([Number.MAX_SAFE_INTEGER]);
    expect(it.store.resident()).toEqual(it.machine.resident());
  });

  test("is full as well when the kept answers take too many bytes, until the client has some", () => {
    const valueBytes = 1024 * 1024;
    const append = (sequence: number, firstUnanswered: number): Command =>
      appendCommand(request(1, sequence, firstUnanswered), {
        key: utf8Encode(String(sequence)),
        value: new Uint8Array(valueBytes),
        atStart: false,
        valueBytesMax: valueBytes,
      });
    const fitting = SESSION_ANSWER_BYTES_MAX / valueBytes;
    for (let sequence = 1; sequence <= fitting; sequence += 1) {
      expect(refusalOf(it.apply(append(sequence, 1)))).toBeNull();
    }
    const answer = it.apply(append(fitting + 1, 1));
    expect(refusalOf(answer)).toBe(Refusal.SESSION_WINDOW_FULL);
    expect(messageOf(answer)).toContain("the session keeps 33554432 bytes of answers or more");
    it.restart();
    expect(refusalOf(it.apply(append(fitting + 1, 1)))).toBe(Refusal.SESSION_WINDOW_FULL);
    expect(refusalOf(it.apply(append(fitting + 1, 2)))).toBeNull();
  });

  test("a retry changes nothing but the deadline, whatever first_unanswered it carries", () => {
    for (const sequence of [1, 2, 3]) it.apply(increment(request(1, sequence)));
    tick(0);
    const before = it.machine.resident();
    it.apply(increment(request(1, 3, 3)));
    const renewed = before.sessions.map((state) => ({ ...state, deadlineMs: null }));
    expect(it.machine.resident()).toEqual({ ...before, sessions: renewed });
  });
});

describe("the life of a session", () => {
  test("client ids rise and are never used again", () => {
    it.apply(closeSessionCommand(ANYONE, 1n));
    expect(open()).toBe(2n);
    it.restart();
    it.apply(closeSessionCommand(ANYONE, 2n));
    expect(open()).toBe(3n);
    expect(it.machine.sessionCount).toBe(1);
  });

  test("its deadline is counted from the Tick after it was opened or used", () => {
    expect(session()?.deadlineMs).toBeNull();
    tick(300);
    expect(session()?.deadlineMs).toBe(300 + TTL_MS);
    tick(200);
    expect(session()?.deadlineMs).toBe(300 + TTL_MS);
    it.apply(increment(request(1, 1)));
    expect(session()?.deadlineMs).toBeNull();
    tick(TTL_MS * 10);
    expect(session()?.deadlineMs).toBe(500 + TTL_MS * 11);
  });

  test("it ends at the Tick that reaches its deadline, with its answers, and not before", () => {
    it.apply(increment(request(1, 1)));
    tick(0);
    tick(TTL_MS - 1);
    expect(it.machine.sessionCount).toBe(1);
    tick(1);
    expect(it.machine.sessionCount).toBe(0);
    expect(it.machine.resident()).toMatchObject({ sessions: [], answers: [] });
    expect(it.store.resident()).toEqual(it.machine.resident());
    expect(refusalOf(it.apply(increment(request(1, 1))))).toBe(Refusal.SESSION_EXPIRED);
    expect(it.value("k")).toBe("1");
  });

  test.each([
    { use: "a write", source: request(1, 2) },
    { use: "a retry", source: request(1, 1) },
  ])("$use renews it", ({ source }) => {
    it.apply(increment(request(1, 1)));
    tick(0);
    tick(TTL_MS - 1);
    it.apply(increment(source));
    tick(TTL_MS);
    tick(TTL_MS - 1);
    expect(it.machine.sessionCount).toBe(1);
    tick(1);
    expect(it.machine.sessionCount).toBe(0);
  });

  test("several that end at one Tick end in the order of their ids", () => {
    open();
    open();
    tick(0);
    it.apply(increment(request(2, 1)));
    const { writes } = it.machine.apply([checkedCommand(tickCommand(TTL_MS, 0))], it.store.read([]));
    expect(writes.sessionsEnded).toEqual([1, 3]);
    expect(writes.sessions.map(({ clientId }) => clientId)).toEqual([2]);
  });

  test("closing ends it with its answers; an unknown one is no error", () => {
    it.apply(increment(request(1, 1)));
    expect(it.apply(closeSessionCommand(ANYONE, 1n)).result?.$case).toBe("done");
    expect(it.machine.resident()).toMatchObject({ sessions: [], answers: [] });
    expect(it.apply(closeSessionCommand(ANYONE, 1n)).result?.$case).toBe("done");
    expect(it.apply(closeSessionCommand(ANYONE, -5n)).result?.$case).toBe("done");
    expect(it.apply(closeSessionCommand(ANYONE, 2n ** 63n - 1n)).result?.$case).toBe("done");
  });

  test("one that is opened, used and ended within a batch leaves nothing to write but its id", () => {
    const commands = [
      openSessionCommand(ANYONE, TTL_MS),
      increment(request(2, 1)),
      closeSessionCommand(ANYONE, 2n),
    ];
    expect(it.machine.reads(checkedCommand(commands[1] as Command)).keys).toHaveLength(1);
    const entries = commands.map((command) => encodeCommand(command));
    expect(it.applyEntries(entries, []).map(refusalOf)).toEqual([null, null, null]);
    expect(it.value("k")).toBe("1");
    expect(it.machine.meta.nextClientId).toBe(3);
    expect(it.store.resident()).toEqual(it.machine.resident());
  });
});

describe("a resident state that contradicts itself is not loaded", () => {
  const state = { clientId: 1, namespaceId: 1, ttlMs: TTL_MS, deadlineMs: null, firstUnanswered: 3 };
  const answer = utf8Encode("");

  test.each([
    { what: "a session twice", sessions: [state, state], answers: [] },
    { what: "an answer of no session", sessions: [], answers: [{ clientId: 1, sequence: 3, answer }] },
    {
      what: "an answer below the window",
      sessions: [state],
      answers: [{ clientId: 1, sequence: 2, answer }],
    },
    {
      what: "an answer beyond the window",
      sessions: [state],
      answers: [{ clientId: 1, sequence: 1027, answer }],
    },
    {
      what: "two answers to a sequence",
      sessions: [state],
      answers: [
        { clientId: 1, sequence: 3, answer },
        { clientId: 1, sequence: 3, answer },
      ],
    },
  ])("$what", ({ sessions, answers }) => {
    expect(() => new StateMachine({ ...INITIAL_STATE, sessions, answers })).toThrow(AssertionError);
  });
});
