import { describe, expect, test } from "@jest/globals";
import { createNamespaceCommand, deleteNamespaceCommand } from "@quorate/services/kv";
import { StoreFailure } from "@quorate/services/replica";
import { ANYONE, eventsOf, oneKey, put, settled, take, takeAll, told, WatchRig } from "./watch-rig";

describe("I6: a slow watch", () => {
  test("is ended with its resume revision, the others are not, and it goes on from there without a gap", async () => {
    const rig = new WatchRig({ eventsMax: 4 });
    const slow = rig.open();
    const fast = rig.open();
    await take(slow, 1);
    await take(fast, 1);
    const seen: string[] = [];
    for (let at = 1; at <= 8; at += 1) {
      await rig.put(`k${at}`);
      seen.push(...(await take(fast, 1)));
    }
    expect(seen).toEqual(Array.from({ length: 8 }, (_, at) => `events ${at + 1}: ${at + 1} put k${at + 1}`));
    expect(await take(slow, 2)).toEqual(["ended slow, resume 1", "nothing"]);
    expect(
      (await takeAll(rig.open({ startRevision: 1 }))).flatMap((f) => (f.kind === "events" ? f.events : []))
        .length,
    ).toBe(8);
  });

  test("one batch that is larger than its bound is no slowness", async () => {
    const rig = new WatchRig({ eventsMax: 4 });
    const watch = rig.open();
    await take(watch, 1);
    await rig.put("a", "b", "c", "d", "e", "f");
    expect((await takeAll(watch)).map(told)).toEqual([expect.stringMatching(/6 put f$/)]);
  });

  test("a large batch and small ones behind it are no slowness either; many large ones are", async () => {
    const rig = new WatchRig({ eventsMax: 4 });
    const watch = rig.open();
    await take(watch, 1);
    await rig.put("a", "b", "c", "d", "e", "f");
    await rig.put("g");
    await rig.put("h", "i", "j");
    expect(eventsOf([watch.take()].flatMap((frame) => frame ?? []))).toHaveLength(10);
    await rig.put("a", "b", "c", "d", "e", "f");
    await rig.put("a", "b", "c", "d", "e");
    expect(await take(watch, 1)).toEqual(["ended slow, resume 11"]);
  });

  test("of a large batch that was told in part, the rest alone makes up for what came behind it", async () => {
    const rig = new WatchRig({ eventsMax: 4, frameEventsMax: 5 });
    const watch = rig.open();
    await take(watch, 1);
    await rig.put("a", "b", "c", "d", "e", "f");
    expect(await take(watch, 1)).toEqual(["events 5: 1 put a, 2 put b, 3 put c, 4 put d, 5 put e"]);
    for (const key of ["g", "h", "i", "j"]) await rig.put(key);
    await settled();
    await rig.put("k");
    expect(await take(watch, 1)).toEqual(["ended slow, resume 6"]);
  });

  test("what was not taken is let go", async () => {
    const rig = new WatchRig({ bytesMax: 10_000 });
    const watches = Array.from({ length: 5 }, () => rig.open());
    for (const watch of watches) await take(watch, 1);
    for (let at = 0; at < 20; at += 1) await rig.put(`k=${"x".repeat(1000)}`);
    expect(watches.map((watch) => told(watch.take()))).toEqual(watches.map(() => "ended slow, resume 1"));
    expect(rig.hub.waitingBytes).toBe(0);
    expect(rig.hub.size).toBe(0);
  });

  test("when all together hold too much, the one that holds most is", async () => {
    const rig = new WatchRig({ bytesOfAllMax: 20_000 });
    const greedy = rig.open();
    const modest = rig.open({ range: oneKey("k3") });
    await take(greedy, 1);
    await take(modest, 1);
    for (let at = 0; at < 20; at += 1) await rig.put(`k${at}=${"x".repeat(1000)}`);
    expect(told(greedy.take())).toBe("ended slow, resume 1");
    expect((await takeAll(modest)).map(told)).toEqual(["events 4: 4 put k3"]);
    expect(rig.hub.waitingBytes).toBe(0);
  });

  test("the records before changes count for the one that holds them", async () => {
    const rig = new WatchRig({ bytesOfAllMax: 10_000 });
    await rig.put(`a=${"x".repeat(9000)}`);
    const greedy = rig.open({ range: oneKey("a"), withPrevious: true });
    const modest = rig.open({ range: oneKey("b") });
    await take(greedy, 1);
    await take(modest, 1);
    await rig.put("a");
    await settled();
    await rig.put(`b=${"x".repeat(3000)}`);
    expect(told(greedy.take())).toBe("ended slow, resume 2");
    expect((await takeAll(modest)).map(told)).toEqual(["events 3: 3 put b"]);
    expect(rig.hub.waitingBytes).toBe(0);
  });
});

