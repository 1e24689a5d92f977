import { describe, expect, test } from "@jest/globals";
import type { Watch } from "@quorate/client";
import { ErrorReason } from "@quorate/client/generated";
import { FakeWatchCluster } from "./fake-watch-cluster";
import { A, B, failureOf, filled, once, openStreams, takenUntil, takenUpTo, told } from "./watch-rig";

describe("history that is gone", () => {
  test("I5: a start that was compacted is an explicit error with the oldest revision", async () => {
    const cluster = filled();
    cluster.compact(7);
    const watch = cluster.client.kv.watch({}, { fromRevision: 7 });
    const error = await failureOf(cluster, watch.next());
    expect(error).toMatchObject({ reason: "COMPACTED", code: "OUT_OF_RANGE", oldestRevision: 8 });
    expect(await watch.next()).toEqual({ done: true, value: undefined });
    const again = cluster.client.kv.watch({}, { fromRevision: 8 });
    expect(await takenUpTo(cluster, again, cluster.revision)).toEqual(cluster.changesFrom(8));
  });

  test("I5: what is compacted while the watch has no stream fails it, after what was received", async () => {
    const cluster = filled();
    cluster.fate = once(({ kind, at }) => {
      const fits = kind === "events" && at > 6;
      if (fits) cluster.compact(cluster.revision);
      return fits;
    }, "break");
    const taken: string[] = [];
    const consume = async () => {
      for await (const event of cluster.client.kv.watch({}, { fromRevision: 1 })) taken.push(told(event));
    };
    const error = await failureOf(cluster, consume());
    expect(error).toMatchObject({ reason: "COMPACTED", oldestRevision: cluster.revision + 1 });
    expect(taken).toEqual(cluster.changesFrom(1).slice(0, taken.length));
    expect(taken.length).toBeGreaterThan(3);
  });

  test("a watch that lives through a truncation is told of it", async () => {
    const cluster = filled();
    const watch = cluster.client.kv.watch("f1");
    await cluster.timing.drive(watch.opened());
    cluster.truncate();
    cluster.write(["f1", "new"]);
    const taken = await takenUpTo(cluster, watch, cluster.revision);
    expect(taken).toEqual(["22 truncated", "23 put f1=new"]);
  });

  test("a start beyond the next revision fails", async () => {
    const cluster = filled();
    const watch = cluster.client.kv.watch({}, { fromRevision: 99 });
    expect(await failureOf(cluster, watch.next())).toMatchObject({ reason: "FUTURE_REVISION" });
  });
});

describe("a consumer that takes nothing", () => {
  test("I6: holds a bounded backlog, ends the watch at the server, and misses nothing once it goes on", async () => {
    const cluster = new FakeWatchCluster(`${A},${B}`);
    cluster.frameEvents = 100;
    const slow = cluster.client.kv.watch({}, { fromRevision: 1 });
    for (let at = 0; at < 60; at += 1) {
      cluster.write(...Array.from({ length: 100 }, (_, key) => [`k${key}`, `${at}`] as const));
    }
    const other = cluster.client.kv.watch("k7", { fromRevision: 1 });
    const taken = cluster.timing.drive(
      takenUntil(other, (event) => event.startsWith(`${cluster.revision} `)),
    );
    expect(await taken).toHaveLength(60);
    await cluster.timing.drive(cluster.passMs(30_000));
    expect(cluster.cancellations).toEqual([1n]);
    expect(await openStreams(cluster)).toBe(0);
    expect(cluster.creations).toHaveLength(2);
    expect(await takenUpTo(cluster, slow, cluster.revision)).toEqual(cluster.changesFrom(1).slice(0, -99));
    expect(cluster.creations.map(({ create }) => create.startRevision)).toEqual([1n, 1n, 12n]);
  });
});

