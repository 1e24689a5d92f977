import { describe, expect, test } from "@jest/globals";
import {
  type ChangeCause,
  compactCommand,
  deleteCommand,
  deleteRangeCommand,
  truncateCommand,
} from "@quorate/services/kv";
import { utf8Encode } from "@quorate/services/std";
import {
  ANYONE,
  eventsOf,
  oneKey,
  put,
  settled,
  take,
  takeAll,
  told,
  underPrefix,
  WatchRig,
} from "./watch-rig";

const remove = (key: string) =>
  deleteCommand(ANYONE, { key: utf8Encode(key), returnPrevious: false, expectedModRevision: null });
const removeAll = deleteRangeCommand(ANYONE, { start: new Uint8Array(0), end: null }, 10_000);

describe("a watch from now on", () => {
  test("I2: tells each write once, in the order of revisions", async () => {
    const rig = new WatchRig();
    await rig.put("before");
    const watch = rig.open();
    expect(await take(watch, 1)).toEqual(["created 1"]);
    for (const key of ["a", "b", "a", "c", "b"]) await rig.put(key);
    expect((await takeAll(watch)).map(told)).toEqual([
      "events 6: 2 put a, 3 put b, 4 put a, 5 put c, 6 put b",
    ]);
  });

  test("I1: an event has the revision, operation, key, value, previous value, request id and time", async () => {
    const rig = new WatchRig();
    await rig.apply(put("a=old"));
    const watch = rig.open({ withPrevious: true });
    await take(watch, 1);
    await rig.apply(put("a=new"));
    const frame = await watch.next();
    expect(frame).toMatchObject({
      kind: "events",
      events: [
        {
          kind: "put",
          revision: 2,
          record: { key: utf8Encode("a"), value: utf8Encode("new"), modRevision: 2, version: 2 },
          previous: { value: utf8Encode("old"), modRevision: 1 },
          origin: { cause: "put" satisfies ChangeCause, requestId: null, wallTimeMs: 1000 },
        },
      ],
    });
  });

  test("is woken by what comes while it waits", async () => {
    const rig = new WatchRig();
    const watch = rig.open({ range: oneKey("a") });
    await take(watch, 1);
    const next = watch.next();
    await rig.put("b");
    await rig.put("a");
    expect(told(await next)).toBe("events 2: 2 put a");
  });

  test("begins where reads are answered, so it misses nothing that was acknowledged after it was asked for", async () => {
    const rig = new WatchRig();
    rig.heldReads = [];
    const watch = rig.open();
    await rig.put("a");
    const [answer] = rig.heldReads;
    rig.heldReads = null;
    answer?.({ kind: "ready", revision: 0, term: 1, appliedIndex: 0, namespaceId: 1, generation: 1 });
    // Written between the answer and the moment in which the watch hears it.
    const write = rig.put("b");
    await write;
    await settled();
    await rig.put("c");
    const frames = (await takeAll(watch)).map(told);
    expect(frames[0]).toMatch(/^created [12]$/);
    expect(frames.at(-1)).toMatch(/3 put c$/);
  });

  test("all events of a revision come together, and a large one says that more of it follows", async () => {
    const rig = new WatchRig({ frameEventsMax: 2 });
    await rig.put("a", "b", "c");
    const watch = rig.open();
    await take(watch, 1);
    await rig.apply(removeAll);
    await rig.put("d");
    expect((await takeAll(watch)).map(told)).toEqual([
      "events 3: 4 delete a, 4 delete b …",
      "events 4: 4 delete c, 5 put d".replace("events 4", "events 5"),
    ]);
  });

  test("frames are bounded by bytes, yet hold one event at least", async () => {
    const rig = new WatchRig({ frameBytesMax: 450 });
    const watch = rig.open();
    await take(watch, 1);
    await rig.put(`a=${"x".repeat(1000)}`, "b=1", "c=1", "d=1");
    expect((await takeAll(watch)).map(told)).toEqual([
      "events 1: 1 put a",
      "events 3: 2 put b, 3 put c",
      "events 4: 4 put d",
    ]);
  });
});

