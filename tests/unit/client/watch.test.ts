import { describe, expect, test } from "@jest/globals";
import { type KvEvent, QuorateError, type Watch, type WatchOptions } from "@quorate/client";
import { ErrorReason } from "@quorate/client/generated";
import { seededRandom } from "@quorate/services/std";
import { FakeWatchCluster, type FrameFate, type FrameView } from "./fake-watch-cluster";

const A = "127.0.0.1:1";
const B = "127.0.0.1:2";
const C = "127.0.0.1:3";

/** An event as the fake describes it. */
function told(event: KvEvent): string {
  switch (event.kind) {
    case "put":
      return `${event.revision} put ${event.key}=${event.record.text()}`;
    case "delete":
      return `${event.revision} delete ${event.key}`;
    case "truncated":
      return `${event.revision} truncated`;
    case "current":
      return `current ${event.record.key}=${event.record.text()}`;
    case "synced":
      return `synced ${event.revision}`;
  }
}

/** Takes events until one fits, and ends the watch. */
async function takenUntil(watch: Watch, last: (event: string) => boolean): Promise<string[]> {
  const taken: string[] = [];
  for await (const event of watch) {
    taken.push(told(event));
    if (last(told(event))) break;
  }
  return taken;
}

function takenUpTo(cluster: FakeWatchCluster, watch: Watch, revision: number): Promise<string[]> {
  const last = cluster.changesFrom(revision)[0];
  return cluster.timing.drive(takenUntil(watch, (event) => event === last));
}

/** How many streams are open once what was closed has ended. */
async function openStreams(cluster: FakeWatchCluster): Promise<number> {
  await cluster.timing.drive(cluster.passMs(5));
  return cluster.openStreams;
}

async function failureOf(cluster: FakeWatchCluster, work: Promise<unknown>): Promise<QuorateError> {
  return cluster.timing.drive(
    work.then(
      () => Promise.reject(new Error("it did not fail")),
      (error: unknown) => QuorateError.from(error),
    ),
  );
}

/** A cluster with 20 revisions: of five changes, of one, with deletions. */
function filled(addresses = `${A},${B},${C}`): FakeWatchCluster {
  const cluster = new FakeWatchCluster(addresses);
  for (let at = 0; at < 5; at += 1) {
    cluster.write(...["a", "b", "c", "d", "e"].map((key) => [key, `${at}`] as const));
    cluster.write(["a", "again"]);
    cluster.write(["b", null], ["c", null]);
    cluster.write([`f${at}`, "x"]);
  }
  cluster.write(["z", "last"]);
  return cluster;
}

/** Does `fate` with the first frame that fits, and sends all others. */
function once(fits: (frame: FrameView) => boolean, fate: FrameFate): (frame: FrameView) => FrameFate {
  let done = false;
  return (frame) => {
    if (done || !fits(frame)) return "send";
    done = true;
    return fate;
  };
}

const BREAKS = {
  "the connection breaks": "break",
  "the stream ends": "finish",
  "the endpoint falls silent": "silence",
  "the watch is ended as slow": { ended: ErrorReason.SLOW_WATCHER },
  "the node loses its leader": { ended: ErrorReason.NO_LEADER },
  "the node shuts down": { ended: ErrorReason.SHUTTING_DOWN },
  "the node serves too many watches": { ended: ErrorReason.TOO_MANY_WATCHES },
  "the watch is cancelled by nobody": { ended: ErrorReason.CANCELLED },
  "a reason of a newer server": { ended: 999 as ErrorReason },
} as const satisfies Record<string, FrameFate>;

const PLACES = {
  "at its creation": ({ kind }: FrameView) => kind === "created",
  "at its first changes": ({ kind }: FrameView) => kind === "events",
  "between changes": ({ kind, at }: FrameView) => kind === "events" && at > 6,
  "before the rest of a revision": ({ kind, continues }: FrameView) => kind === "events" && continues,
  "before the first part of a revision": ({ kind, more, at }: FrameView) =>
    kind === "events" && more && at > 3,
} as const satisfies Record<string, (frame: FrameView) => boolean>;

const ROWS = Object.entries(BREAKS).flatMap(([what, fate]) =>
  Object.entries(PLACES).map(([where, fits]) => ({ what, where, fate: fate as FrameFate, fits })),
);

describe("every break", () => {
  test.each(ROWS)("I5: $what $where: each change is told once, in order", async ({ fate, fits }) => {
    const cluster = filled();
    cluster.fate = once(fits, fate);
    const watch = cluster.client.kv.watch({}, { fromRevision: 1 });
    const taken = await takenUpTo(cluster, watch, cluster.revision);
    expect(taken).toEqual(cluster.changesFrom(1));
    expect(cluster.creations.length).toBeGreaterThan(1);
    expect(await openStreams(cluster)).toBe(0);
  });
});

describe("any number of breaks", () => {
  const fates: readonly FrameFate[] = Object.values(BREAKS);

  test.each(Array.from({ length: 60 }, (_, seed) => seed))(
    "I2, I5: changes and state are told once and in order, seed %i",
    async (seed) => {
      const random = seededRandom(seed);
      const cluster = new FakeWatchCluster(`${A},${B},${C}`);
      cluster.frameEvents = 1 + random.below(4);
      const write = () => {
        const keys = Array.from({ length: 8 }, (_, at) => `k${at}`).filter(() => random.below(3) === 0);
        cluster.write(
          ...[...keys, "always"].map(
            (key) => [key, random.below(4) === 0 && key !== "always" ? null : `${cluster.revision}`] as const,
          ),
        );
      };
      for (let at = 0; at < 15; at += 1) write();
      const begun = cluster.revision;
      let left = 25;
      cluster.fate = () => {
        if (left > 0 && random.below(3) === 0) {
          left -= 1;
          write();
        }
        return random.below(4) === 0 ? (fates[random.below(fates.length)] as FrameFate) : "send";
      };
      const withState = random.below(2) === 0;
      const options: WatchOptions = withState ? { currentState: true } : { fromRevision: 3 };
      const watch = cluster.client.kv.watch({}, options);
      const taken: string[] = [];
      const consume = async () => {
        for await (const event of watch) {
          taken.push(told(event));
          if (left === 0 && taken.at(-1)?.startsWith(`${cluster.revision} put always`)) break;
          if (random.below(10) === 0) await cluster.passMs(5);
        }
      };
      await cluster.timing.drive(consume());
      const synced = taken.findIndex((event) => event.startsWith("synced"));
      const revision = withState ? Number(taken[synced]?.split(" ")[1]) : 2;
      expect(revision).toBeGreaterThanOrEqual(withState ? begun : 2);
      const state = [...cluster.stateAt(revision)].map(
        ([key, { value }]) => `current ${key}=${Buffer.from(value).toString()}`,
      );
      expect(taken).toEqual([
        ...(withState ? [...state, `synced ${revision}`] : []),
        ...cluster.changesFrom(revision + 1),
      ]);
      expect(watch.revision).toBe(cluster.revision - 1);
      expect(await openStreams(cluster)).toBe(0);
    },
  );
});

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
