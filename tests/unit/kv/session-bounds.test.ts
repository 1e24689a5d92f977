import { describe, expect, test } from "@jest/globals";
import {
  type Answer,
  type Command,
  checkedCommand,
  closeSessionCommand,
  INITIAL_STATE,
  incrementCommand,
  openSessionCommand,
  Refusal,
  type ResidentState,
  SESSION_ANSWER_OVERHEAD_BYTES,
  SESSIONS_ANSWER_BYTES_MAX,
  SESSIONS_MAX,
  type SessionState,
  StateMachine,
  tickCommand,
} from "@quorate/services/kv";
import { utf8Encode } from "@quorate/services/std";
import { ANYONE, request } from "./harness";
import { ModelStore } from "./model-store";
import { refusedOf } from "./samples";

const KEY = utf8Encode("k");
const MEBIBYTE = 1024 * 1024;
/** An answer that counts for a mebibyte; all tests share its bytes, as nothing writes to them. */
const LARGE = new Uint8Array(MEBIBYTE - SESSION_ANSWER_OVERHEAD_BYTES);
const BOUND = SESSIONS_ANSWER_BYTES_MAX / MEBIBYTE;

function session(clientId: number, deadlineMs: number | null, ttlMs = 1000): SessionState {
  return { clientId, namespaceId: 1, ttlMs, deadlineMs, firstUnanswered: 1 };
}

/** Each session with as many mebibytes of answers as are said. */
function state(
  sessions: readonly { readonly session: SessionState; readonly mebibytes: number }[],
): ResidentState {
  return {
    ...INITIAL_STATE,
    meta: { ...INITIAL_STATE.meta, timeMs: 500, nextClientId: SESSIONS_MAX + 1 },
    sessions: sessions.map((kept) => kept.session),
    answers: sessions.flatMap(({ session: { clientId }, mebibytes }) =>
      Array.from({ length: mebibytes }, (_, at) => ({ clientId, sequence: at + 1, answer: LARGE })),
    ),
  };
}

function write(clientId: number, sequence: number): Command {
  return incrementCommand(request(clientId, sequence), KEY, 1n);
}

function apply(machine: StateMachine, command: Command): Answer {
  const store = new ModelStore();
  return machine.apply([checkedCommand(command)], store.read([machine.reads(checkedCommand(command))]))
    .answers[0]!;
}

const clientIds = (machine: StateMachine) => machine.resident().sessions.map(({ clientId }) => clientId);

describe("the number of sessions", () => {
  test("has a bound: beyond it none is opened until one ends", () => {
    const sessions = Array.from({ length: SESSIONS_MAX }, (_, at) => session(at + 1, null));
    const machine = new StateMachine(state(sessions.map((kept) => ({ session: kept, mebibytes: 0 }))));
    expect(refusedOf(apply(machine, openSessionCommand(ANYONE, 1000)))).toEqual({
      refusal: Refusal.TOO_MANY_SESSIONS,
      message: "there are 100000 sessions, the limit of a cluster is 100000",
      oldestRevision: 0n,
    });
    apply(machine, closeSessionCommand(ANYONE, 7n));
    const { result } = apply(machine, openSessionCommand(ANYONE, 1000));
    expect(result).toMatchObject({ $case: "done", value: { clientId: BigInt(SESSIONS_MAX + 1) } });
  });
});