describe("I6: what a watch leaves out", () => {
  const rows = [
    ["one key", { range: oneKey("b") }, ["3 put b", "5 delete b"]],
    ["a prefix", { range: underPrefix("b") }, ["3 put b", "4 put bc", "5 delete b"]],
    ["a range", { range: { start: utf8Encode("a"), end: utf8Encode("b") } }, ["2 put a"]],
    ["no puts", { puts: false }, ["5 delete b"]],
    ["no deletions", { deletes: false }, ["2 put a", "3 put b", "4 put bc"]],
    ["neither", { puts: false, deletes: false }, []],
  ] as const;

  test.each(rows)("%s, live and from history alike", async (_name, changes, events) => {
    const rig = new WatchRig();
    await rig.put("x");
    const live = rig.open(changes);
    await take(live, 1);
    await rig.put("a", "b", "bc");
    await rig.apply(remove("b"), truncateCommand(ANYONE));
    const frames = [...events, "6 truncated"].join(", ");
    expect((await takeAll(live)).map(told)).toEqual([`events 6: ${frames}`]);
  });

  test.each(rows)("%s, from history", async (_name, changes, events) => {
    const rig = new WatchRig();
    await rig.put("x");
    await rig.put("a", "b", "bc");
    await rig.apply(remove("b"));
    const past = rig.open({ ...changes, startRevision: 2 });
    expect(eventsOf(await takeAll(past))).toEqual(events);
  });
});

describe("I5: a watch from a revision", () => {
  test("tells history and goes on live, without a gap and without telling anything twice", async () => {
    const rig = new WatchRig();
    for (let at = 0; at < 100; at += 1) await rig.put(`k${at}`);
    const watch = rig.open({ startRevision: 31 });
    const seen: number[] = [];
    const reading = (async () => {
      for (;;) {
        const frame = await watch.next();
        if (frame?.kind !== "events") continue;
        seen.push(...frame.events.map(({ revision }) => revision));
        if (seen.at(-1) === 150) return;
      }
    })();
    for (let at = 0; at < 50; at += 1) await rig.put(`l${at}`);
    await reading;
    expect(seen).toEqual(Array.from({ length: 120 }, (_, at) => at + 31));
  });

  test("the next revision is one from now on; one beyond it is refused", async () => {
    const rig = new WatchRig();
    await rig.put("a");
    expect(await take(rig.open({ startRevision: 2 }), 1)).toEqual(["created 1"]);
    expect(await take(rig.open({ startRevision: 3 }), 2)).toEqual([
      "ended future_revision, resume 0",
      "nothing",
    ]);
  });

  test("a compacted start is an explicit error that names the first revision that can be told", async () => {
    const rig = new WatchRig();
    for (const key of ["a", "b", "c"]) await rig.put(key);
    await rig.apply(compactCommand(ANYONE, 2));
    expect(await take(rig.open({ startRevision: 2 }), 1)).toEqual(["ended compacted, resume 0, oldest 3"]);
    expect(await take(rig.open({ startRevision: 3 }), 2)).toEqual(["created 2", "events 3: 3 put c"]);
  });

  test("a compaction that passes a watch amid history ends it, explicitly", async () => {
    const rig = new WatchRig();
    for (let at = 0; at < 60; at += 1) await rig.put(`k${at}`);
    const watch = rig.open({ startRevision: 1 });
    await take(watch, 2);
    await rig.apply(compactCommand(ANYONE, 50));
    expect(told((await takeAll(watch)).at(-1) ?? null)).toBe("ended compacted, resume 0, oldest 51");
  });

  test.each([1, 10, 16, 32])(
    "a compaction when all %i changes were read from history ends nothing",
    async (count) => {
      const rig = new WatchRig();
      await rig.put(...Array.from({ length: count }, (_, at) => `k${at}`));
      const watch = rig.open({ startRevision: 1 });
      await take(watch, 1);
      const events: string[] = [];
      for (let read = 0; read < count; read += 16) {
        events.push(...eventsOf([watch.take()].flatMap((frame) => frame ?? [])));
        watch.take();
        await settled();
      }
      await rig.apply(compactCommand(ANYONE, count));
      await rig.put("after");
      const frames = await takeAll(watch);
      expect(frames.map(({ kind }) => kind)).toEqual(frames.map(() => "events"));
      expect([...events, ...eventsOf(frames)]).toHaveLength(count + 1);
    },
  );

  test("of a long history with little to tell, no more is read once nobody waits for it", async () => {
    let chunks = 0;
    const rig = new WatchRig({}, (state) => ({
      records: (query) => state.records(query),
      scan: (query) => state.scan(query),
      async *history(query) {
        for await (const chunk of state.history(query)) {
          chunks += 1;
          yield chunk;
        }
      },
    }));
    await rig.put(...Array.from({ length: 400 }, (_, at) => `k${at}`), "z");
    const patient = rig.open({ startRevision: 1, range: oneKey("z") });
    await take(patient, 1);
    expect(told(await patient.next())).toBe("events 401: 401 put z");
    const before = chunks;
    expect(before).toBeGreaterThan(20);
    const cancelled = rig.open({ startRevision: 1, range: oneKey("z") });
    await take(cancelled, 1);
    cancelled.onReady = () => cancelled.cancel();
    cancelled.take();
    await settled();
    expect(await take(cancelled, 1)).toEqual(["ended cancelled, resume 1"]);
    await settled();
    expect(chunks).toBe(before + 1);
  });

  test("a truncation amid history does the same", async () => {
    const rig = new WatchRig();
    for (let at = 0; at < 60; at += 1) await rig.put(`k${at}`);
    const watch = rig.open({ startRevision: 1 });
    await take(watch, 2);
    await rig.apply(truncateCommand(ANYONE));
    expect(told((await takeAll(watch)).at(-1) ?? null)).toBe("ended compacted, resume 0, oldest 61");
    const anew = rig.open({ startRevision: 61 });
    expect(await take(anew, 2)).toEqual(["created 60", "events 61: 61 truncated"]);
  });

  test("one that cannot keep up while it reads history reads on, and is not ended for it", async () => {
    const rig = new WatchRig({ eventsMax: 4 });
    for (let at = 0; at < 40; at += 1) await rig.put(`k${at}`);
    const watch = rig.open({ startRevision: 1 });
    await take(watch, 2);
    for (let at = 0; at < 40; at += 1) await rig.put(`l${at}`);
    const frames = await takeAll(watch);
    expect(frames.every(({ kind }) => kind === "events")).toBe(true);
    expect(frames.at(-1)).toMatchObject({ revision: 80 });
    await rig.put("m");
    expect((await takeAll(watch)).map(told)).toEqual(["events 81: 81 put m"]);
  });
});

