import { beforeEach, describe, expect, test } from "@jest/globals";
import {
  type Answer,
  appendCommand,
  type Command,
  checkedCommand,
  closeSessionCommand,
  encodeCommand,
  openSessionCommand,
  Refusal,
  SESSION_WINDOW_MAX,
  tickCommand,
} from "@quorate/services/kv";
import { utf8Encode } from "@quorate/services/std";
import fc from "fast-check";
import { isLongRun } from "../../support/long-run";
import { ANYONE, Harness, request, requestBehind } from "./harness";

const TTL_MS = 1000;
const TAKEN = null;
const { OUT_OF_ORDER, ANSWER_DROPPED } = Refusal;

let it: Harness;

beforeEach(() => {
  it = harness();
});

function harness(): Harness {
  const made = new Harness();
  made.apply(openSessionCommand(ANYONE, TTL_MS));
  return made;
}

/** Adds its sequence to the value of "order", so that the value tells the order in which writes were carried out. */
function write(sequence: number, follows: number | null, firstUnanswered = 1): Command {
  const source =
    follows === null
      ? request(1, sequence, firstUnanswered)
      : requestBehind(sequence, follows, firstUnanswered);
  const value = utf8Encode(`${sequence} `);
  return appendCommand(source, { key: utf8Encode("order"), value, atStart: false, valueBytesMax: 1_000_000 });
}

function refusalOf({ result }: Answer): Refusal | null {
  return result?.$case === "refused" ? result.value.refusal : null;
}

function messageOf({ result }: Answer): string | null {
  return result?.$case === "refused" ? result.value.message : null;
}

function order(of = it): number[] {
  return (of.value("order") ?? "").split(" ").filter(Boolean).map(Number);
}

/** [sequence, follows, first_unanswered], and how it is answered: null where it is carried out. */
type Step = readonly [sequence: number, follows: number | null, firstUnanswered: number, Refusal | null];

const TABLE: readonly { readonly what: string; readonly steps: readonly Step[]; readonly order: number[] }[] =
  [
    {
      what: "writes that come in their order are carried out",
      steps: [
        [1, 0, 1, TAKEN],
        [2, 1, 1, TAKEN],
        [3, 2, 1, TAKEN],
      ],
      order: [1, 2, 3],
    },
    {
      what: "one that comes too early is refused, and may come again",
      steps: [
        [2, 1, 1, OUT_OF_ORDER],
        [1, 0, 1, TAKEN],
        [2, 1, 1, TAKEN],
      ],
      order: [1, 2],
    },
    {
      what: "a copy is answered from what is kept, whatever it says that it follows",
      steps: [
        [1, 0, 1, TAKEN],
        [2, 1, 1, TAKEN],
        [1, 0, 1, TAKEN],
        [2, 0, 1, TAKEN],
      ],
      order: [1, 2],
    },
    {
      what: "a write that its client gave up does not come behind a later one",
      steps: [
        [1, 0, 1, TAKEN],
        [3, 1, 1, TAKEN],
        [2, 1, 1, OUT_OF_ORDER],
        [2, null, 1, TAKEN],
      ],
      order: [1, 3, 2],
    },
    {
      what: "what follows a write that was given up waits for nobody once its client says so",
      steps: [
        [1, 0, 1, TAKEN],
        [3, 2, 1, OUT_OF_ORDER],
        [3, 1, 1, TAKEN],
        [5, 4, 1, OUT_OF_ORDER],
        [5, 4, 5, TAKEN],
        [4, 3, 4, ANSWER_DROPPED],
      ],
      order: [1, 3, 5],
    },
    {
      what: "whoever says nothing of the order is carried out in any",
      steps: [
        [3, null, 1, TAKEN],
        [1, null, 1, TAKEN],
        [2, null, 1, TAKEN],
      ],
      order: [3, 1, 2],
    },
    {
      what: "an answer to a write without an order counts like any other",
      steps: [
        [3, null, 1, TAKEN],
        [2, 0, 1, OUT_OF_ORDER],
        [4, 3, 1, TAKEN],
      ],
      order: [3, 4],
    },
    {
      what: "answers that were dropped have come",
      steps: [
        [1, 0, 1, TAKEN],
        [2, 1, 1, TAKEN],
        [3, 1, 3, TAKEN],
        [4, 2, 1, TAKEN],
      ],
      order: [1, 2, 3, 4],
    },
    {
      what: "a write may skip sequences that never were",
      steps: [
        [7, 0, 7, TAKEN],
        [900, 7, 7, TAKEN],
        [901, 0, 901, TAKEN],
      ],
      order: [7, 900, 901],
    },
  ];