describe("the bytes of all kept answers", () => {
  test("below the bound no session gives way", () => {
    const machine = new StateMachine(
      state([
        { session: session(1, 1000), mebibytes: BOUND - 1 },
        { session: session(2, null), mebibytes: 0 },
      ]),
    );
    expect(apply(machine, write(2, 1)).result?.$case).toBe("done");
    expect(clientIds(machine)).toEqual([1, 2]);
  });

  test("at the bound idle sessions end, least recently used first, until there is room for an eighth of it", () => {
    const machine = new StateMachine(
      state([
        // Used at 300, 200, 200 and 100: a deadline is the time of the use and the time to live.
        { session: session(1, 1300), mebibytes: BOUND / 2 },
        { session: session(2, 700, 500), mebibytes: BOUND / 16 },
        { session: session(3, 1200), mebibytes: BOUND / 4 },
        { session: session(4, 100_100, 100_000), mebibytes: BOUND / 16 },
        { session: session(5, 600, 600), mebibytes: 0 },
        { session: session(6, null), mebibytes: BOUND / 8 },
      ]),
    );
    const command = write(6, 1000);
    const { answers, writes } = machine.apply(
      [checkedCommand(command)],
      new ModelStore().read([machine.reads(checkedCommand(command))]),
    );
    expect(answers[0]?.result?.$case).toBe("done");
    expect(writes.sessionsEnded).toEqual([4, 2]);
    // One that keeps nothing has nothing to give.
    expect(clientIds(machine)).toEqual([1, 3, 5, 6]);
    expect(refusedOf(apply(machine, write(4, 1))).refusal).toBe(Refusal.SESSION_EXPIRED);
  });

  test("a session that is used again, if only by a retry, is idle no longer", () => {
    const machine = new StateMachine(
      state([
        { session: session(1, 1100), mebibytes: BOUND / 2 },
        { session: session(2, 1200), mebibytes: BOUND / 2 },
        { session: session(3, null), mebibytes: 0 },
      ]),
    );
    machine.apply([checkedCommand(write(1, 1))], new ModelStore().read([]));
    expect(apply(machine, write(3, 1)).result?.$case).toBe("done");
    expect(clientIds(machine)).toEqual([1, 3]);
  });

  const allInUse = () =>
    new StateMachine(
      state([
        { session: session(1, null), mebibytes: BOUND / 2 },
        { session: session(2, null), mebibytes: BOUND / 2 },
        { session: session(3, null), mebibytes: 0 },
      ]),
    );

  test("where none is idle a write is refused, and may be sent again", () => {
    const machine = allInUse();
    expect(refusedOf(apply(machine, write(3, 1)))).toMatchObject({
      refusal: Refusal.SESSION_WINDOW_FULL,
      message: "all sessions together keep 268435456 bytes of answers or more, and none is idle",
    });
    expect(clientIds(machine)).toEqual([1, 2, 3]);
    apply(machine, tickCommand(1, 0));
    expect(apply(machine, write(3, 1)).result?.$case).toBe("done");
    expect(clientIds(machine)).toEqual([2, 3]);
  });

  test("a client that says which answers it has makes room", () => {
    const machine = allInUse();
    const command = incrementCommand(request(1, 1000, 120), KEY, 1n);
    expect(apply(machine, command).result?.$case).toBe("done");
    expect(apply(machine, write(3, 1)).result?.$case).toBe("done");
    expect(clientIds(machine)).toEqual([1, 2, 3]);
  });

  test("a short answer counts for what holds it as well, and alike in a machine that loads it", () => {
    const large = state([
      { session: session(1, 1100), mebibytes: BOUND - 1 },
      { session: session(2, null), mebibytes: 0 },
      ...[3, 4, 5, 6].map((clientId) => ({ session: session(clientId, null), mebibytes: 0 })),
    ]);
    const short = [3, 4, 5, 6].flatMap((clientId) =>
      Array.from({ length: 1024 }, (_, at) => ({ clientId, sequence: at + 1, answer: KEY })),
    );
    const machine = new StateMachine({ ...large, answers: [...large.answers, ...short] });
    const loaded = new StateMachine(machine.resident());
    for (const each of [machine, loaded]) {
      expect(apply(each, write(2, 1)).result?.$case).toBe("done");
      expect(clientIds(each)).toEqual([2, 3, 4, 5, 6]);
    }
    expect(loaded.resident()).toEqual(machine.resident());
  });
});