describe("I4: a watch with the present state", () => {
  test("tells 20 records, then the writes that came meanwhile: no gap, no overlap", async () => {
    const rig = new WatchRig({ frameBytesMax: 1000 });
    for (let at = 10; at < 30; at += 1) await rig.put(`k${at}`);
    const watch = rig.open({ withCurrentState: true });
    const lines = await take(watch, 2);
    await rig.put("k00", "k10", "k99");
    await rig.apply(remove("k20"));
    const frames = await takeAll(watch);
    const current = frames.filter(({ kind }) => kind === "current");
    const records = [...lines.slice(1), ...current.map(told)].join(" ").match(/k\d\d/g);
    expect(records).toEqual(Array.from({ length: 20 }, (_, at) => `k${at + 10}`));
    expect(current.map((frame) => frame.kind === "current" && [frame.revision, frame.more])).toEqual([
      ...current.slice(1).map(() => [20, true]),
      [20, false],
    ]);
    expect(frames.slice(current.length).map(told).join()).toBe(
      "events 24: 21 put k00, 22 put k10, 23 put k99, 24 delete k20",
    );
  });

  test("an empty one is told as such", async () => {
    const rig = new WatchRig();
    expect(await take(rig.open({ withCurrentState: true }), 2)).toEqual(["created 0", "current 0: "]);
  });

  test("a truncation while it is told comes after it", async () => {
    const rig = new WatchRig({ frameBytesMax: 1000 });
    for (let at = 10; at < 50; at += 1) await rig.put(`k${at}`);
    const watch = rig.open({ withCurrentState: true });
    await take(watch, 2);
    await rig.apply(truncateCommand(ANYONE), put("after"));
    const frames = await takeAll(watch);
    expect(told(frames.at(-1) ?? null)).toBe("events 42: 41 truncated, 42 put after");
    expect(frames.slice(0, -1).every(({ kind }) => kind === "current")).toBe(true);
  });

  test("one that was truncated before its first record is that of now", async () => {
    const rig = new WatchRig();
    await rig.put("a");
    const watch = rig.open({ withCurrentState: true });
    expect(await take(watch, 1)).toEqual(["created 1"]);
    await rig.apply(truncateCommand(ANYONE), put("b"));
    expect((await takeAll(watch)).map(told)).toEqual(["current 3: b"]);
  });
});