describe("the order of a session's writes", () => {
  for (const isRestarted of [false, true]) {
    test.each(TABLE)(`$what${isRestarted ? ", after a restart too" : ""}`, ({ steps, order: expected }) => {
      for (const [sequence, follows, firstUnanswered, answer] of steps) {
        expect(refusalOf(it.apply(write(sequence, follows, firstUnanswered)))).toBe(answer);
        if (isRestarted) it.restart();
      }
      expect(order()).toEqual(expected);
    });
  }

  test("a refusal says what is missing, or what came first, and is not kept", () => {
    expect(messageOf(it.apply(write(2, 1)))).toBe("sequence 2 follows 1, which has no answer yet");
    it.apply(write(3, 0));
    expect(messageOf(it.apply(write(2, 1)))).toBe("sequence 2 comes behind 3, which has its answer");
    expect(it.machine.resident().answers.map(({ sequence }) => sequence)).toEqual([3]);
    expect(it.store.resident()).toEqual(it.machine.resident());
  });

  test("a refused write renews its session and drops what its client has", () => {
    it.apply(write(1, 0));
    it.apply(tickCommand(0, 0));
    expect(refusalOf(it.apply(write(4, 3, 2)))).toBe(OUT_OF_ORDER);
    expect(it.machine.resident()).toMatchObject({
      sessions: [{ deadlineMs: null, firstUnanswered: 2 }],
      answers: [],
    });
  });

  test("a refused operation has its answer, and is followed", () => {
    const tooLong = { key: utf8Encode("order"), value: utf8Encode("x"), atStart: false, valueBytesMax: 0 };
    expect(refusalOf(it.apply(appendCommand(requestBehind(1, 0), tooLong)))).toBe(Refusal.TOO_LARGE);
    expect(refusalOf(it.apply(write(2, 1)))).toBe(TAKEN);
  });

  test("the window is as it is without: 1,024", () => {
    expect(refusalOf(it.apply(write(SESSION_WINDOW_MAX + 1, 0)))).toBe(Refusal.SESSION_WINDOW_FULL);
    expect(refusalOf(it.apply(write(SESSION_WINDOW_MAX, 0)))).toBe(TAKEN);
  });

  test("within a batch each write finds the answers before it", () => {
    const entries = [write(1, 0), write(3, 2), write(2, 1), write(3, 2)].map(encodeCommand);
    expect(it.applyEntries(entries, []).map(refusalOf)).toEqual([TAKEN, OUT_OF_ORDER, TAKEN, TAKEN]);
    expect(order()).toEqual([1, 2, 3]);
  });

  test("of what another write must come before, reads are declared; of what was overtaken, none", () => {
    it.apply(write(5, 0));
    expect(it.machine.reads(checkedCommand(write(7, 6))).keys).toHaveLength(1);
    expect(it.machine.reads(checkedCommand(write(4, 3))).keys).toEqual([]);
    expect(it.machine.reads(checkedCommand(write(4, null))).keys).toHaveLength(1);
  });

  test("ends with the session", () => {
    it.apply(write(5, 0));
    it.apply(closeSessionCommand(ANYONE, 1n));
    expect(refusalOf(it.apply(write(6, 5)))).toBe(Refusal.SESSION_EXPIRED);
  });
});

