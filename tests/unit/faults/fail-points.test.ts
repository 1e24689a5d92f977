import { beforeEach, describe, expect, it } from "@jest/globals";
import {
  FAIL_POINTS,
  type FailPointName,
  FailPoints,
  guardLogStore,
  guardStateStore,
  guardTransport,
} from "@quorate/services/faults";
import {
  MemoryLogDisk,
  MemoryStateDisk,
  openMemoryLogStore,
  openMemoryStateStore,
} from "@quorate/services/memory";
import type { Message } from "@quorate/services/raft";
import { type LogStore, StoreFailure, type Transport } from "@quorate/services/replica";
import { heartbeat, numbered } from "./messages";
import { VirtualCluster } from "./virtual-cluster";

/** What the promise has come to once everything that goes on by itself has. */
async function stateOf(promise: Promise<unknown>): Promise<unknown> {
  const open = new Promise((resolve) => setImmediate(() => resolve("open")));
  return Promise.race([
    promise.then(
      (value) => value ?? "done",
      (failure: unknown) => failure,
    ),
    open,
  ]);
}

describe("fail points", () => {
  let crashes: FailPointName[];
  let failPoints: FailPoints;

  beforeEach(() => {
    crashes = [];
    failPoints = new FailPoints({ onCrash: (name) => crashes.push(name) });
  });

  const kinds = (name: FailPointName, times: number): string =>
    Array.from({ length: times }, () => failPoints.hit(name).kind).join(" ");

  it.each(FAIL_POINTS)(
    "J9: %s lets everything pass until it is set, and again when it is cleared",
    (name) => {
      expect(kinds(name, 1)).toBe("go_on");
      failPoints.set(name, "error");
      expect(kinds(name, 2)).toBe("error error");
      failPoints.clear(name);
      expect(kinds(name, 1)).toBe("go_on");
      expect(failPoints.hits(name)).toBe(4);
    },
  );

  it("J9: a name that no point has is refused with those that there are", () => {
    expect(() => failPoints.set("log.apend.before" as string as FailPointName, "error")).toThrow(
      /no fail point "log.apend.before": they are log.append.before, /,
    );
  });

  it.each([
    ["after so many hits", { afterHits: 2 }, "go_on go_on error error error"],
    ["so many times", { hits: 1 }, "error go_on go_on go_on go_on"],
    ["so many times after so many hits", { afterHits: 1, hits: 2 }, "go_on error error go_on go_on"],
  ])("J9: a point takes effect %s, counted from when it was set", (_, window, expected) => {
    kinds("log.append.before", 3);
    failPoints.set("log.append.before", "error", window);
    expect(kinds("log.append.before", 5)).toBe(expected);
  });

  it("J9: clear without a name clears all", () => {
    for (const name of FAIL_POINTS) failPoints.set(name, "error");
    failPoints.clear();
    for (const name of FAIL_POINTS) expect(kinds(name, 1)).toBe("go_on");
  });

  it("J9: a crash is told before the hit returns, with the point's name", () => {
    failPoints.set("state.write.after", "crash", { hits: 1 });
    expect(kinds("state.write.after", 1)).toBe("crash");
    expect(crashes).toEqual(["state.write.after"]);
    expect(failPoints.crashes).toBe(1);
  });

  it("J9: reached resolves when the point takes effect, and stays so", async () => {
    failPoints.set("log.append.after", "pause", { afterHits: 1 });
    const reached = failPoints.reached("log.append.after");
    kinds("log.append.after", 1);
    expect(await stateOf(reached)).toBe("open");
    kinds("log.append.after", 1);
    expect(await stateOf(reached)).toBe("done");
    expect(await stateOf(failPoints.reached("log.append.after"))).toBe("done");
  });

  it("J9: reached rejects when the point is cleared before anything came", async () => {
    failPoints.set("log.append.after", "pause");
    const reached = failPoints.reached("log.append.after");
    failPoints.clear("log.append.after");
    await expect(reached).rejects.toThrow("cleared before");
    expect(() => failPoints.reached("log.append.after")).toThrow("waits for a fail point that is set");
  });
});

