import { describe, expect, test } from "@jest/globals";
import { FakeWatchCluster } from "./fake-watch-cluster";
import { A, failureOf, filled, once, openStreams, takenUntil } from "./watch-rig";

describe("the current state", () => {
  const STATE = [
    "current a=again",
    "current d=4",
    "current e=4",
    "current f0=x",
    "current f1=x",
    "current f2=x",
  ];

  test("I4: comes first, at one revision, and what is written meanwhile follows", async () => {
    const cluster = filled();
    cluster.fate = once(({ kind, more }) => {
      const fits = kind === "current" && more;
      if (fits) cluster.write(["a", "later"], ["g", "new"]);
      return fits;
    }, "send");
    const watch = cluster.client.kv.watch({}, { currentState: true });
    const taken = await cluster.timing.drive(takenUntil(watch, (event) => event === "22 put g=new"));
    expect(taken).toEqual([
      ...STATE,
      "current f3=x",
      "current f4=x",
      "current z=last",
      "synced 21",
      "22 put a=later",
      "22 put g=new",
    ]);
  });

  test("a session read after a part of it is never from before its revision", async () => {
    const cluster = filled();
    const { kv } = cluster.client;
    const watch = kv.watch({}, { currentState: true });
    const { value: first } = await cluster.timing.drive(watch.next());
    expect(first?.kind).toBe("current");
    await cluster.timing.drive(kv.scan({}, { consistency: "session" })[Symbol.asyncIterator]().next());
    expect(cluster.scans.map(({ minRevision }) => minRevision)).toEqual([21n]);
    watch.close();
  });

  test("I4: a break before any of it was taken begins it anew", async () => {
    const cluster = filled();
    const watch = cluster.client.kv.watch({ prefix: "a" }, { currentState: true });
    cluster.fate = once(({ kind }) => kind === "current", "break");
    expect(await cluster.timing.drive(takenUntil(watch, (event) => event.startsWith("synced")))).toEqual([
      "current a=again",
      "synced 21",
    ]);
    expect(cluster.creations.map(({ create }) => create.withCurrentState)).toEqual([true, true]);
    expect(cluster.scans).toEqual([]);
  });

  test("I4: after a break within it the rest is read as of its revision, whatever is written meanwhile", async () => {
    const cluster = filled();
    cluster.fate = once(({ kind, continues }) => {
      const fits = kind === "current" && continues;
      if (fits) cluster.write(["f4", null], ["a", "newer"]);
      return fits;
    }, "break");
    const watch = cluster.client.kv.watch({}, { currentState: true });
    const taken = await cluster.timing.drive(takenUntil(watch, (event) => event === "22 put a=newer"));
    expect(taken).toEqual([
      ...STATE,
      "current f3=x",
      "current f4=x",
      "current z=last",
      "synced 21",
      "22 delete f4",
      "22 put a=newer",
    ]);
    expect(cluster.scans.map(({ revision, start }) => [revision, Buffer.from(start).toString()])).toEqual([
      [21n, "e"],
    ]);
    expect(cluster.creations.map(({ create }) => create.startRevision)).toEqual([0n, 22n]);
  });

  test("I4: a compaction of its revision while it is cut is an explicit error", async () => {
    const cluster = filled();
    cluster.fate = once(({ kind, continues }) => {
      const fits = kind === "current" && continues;
      if (fits) cluster.write(["f4", null]);
      if (fits) cluster.compact(cluster.revision);
      return fits;
    }, "break");
    const watch = cluster.client.kv.watch({}, { currentState: true });
    const error = await failureOf(
      cluster,
      takenUntil(watch, () => false),
    );
    expect(error).toMatchObject({ reason: "COMPACTED", oldestRevision: 22 });
  });

  test("I4: a state larger than the backlog reaches a consumer that is slower than the stream", async () => {
    const cluster = new FakeWatchCluster(A);
    const keys = Array.from({ length: 10_000 }, (_, at) => `k${String(at).padStart(5, "0")}`);
    cluster.write(...keys.map((key) => [key, key] as const));
    cluster.frameEvents = 1000;
    const watch = cluster.client.kv.watch({}, { currentState: true });
    await cluster.timing.drive(watch.opened());
    await cluster.timing.drive(cluster.passMs(60_000));
    expect(await openStreams(cluster)).toBe(0);
    const taken = await cluster.timing.drive(takenUntil(watch, (event) => event.startsWith("synced")));
    expect(taken).toEqual([...keys.map((key) => `current ${key}=${key}`), "synced 1"]);
  });
});
