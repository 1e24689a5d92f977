import { describe, expect, it } from "@jest/globals";
import { type CommittedChange, WatchCheck, type WatchedFrame, type WatchRequest } from "./watch-events";

function put(revision: number, key: string, previous: string | null = null): CommittedChange {
  return { kind: "put", revision, key, record: `${key}@${revision}`, previous };
}

function deletion(revision: number, key: string, previous: string): CommittedChange {
  return { kind: "delete", revision, key, record: null, previous };
}

const CHANGES: readonly CommittedChange[] = [
  put(1, "a"),
  put(2, "b"),
  // One transaction.
  put(3, "a", "a@1"),
  deletion(3, "b", "b@2"),
  put(3, "c"),
  put(4, "d"),
  { kind: "truncated", revision: 5 },
  put(6, "a"),
  put(7, "b"),
];

const ALL: WatchRequest = {
  start: "",
  end: null,
  startRevision: 1,
  withCurrentState: false,
  withPrevious: true,
  puts: true,
  deletes: true,
};

function created(revision = 7): WatchedFrame {
  return { kind: "created", revision };
}

function events(revision: number, told: readonly CommittedChange[], more = false): WatchedFrame {
  return { kind: "events", revision, events: told, more };
}

function between(from: number, to: number): readonly CommittedChange[] {
  return CHANGES.filter(({ revision }) => revision >= from && revision <= to);
}

function ended(reason: string, resumeRevision: number, oldestRevision = 0): WatchedFrame {
  return { kind: "ended", reason, resumeRevision, oldestRevision };
}

function judge(request: Partial<WatchRequest>, frames: readonly WatchedFrame[]): string | null {
  const check = new WatchCheck({ ...ALL, ...request }, CHANGES);
  for (const frame of frames) {
    const fault = check.take(frame);
    if (fault !== null) return fault;
  }
  return null;
}

const state = (revision: number, keys: readonly string[], more = false): WatchedFrame => ({
  kind: "current",
  revision,
  records: keys.map((text) => ({ key: text.split("@")[0] as string, record: text })),
  more,
});

const GOOD: readonly (readonly [string, Partial<WatchRequest>, readonly WatchedFrame[]])[] = [
  ["everything in one frame", {}, [created(), events(7, between(1, 7))]],
  [
    "a frame a revision, and progress",
    {},
    [
      created(),
      events(1, between(1, 1)),
      events(2, between(2, 2)),
      events(4, between(3, 4)),
      { kind: "progress", revision: 4 },
      events(6, between(5, 6)),
    ],
  ],
  [
    "a revision over two frames",
    {},
    [created(), events(2, CHANGES.slice(0, 3), true), events(3, CHANGES.slice(3, 5))],
  ],
  ["from now", { startRevision: 0 }, [created(4), events(7, between(5, 7))]],
  [
    "a key",
    { start: "a", end: "a\u0000" },
    [
      created(),
      events(
        5,
        CHANGES.filter(
          (change) => change.kind === "truncated" || (change.key === "a" && change.revision < 5),
        ),
      ),
      { kind: "progress", revision: 5 },
      events(7, [put(6, "a")]),
    ],
  ],
  [
    "puts alone; a truncation all the same",
    { puts: true, deletes: false, startRevision: 3 },
    [
      created(),
      events(
        7,
        between(3, 7).filter(({ kind }) => kind !== "delete"),
      ),
    ],
  ],
  [
    "without previous records",
    { withPrevious: false, startRevision: 3 },
    [
      created(),
      events(4, [
        { ...put(3, "a") },
        { ...deletion(3, "b", ""), previous: null } as CommittedChange,
        put(3, "c"),
        put(4, "d"),
      ]),
    ],
  ],
  [
    "the present state first",
    { startRevision: 0, withCurrentState: true },
    [created(), state(4, ["a@3"], true), state(4, ["c@3", "d@4"]), events(5, between(5, 5))],
  ],
  ["an end that is resumed without a gap", {}, [created(), events(4, between(1, 4)), ended("slow", 5)]],
  ["a start that is compacted", {}, [ended("compacted", 0, 4)]],
  ["a start from the next revision", { startRevision: 8 }, [created(), { kind: "progress", revision: 7 }]],
];