describe("I6: records before", () => {
  test("are those of the revision before, in one batch too", async () => {
    const rig = new WatchRig();
    await rig.put("a=0");
    const watch = rig.open({ withPrevious: true });
    await take(watch, 1);
    await rig.apply(put("a=1"), put("b=1"), put("a=2"), remove("a"), put("a=3"));
    const events = "2 put a was 0, 3 put b, 4 put a was 1, 5 delete a was 2, 6 put a";
    expect((await takeAll(watch)).map(told)).toEqual([`events 6: ${events}`]);
    const past = rig.open({ withPrevious: true, startRevision: 2 });
    expect(eventsOf(await takeAll(past)).join(", ")).toBe(events);
  });

  test("are read once for all watches that want them, and for no others", async () => {
    let reads = 0;
    const rig = new WatchRig({}, (state) => ({
      records: (query) => {
        reads += query.keys.length;
        return state.records(query);
      },
      scan: (query) => state.scan(query),
      history: (query) => state.history(query),
    }));
    const watches = Array.from({ length: 10 }, () => rig.open({ withPrevious: true }));
    rig.open();
    await settled();
    await rig.put("a");
    const frames = await Promise.all(watches.map((watch) => take(watch, 2)));
    expect(new Set(frames.map((lines) => lines.join()))).toEqual(new Set(["created 0,events 1: 1 put a"]));
    expect(reads).toBe(1);
  });

  test("never change the order, however late one comes", async () => {
    const late: (() => void)[] = [];
    const rig = new WatchRig({}, (state) => ({
      records: async (query) => {
        if (query.revision === 0) await new Promise<void>((resolve) => late.push(resolve));
        return state.records(query);
      },
      scan: (query) => state.scan(query),
      history: (query) => state.history(query),
    }));
    const watch = rig.open({ withPrevious: true });
    await take(watch, 1);
    await rig.put("a");
    await rig.put("b");
    expect(await takeAll(watch)).toEqual([]);
    for (const release of late) release();
    expect((await takeAll(watch)).map(told).join()).toMatch(
      /^events \d: 1 put a, 2 put b$|^events 1: 1 put a,events 2: 2 put b$/,
    );
  });

  test("that are gone before they could be read end the watch, explicitly", async () => {
    const rig = new WatchRig();
    await rig.put("a");
    const watch = rig.open({ withPrevious: true });
    await take(watch, 1);
    await rig.apply(put("a"), truncateCommand(ANYONE));
    expect((await takeAll(watch)).map(told)).toEqual(["ended compacted, resume 0, oldest 3"]);
  });
});

test("I3: the hubs of two members tell the same events, however their batches are cut", async () => {
  const [leader, follower] = [new WatchRig({ frameEventsMax: 3 }), new WatchRig({ frameEventsMax: 5 })];
  const commands = [put("a=1"), put("b=1"), remove("a"), put("b=2"), put("c=1"), removeAll, put("c=2")];
  const watches = [leader, follower].map((rig) => rig.open({ withPrevious: true }));
  await settled();
  await leader.apply(...commands);
  for (const command of commands) await follower.apply(command);
  const told = await Promise.all(
    watches.map(async (watch) =>
      (await takeAll(watch)).flatMap((frame) => (frame.kind === "events" ? frame.events : [])),
    ),
  );
  expect(told[0]).toEqual(told[1]);
  expect(told[0]?.length).toBe(8);
});

test("events are one object for all watches that tell them", async () => {
  const rig = new WatchRig();
  const watches = [rig.open(), rig.open({ range: oneKey("a") }), rig.open({ range: underPrefix("a") })];
  await settled();
  await rig.put("a");
  const events = await Promise.all(
    watches.map(async (watch) => {
      await watch.next();
      const frame = await watch.next();
      return frame?.kind === "events" ? frame.events[0] : null;
    }),
  );
  expect(events[0]).not.toBeNull();
  expect(events[1]).toBe(events[0]);
  expect(events[2]).toBe(events[0]);
});