test("a consumer that takes what comes keeps its stream, however large the messages are", async () => {
  const cluster = new FakeWatchCluster(A);
  cluster.write(...Array.from({ length: 10_000 }, (_, at) => [`k${at}`, "v"] as const));
  cluster.frameEvents = 2500;
  cluster.frameMs = 0;
  const watch = cluster.client.kv.watch({}, { currentState: true });
  await cluster.timing.drive(watch.opened());
  const taken = cluster.timing.drive(takenUntil(watch, (event) => event.startsWith("2 put k9999=")));
  cluster.write(...Array.from({ length: 10_000 }, (_, at) => [`k${at}`, "w"] as const));
  expect(await taken).toHaveLength(20_001);
  expect([cluster.creations.length, cluster.scans.length]).toEqual([1, 0]);
});

describe("endpoints", () => {
  test("watches of one endpoint share a stream, and each is cancelled alone", async () => {
    const cluster = filled(`${A},${B}`);
    const watches = ["a", "b", "c"].map((key) => cluster.client.kv.watch(key));
    await cluster.timing.drive(Promise.all(watches.map((watch) => watch.opened())));
    expect(cluster.openStreams).toBe(1);
    watches[1]?.close();
    expect(await openStreams(cluster)).toBe(1);
    expect(cluster.cancellations).toEqual([2n]);
    watches[0]?.close();
    watches[2]?.close();
    expect(await openStreams(cluster)).toBe(0);
  });

  test("one that falls silent is asked after 2 s, and left after 3 more", async () => {
    const cluster = filled(`${A},${B}`);
    const watch = cluster.client.kv.watch("a");
    await cluster.timing.drive(watch.opened());
    const atMs = cluster.timing.nowMs();
    cluster.fate = ({ address }) => (address === A ? "silence" : "send");
    const next = watch.next();
    await cluster.timing.drive(cluster.passMs(4900));
    expect(cluster.questions).toEqual([A]);
    expect(cluster.creations).toHaveLength(1);
    await cluster.timing.drive(cluster.passMs(200));
    expect(cluster.creations.map(({ address }) => address)).toEqual([A, B]);
    expect(cluster.timing.nowMs() - atMs).toBeLessThan(5200);
    cluster.write(["a", "moved"]);
    expect(await cluster.timing.drive(next)).toMatchObject({ value: { kind: "put", key: "a" } });
    watch.close();
  });

  test("a hundred idle watches of one stream ask little more than one would", async () => {
    const cluster = filled(A);
    const watches = Array.from({ length: 100 }, (_, at) => cluster.client.kv.watch(`idle/${at}`));
    await cluster.timing.drive(Promise.all(watches.map((watch) => watch.opened())));
    await cluster.timing.drive(cluster.passMs(20_000));
    // The stream some ten times, and each watch after ten seconds.
    expect(cluster.questions.length).toBeGreaterThan(100);
    expect(cluster.questions.length).toBeLessThan(250);
    expect(cluster.creations).toHaveLength(100);
    for (const watch of watches) watch.close();
  });

  test("one that answers is kept, and its answers tell how far the watch is", async () => {
    const cluster = filled(`${A},${B}`);
    const progress: number[] = [];
    const watch = cluster.client.kv.watch("a", { onProgress: (revision) => progress.push(revision) });
    const next = watch.next();
    await cluster.timing.drive(cluster.passMs(1000));
    cluster.write(["elsewhere", "x"]);
    await cluster.timing.drive(cluster.passMs(5000));
    expect(progress).toEqual([21, 22]);
    expect(watch.revision).toBe(22);
    expect(cluster.questions).toHaveLength(2);
    watch.close();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  test("a watch that cannot begin fails after the client's deadline; one that has begun waits for ever", async () => {
    const cluster = filled(`${A},${B}`);
    cluster.fate = () => "break";
    const never = cluster.client.kv.watch("a");
    const brief = cluster.client.kv.watch("a", { deadlineMs: 900 });
    expect(await failureOf(cluster, brief.next())).toMatchObject({ code: "UNAVAILABLE" });
    expect(cluster.timing.nowMs()).toBeLessThan(1000);
    expect(await failureOf(cluster, never.opened())).toMatchObject({ code: "UNAVAILABLE" });
    expect(cluster.timing.nowMs()).toBeGreaterThan(3900);
    expect(cluster.timing.nowMs()).toBeLessThan(5100);
    cluster.fate = () => "send";
    const patient = cluster.client.kv.watch("a");
    await cluster.timing.drive(patient.opened());
    cluster.fate = () => "break";
    await cluster.timing.drive(cluster.passMs(600_000));
    cluster.fate = () => "send";
    cluster.write(["a", "at last"]);
    expect(await cluster.timing.drive(patient.next())).toMatchObject({ value: { kind: "put" } });
    patient.close();
  });

  test("I6: a namespace that is unknown fails the watch with what the server said", async () => {
    const cluster = filled(`${A},${B}`);
    cluster.fate = () => ({ ended: ErrorReason.UNKNOWN_NAMESPACE });
    const error = await failureOf(cluster, cluster.client.kv.watch("a").next());
    expect(error).toMatchObject({
      reason: "UNKNOWN_NAMESPACE",
      code: "NOT_FOUND",
      message: "ended: UNKNOWN_NAMESPACE",
    });
    expect(cluster.creations).toHaveLength(1);
  });
});

describe("the end", () => {
  const ENDS = {
    "close()": ({ watch }) => watch.close(),
    "return()": ({ watch }) => void watch.return(),
    "its signal": ({ abort }) => abort(),
    "the client's close()": ({ cluster }) => void cluster.client.close(),
  } as const satisfies Record<
    string,
    (parts: { watch: Watch; abort: () => void; cluster: FakeWatchCluster }) => void
  >;

  test.each(Object.entries(ENDS))("I6: by %s ends the loop and the watch at the server", async (_, end) => {
    const cluster = filled();
    const controller = new AbortController();
    const watch = cluster.client.kv.watch("a", { signal: controller.signal });
    const next = watch.next();
    await cluster.timing.drive(watch.opened());
    expect(cluster.openStreams).toBe(1);
    end({ watch, abort: () => controller.abort(), cluster });
    expect(await cluster.timing.drive(next)).toEqual({ done: true, value: undefined });
    expect(await openStreams(cluster)).toBe(0);
  });

  test("a signal that is aborted already opens nothing", async () => {
    const cluster = filled();
    const watch = cluster.client.kv.watch("a", { signal: AbortSignal.abort() });
    expect(await watch.next()).toEqual({ done: true, value: undefined });
    expect(cluster.creations).toEqual([]);
  });
});

describe("what is refused", () => {
  const cluster = new FakeWatchCluster(A);
  test.each([
    ["an empty key", "", {}],
    ["revision 0", "k", { fromRevision: 0 }],
    ["a broken revision", "k", { fromRevision: 1.5 }],
    ["a revision with the current state", "k", { fromRevision: 1, currentState: true }],
    ["a range with a prefix", { prefix: "a", start: "b" }, {}],
    ["a deadline of nothing", "k", { deadlineMs: 0 }],
  ] as const)("%s", (_, target, options) => {
    expect(() => cluster.client.kv.watch(target, options)).toThrow(
      expect.objectContaining({ reason: "INVALID_ARGUMENT" }),
    );
    expect(cluster.creations).toEqual([]);
  });
});

test("I1: a change says its revision, operation, key, value, previous value, request id and time", async () => {
  const cluster = new FakeWatchCluster(A);
  cluster.write(["k", "v"]);
  const watch = cluster.client.kv.watch({ prefix: "k" }, { fromRevision: 1, previous: true, deletes: false });
  const { value } = await cluster.timing.drive(watch.next());
  expect(value).toMatchObject({
    kind: "put",
    revision: 1,
    key: "k",
    keyBytes: Buffer.from("k"),
    cause: "txn",
    requestId: "42/1",
    time: new Date(1000),
    previous: undefined,
    record: { key: "k", bytes: Buffer.from("v"), modRevision: 1 },
  });
  expect(cluster.creations[0]?.create).toMatchObject({ withPrevious: true, noDelete: true, noPut: false });
  watch.close();
});