/** What happens next: `pick` chooses among what is there to choose from. */
interface Move {
  readonly kind: "begin" | "send" | "arrive" | "give_up" | "restart";
  readonly pick: number;
  /** Of an arrival: it stays under way, and comes again. */
  readonly isCopied: boolean;
  /** Of an arrival: the client hears the answer. */
  readonly isHeard: boolean;
}

const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.record({
    kind: fc.oneof(
      { weight: 3, arbitrary: fc.constant("begin" as const) },
      { weight: 4, arbitrary: fc.constant("send" as const) },
      { weight: 6, arbitrary: fc.constant("arrive" as const) },
      { weight: 1, arbitrary: fc.constant("give_up" as const) },
      { weight: 1, arbitrary: fc.constant("restart" as const) },
    ),
    pick: fc.nat(),
    isCopied: fc.boolean(),
    isHeard: fc.boolean(),
  }),
  { maxLength: 120, size: "max" },
);

/** A client that has many writes under way, over a network that loses, repeats and reorders all it can. */
class Pipeline {
  readonly machine = harness();
  /** What its client waits for, in the order in which it was begun. */
  readonly unanswered: number[] = [];
  readonly heard: number[] = [];
  private begun = 0;
  private readonly underWay: Command[] = [];

  move({ kind, pick, isCopied, isHeard }: Move): void {
    switch (kind) {
      case "begin":
        this.begun += 1;
        this.unanswered.push(this.begun);
        this.underWay.push(this.sent(this.begun));
        return;
      case "send":
        if (this.unanswered.length > 0) this.underWay.push(this.sent(pickOf(this.unanswered, pick)));
        return;
      case "arrive":
        if (this.underWay.length > 0) this.arrive(pick % this.underWay.length, isCopied, isHeard);
        return;
      case "give_up":
        if (this.unanswered.length > 0) this.unanswered.splice(pick % this.unanswered.length, 1);
        return;
      case "restart":
        this.machine.restart();
    }
  }

  /** As it is sent now. */
  sent(sequence: number): Command {
    const before = this.unanswered.filter((other) => other < sequence);
    return write(sequence, before.at(-1) ?? 0, before[0] ?? sequence);
  }

  hear(sequence: number, answer: Answer): void {
    if (answer.result?.$case !== "done" || !this.unanswered.includes(sequence)) return;
    this.unanswered.splice(this.unanswered.indexOf(sequence), 1);
    this.heard.push(sequence);
  }

  private arrive(at: number, isCopied: boolean, isHeard: boolean): void {
    const command = this.underWay[at] as Command;
    if (!isCopied) this.underWay.splice(at, 1);
    const answer = this.machine.apply(command);
    if (isHeard) this.hear(Number(command.requestId?.sequence), answer);
  }
}

function pickOf<T>(list: readonly T[], pick: number): T {
  return list[pick % list.length] as T;
}

test("however sends are lost, repeated and reordered, a session's writes are carried out in the order in which they were begun, and none that is waited for is left out", () => {
  let carriedOut = 0;
  fc.assert(
    fc.property(moves, (list) => {
      const pipeline = new Pipeline();
      for (const move of list) pipeline.move(move);
      // At last what is still waited for comes in its order.
      for (const sequence of [...pipeline.unanswered]) {
        const answer = pipeline.machine.apply(pipeline.sent(sequence));
        expect(refusalOf(answer)).toBe(TAKEN);
        pipeline.hear(sequence, answer);
      }
      const carried = order(pipeline.machine);
      expect(carried).toEqual([...carried].sort((left, right) => left - right));
      expect(new Set(carried).size).toBe(carried.length);
      expect(carried).toEqual(expect.arrayContaining(pipeline.heard));
      carriedOut += carried.length;
    }),
    { numRuns: isLongRun ? 1_000 : 150 },
  );
  expect(carriedOut).toBeGreaterThan(1_000);
});