describe("fail points around the log store", () => {
  let disk: MemoryLogDisk;
  let failPoints: FailPoints;
  let log: LogStore;

  beforeEach(() => {
    disk = new MemoryLogDisk();
    failPoints = new FailPoints({ onCrash: () => disk.crash() });
    log = guardLogStore(openMemoryLogStore(disk), failPoints);
  });

  const append = (index: number): Promise<void> =>
    log.append(
      { entries: [{ term: 1, index, kind: "normal", data: new Uint8Array([index]) }], hardState: null },
      { sync: true },
    );

  it.each([
    ["J9: error before an append", "log.append.before", 0],
    ["J9: error after an append", "log.append.after", 1],
  ] as const)("%s refuses it and all that follow", async (_, name, held) => {
    failPoints.set(name, "error", { hits: 1 });
    const failed = append(1);
    await expect(failed).rejects.toThrow(StoreFailure);
    await expect(failed).rejects.toThrow(name);
    await expect(append(2)).rejects.toThrow(name);
    await expect(log.reset({ term: 1, index: 9 })).rejects.toThrow(name);
    expect([log.firstIndex(), log.lastIndex(), disk.lastIndex]).toEqual([1, held, held]);
  });

  it.each([
    ["J9: crash before an append", "log.append.before", 0],
    ["J9: crash after an append", "log.append.after", 1],
  ] as const)(
    "%s ends the process: no call returns, and the disk has what was done",
    async (_, name, held) => {
      failPoints.set(name, "crash");
      expect(await stateOf(append(1))).toBe("open");
      failPoints.clear();
      expect(await stateOf(append(2))).toBe("open");
      const reopened = guardLogStore(openMemoryLogStore(disk), failPoints);
      expect(reopened.lastIndex()).toBe(held);
      log = reopened;
      expect(await stateOf(append(held + 1))).toBe("done");
    },
  );

  it.each([
    ["J9: pause before an append", "log.append.before", 0],
    ["J9: pause after an append", "log.append.after", 1],
  ] as const)("%s keeps it and those behind it waiting until it is cleared", async (_, name, held) => {
    failPoints.set(name, "pause", { hits: 1 });
    const [one, two] = [append(1), append(2)];
    await failPoints.reached(name);
    expect([await stateOf(one), await stateOf(two), log.lastIndex()]).toEqual(["open", "open", held]);
    failPoints.clear(name);
    expect([await stateOf(one), await stateOf(two), log.lastIndex()]).toEqual(["done", "done", 2]);
  });

  it("J9: a write that waits when another point ends the process never returns", async () => {
    failPoints.set("log.append.before", "pause");
    const waiting = append(1);
    await failPoints.reached("log.append.before");
    failPoints.set("transport.send.before", "crash");
    guardTransport({ send: () => undefined }, failPoints).send([heartbeat("n1", "n2")]);
    failPoints.clear();
    expect([await stateOf(waiting), disk.lastIndex]).toEqual(["open", 0]);
  });

  it("J9: a reset meets its points", async () => {
    failPoints.set("log.reset.after", "pause");
    const reset = log.reset({ term: 2, index: 7 });
    await failPoints.reached("log.reset.after");
    expect([failPoints.hits("log.reset.before"), disk.after.index, await stateOf(reset)]).toEqual([
      1,
      7,
      "open",
    ]);
    failPoints.clear();
    expect(await stateOf(reset)).toBe("done");
  });

  it("J9: what is read synchronously meets none", async () => {
    await append(1);
    for (const name of FAIL_POINTS) failPoints.set(name, "error");
    expect([log.term(1), log.hardState.term, log.counters.syncs]).toEqual([1, 0, 1]);
    expect(log.entries({ from: 1, toExclusive: 2, bytesMax: 100 })).toHaveLength(1);
    await log.close();
  });
});

describe("fail points around the state store", () => {
  it("J9: an error ends it for reads of all kinds", async () => {
    const failPoints = new FailPoints({ onCrash: () => undefined });
    const state = guardStateStore(openMemoryStateStore(new MemoryStateDisk()), failPoints);
    await state.read({ keys: [], ranges: [] });
    failPoints.set("state.read.before", "error", { hits: 1 });
    await expect(state.read({ keys: [], ranges: [] })).rejects.toThrow(StoreFailure);
    await expect(state.read({ keys: [], ranges: [] })).rejects.toThrow(StoreFailure);
    const query = { namespaceId: 1, generation: 0, revision: 1, keysOnly: false };
    await expect(state.records({ ...query, keys: [] })).rejects.toThrow(StoreFailure);
    const scan = state.scan({ ...query, start: new Uint8Array(), end: null, reverse: false });
    await expect(scan[Symbol.asyncIterator]().next()).rejects.toThrow(StoreFailure);
    expect(failPoints.hits("state.read.before")).toBe(2);
  });
});