describe("the end of a watch", () => {
  test("I6: a cancelled one ends at once, whatever it waits for", async () => {
    const rig = new WatchRig();
    await rig.put("a");
    rig.heldReads = [];
    const opening = rig.open();
    const next = opening.next();
    opening.cancel();
    expect(told(await next)).toBe("ended cancelled, resume 0");
    rig.heldReads = null;
    const live = rig.open();
    await take(live, 1);
    await rig.put("b");
    live.cancel();
    expect(await take(live, 2)).toEqual(["ended cancelled, resume 2", "nothing"]);
    const past = rig.open({ startRevision: 1 });
    await take(past, 1);
    past.take();
    past.cancel();
    expect(await take(past, 2)).toEqual(["ended cancelled, resume 1", "nothing"]);
    await settled();
    expect(rig.hub.size).toBe(0);
  });

  test("the deletion of its namespace is told, then it ends; another one of that name is another", async () => {
    const rig = new WatchRig();
    await rig.apply(createNamespaceCommand(ANYONE, "n"), put("a", "n"));
    const watch = rig.open({ namespace: "n", range: oneKey("z") });
    const past = rig.open({ namespace: "n", startRevision: 1 });
    await take(watch, 1);
    await rig.apply(deleteNamespaceCommand(ANYONE, "n"), createNamespaceCommand(ANYONE, "n"), put("z", "n"));
    expect(await take(watch, 3)).toEqual([
      "events 2: 2 truncated",
      "ended unknown_namespace, resume 0",
      "nothing",
    ]);
    expect(told((await takeAll(past)).at(-1) ?? null)).toBe("ended unknown_namespace, resume 0");
  });

  test("an empty namespace that is deleted ends its watches too", async () => {
    const rig = new WatchRig();
    await rig.apply(createNamespaceCommand(ANYONE, "n"));
    const watch = rig.open({ namespace: "n" });
    await take(watch, 1);
    const next = watch.next();
    await rig.apply(deleteNamespaceCommand(ANYONE, "n"));
    expect(told(await next)).toBe("ended unknown_namespace, resume 0");
  });

  test("a namespace that is not there", async () => {
    expect(await take(new WatchRig().open({ namespace: "no" }), 1)).toEqual([
      "ended unknown_namespace, resume 0",
    ]);
  });

  test.each(["no_leader", "backlog_full", "store_lost", "stopping"] as const)(
    "a read that ends with %s",
    async (kind) => {
      const rig = new WatchRig();
      rig.readOutcome = { kind };
      expect(await take(rig.open({ startRevision: 7 }), 1)).toEqual([`ended ${kind}, resume 7`]);
    },
  );

  test("no leader for long enough, and not before", async () => {
    const rig = new WatchRig();
    const watch = rig.open();
    await take(watch, 1);
    await rig.put("a");
    rig.hub.leaderKnown(false);
    rig.hub.tick(10_000);
    rig.hub.tick(10_900);
    rig.hub.leaderKnown(true);
    rig.hub.tick(11_100);
    rig.hub.leaderKnown(false);
    rig.hub.tick(11_200);
    rig.hub.tick(12_150);
    expect(await take(watch, 1)).toEqual(["events 1: 1 put a"]);
    rig.hub.tick(12_200);
    expect(await take(watch, 1)).toEqual(["ended no_leader, resume 2"]);
  });

  test("too many watches", async () => {
    const rig = new WatchRig({ watchesMax: 1 });
    const first = rig.open();
    expect(await take(rig.open({ startRevision: 3 }), 1)).toEqual(["ended too_many, resume 3"]);
    first.cancel();
    expect(await take(rig.open(), 1)).toEqual(["created 0"]);
  });

  test("a store that fails", async () => {
    const failing = () => {
      throw new StoreFailure("gone", { dataLoss: false });
    };
    const rig = new WatchRig({}, (state) => ({
      records: (query) => state.records(query),
      scan: (query) => state.scan(query),
      // biome-ignore lint/correctness/useYield: it fails before its first chunk
      async *history() {
        failing();
      },
    }));
    await rig.put("a");
    expect(await take(rig.open({ startRevision: 1 }), 2)).toEqual([
      "created 0",
      "ended store_lost, resume 1",
    ]);
  });

  test("the hub is closed: all end, and so does what is opened later", async () => {
    const rig = new WatchRig();
    const watch = rig.open();
    await take(watch, 1);
    rig.hub.close();
    rig.hub.close();
    expect(await take(watch, 1)).toEqual(["ended stopping, resume 1"]);
    expect(await take(rig.open(), 1)).toEqual(["ended stopping, resume 0"]);
  });
});

describe("progress", () => {
  test("tells how far a watch has come, after what had happened by then", async () => {
    const rig = new WatchRig();
    const watch = rig.open({ range: oneKey("a") });
    watch.askProgress();
    expect(await take(watch, 2)).toEqual(["created 0", "progress 0"]);
    await rig.put("b", "a", "b");
    watch.askProgress();
    expect(await take(watch, 2)).toEqual(["events 2: 2 put a", "progress 3"]);
    expect(await takeAll(watch)).toEqual([]);
  });

  test("is told amid history too, so that a watch that finds nothing there is not taken for dead", async () => {
    const never = new Promise<never>(() => undefined);
    const rig = new WatchRig({}, (state) => ({
      records: (query) => state.records(query),
      scan: (query) => state.scan(query),
      history: () => ({ [Symbol.asyncIterator]: () => ({ next: () => never }) }),
    }));
    await rig.put("a", "b");
    const watch = rig.open({ startRevision: 2 });
    await take(watch, 1);
    const next = watch.next();
    watch.askProgress();
    expect(told(await next)).toBe("progress 1");
  });

  test("is told unasked where that was asked for, and nothing else is", async () => {
    const rig = new WatchRig();
    rig.hub.tick(1000);
    const watch = rig.open({ progressIntervalMs: 200 });
    await take(watch, 1);
    const next = watch.next();
    rig.hub.tick(1150);
    await rig.put("a");
    expect(told(await next)).toBe("events 1: 1 put a");
    const then = watch.next();
    rig.hub.tick(1300);
    rig.hub.tick(1350);
    expect(told(await then)).toBe("progress 1");
    expect(await takeAll(watch)).toEqual([]);
  });
});