const BAD: readonly (readonly [string, Partial<WatchRequest>, readonly WatchedFrame[]])[] = [
  ["is told again", {}, [created(), events(2, between(1, 2)), events(3, between(2, 3))]],
  // The last event of a revision is missing: not atomic.
  ["but there was", {}, [created(), events(3, CHANGES.slice(0, 4))]],
  ["but there was", {}, [created(), events(4, between(2, 4))]],
  ["is told after one", {}, [created(), events(2, [...between(2, 2), ...between(1, 1)])]],
  ["but there was", {}, [created(), events(1, [put(1, "a", "a@0")])]],
  ["but there was", { start: "b" }, [created(), events(2, between(1, 2))]],
  ["but there was", { deletes: false }, [created(), events(3, between(1, 3))]],
  ["but there was", { start: "x" }, [created(), { kind: "progress", revision: 7 }]],
  ["only 7 is committed", {}, [created(), events(8, [...between(1, 7), put(8, "z")])]],
  ["only 7 is committed", {}, [created(8)]],
  ["before that of its own", {}, [created(), events(2, between(1, 3))]],
  ["amid that of its events", {}, [created(), events(3, CHANGES.slice(0, 3), true)]],
  [
    "progress amid a revision",
    {},
    [created(), events(2, CHANGES.slice(0, 3), true), { kind: "progress", revision: 3 }],
  ],
  ["after 4", { startRevision: 5 }, [created(), { kind: "progress", revision: 3 }]],
  ["would miss", {}, [created(), events(2, between(1, 2)), ended("slow", 4)]],
  ["was told", {}, [created(), events(2, between(1, 2)), ended("slow", 2)]],
  ["not below", { startRevision: 4 }, [ended("compacted", 0, 4)]],
  ["after the end", {}, [created(), ended("slow", 1), created()]],
  ["created twice", {}, [created(), created()]],
  ["the present state", { startRevision: 0, withCurrentState: true }, [created(), state(4, ["a@3", "d@4"])]],
  [
    "the present state",
    { startRevision: 0, withCurrentState: true },
    [created(), state(4, ["c@3", "a@3", "d@4"])],
  ],
  [
    "of two revisions",
    { startRevision: 0, withCurrentState: true },
    [created(), state(4, ["a@3"], true), state(6, ["a@6"])],
  ],
  ["the beginning", { startRevision: 0, withCurrentState: true }, [created(), events(7, between(7, 7))]],
];

describe("what a watch tells", () => {
  it.each(GOOD)("is right: %s", (_, request, frames) => {
    expect(judge(request, frames)).toBeNull();
  });

  it.each(BAD)("is wrong: %s", (fault, request, frames) => {
    expect(judge(request, frames)).toContain(fault);
  });

  it("names the revision to go on from", () => {
    const check = new WatchCheck(ALL, CHANGES);
    expect(check.nextRevision).toBeNull();
    check.take(created());
    expect(check.nextRevision).toBe(1);
    check.take(events(2, CHANGES.slice(0, 3), true));
    // Amid a revision all of that one comes again.
    expect(check.nextRevision).toBe(3);
  });

  /** Every stream of one right watch that differs from it in one place. */
  it("finds whatever is changed in one place of a right stream", () => {
    const right = [...between(1, 7)];
    const wrong: (readonly CommittedChange[])[] = right.flatMap((change, at) => [
      right.filter((_, other) => other !== at),
      [...right.slice(0, at), change, ...right.slice(at)],
      [...right.slice(0, at), { ...change, revision: change.revision + 1 }, ...right.slice(at + 1)],
      ...right.slice(at + 1).map((_, later) => swapped(right, at, at + 1 + later)),
    ]);
    for (const told of wrong) {
      for (let cut = 0; cut <= told.length; cut += 1) {
        const [before, after] = [told.slice(0, cut), told.slice(cut)];
        const frames = [before, after]
          .filter(({ length }) => length > 0)
          .map((part) => events((part.at(-1) as CommittedChange).revision, part));
        const amid = before.at(-1)?.revision === after[0]?.revision && before.length > 0;
        const first = frames[0] as Extract<WatchedFrame, { kind: "events" }>;
        if (amid) frames[0] = { ...first, revision: Math.max(0, first.revision - 1), more: true };
        expect({
          told,
          fault: judge({}, [created(), ...frames, { kind: "progress", revision: 7 }]),
        }).not.toEqual({
          told,
          fault: null,
        });
      }
    }
  });
});

function swapped(
  changes: readonly CommittedChange[],
  one: number,
  other: number,
): readonly CommittedChange[] {
  const copy = [...changes];
  copy[one] = changes[other] as CommittedChange;
  copy[other] = changes[one] as CommittedChange;
  return copy;
}