describe("fail points around the transport", () => {
  let sent: number[];
  let failPoints: FailPoints;
  let transport: Transport;

  beforeEach(() => {
    sent = [];
    failPoints = new FailPoints({ onCrash: () => undefined });
    const inner = { send: (messages: readonly Message[]) => sent.push(...messages.map(({ term }) => term)) };
    transport = guardTransport(inner, failPoints);
  });

  const sendFour = (): void => {
    for (const message of numbered(4)) transport.send([message]);
  };

  it.each([
    ["J9: error before a send loses it", "transport.send.before", "error", [1, 3, 4]],
    ["J9: error after a send changes nothing", "transport.send.after", "error", [1, 2, 3, 4]],
    ["J9: crash before a send ends all sending", "transport.send.before", "crash", [1]],
    ["J9: crash after a send ends all sending", "transport.send.after", "crash", [1, 2]],
    ["J9: pause before a send keeps all behind it waiting", "transport.send.before", "pause", [1]],
    ["J9: pause after a send keeps all behind it waiting", "transport.send.after", "pause", [1, 2]],
  ] as const)("%s", (_, name, action, expected) => {
    failPoints.set(name, action, { afterHits: 1, hits: 1 });
    sendFour();
    expect(sent).toEqual(expected);
  });

  it.each(["transport.send.before", "transport.send.after"] as const)(
    "J9: what waited at %s leaves in its order when it is cleared",
    async (name) => {
      failPoints.set(name, "pause");
      sendFour();
      failPoints.clear();
      await new Promise((resolve) => setImmediate(resolve));
      expect(sent).toEqual([1, 2, 3, 4]);
    },
  );
});

describe("fail points in whole replicas", () => {
  let cluster: VirtualCluster;
  let leader: string;

  beforeEach(async () => {
    cluster = new VirtualCluster(3);
    leader = await cluster.leader();
    expect(await cluster.incrementTimes(leader, 1)).toEqual(["applied"]);
  });

  /** Those that every write comes by; the others are in snapshots.test.ts. */
  const pointsOfWrites = FAIL_POINTS.filter((name) =>
    /^(log\.append|state\.(read|write)|transport\.send)\./.test(name),
  );

  it.each(pointsOfWrites)(
    "J9: a leader that crashes at %s comes back and the cluster agrees",
    async (name) => {
      const seat = cluster.seat(leader);
      seat.failPoints.set(name, "crash", { hits: 1 });
      void cluster.increment(leader);
      const reached = cluster.outcome(seat.failPoints.reached(name));
      await reached;
      expect(seat.replica).toBeNull();
      await cluster.leader(cluster.others(leader));
      cluster.start(leader);
      await cluster.incrementInSession(3);
      const values = new Set(await cluster.converged());
      expect(values.size).toBe(1);
      // The one in flight was acknowledged to nobody: both outcomes are right.
      expect(["4", "5"]).toContain([...values][0]);
    },
  );

  it.each([
    "log.append.before",
    "log.append.after",
    "state.read.before",
    "state.write.before",
    "state.write.after",
  ] as const)(
    "J9: an error at %s ends the leader's replica, whose outcome is then unknown, and another leads",
    async (name) => {
      const seat = cluster.seat(leader);
      seat.failPoints.set(name, "error", { hits: 1 });
      const outcome = cluster.outcome(cluster.increment(leader));
      expect(await outcome).toEqual({ kind: "unknown", reason: "store_lost" });
      cluster.crash(leader);
      const next = await cluster.leader(cluster.others(leader));
      expect(await cluster.incrementTimes(next, 1)).toEqual(["applied"]);
      cluster.start(leader);
      expect(new Set(await cluster.converged()).size).toBe(1);
    },
  );

  it("J9: a follower that pauses at its append does not answer; the quorum goes on, and it catches up", async () => {
    const [slow, other] = cluster.others(leader) as [string, string];
    const { failPoints } = cluster.seat(slow);
    failPoints.set("log.append.before", "pause");
    expect(await cluster.incrementTimes(leader, 2)).toEqual(["applied", "applied"]);
    cluster.seat(other).failPoints.set("log.append.before", "pause");
    const stuck = cluster.increment(leader);
    await cluster.run(500);
    expect(await stateOf(stuck)).toBe("open");
    failPoints.clear();
    expect((await cluster.outcome(stuck)).kind).toBe("applied");
    cluster.seat(other).failPoints.clear();
    expect(await cluster.converged()).toEqual(["4", "4", "4"]);
  });

  it("J9: a leader whose sends are paused is replaced, and what it sends late changes nothing", async () => {
    const { failPoints } = cluster.seat(leader);
    failPoints.set("transport.send.before", "pause");
    const lost = cluster.increment(leader);
    const next = await cluster.leader(cluster.others(leader));
    expect(await cluster.incrementTimes(next, 1)).toEqual(["applied"]);
    failPoints.clear();
    expect(await cluster.converged()).toEqual(["2", "2", "2"]);
    expect((await cluster.outcome(lost)).kind).not.toBe("applied");
  });

  it("J9: a member that crashes at every start is no member until the point is cleared", async () => {
    const [looping] = cluster.others(leader) as [string];
    const seat = cluster.seat(looping);
    seat.failPoints.set("log.append.after", "crash");
    for (let round = 1; round <= 3; round += 1) {
      await cluster.incrementTimes(leader, 1);
      await cluster.until("the next crash", () => seat.replica === null);
      expect(seat.failPoints.crashes).toBe(round);
      cluster.start(looping);
    }
    seat.failPoints.clear();
    expect(await cluster.converged()).toEqual(["4", "4", "4"]);
  });
});
