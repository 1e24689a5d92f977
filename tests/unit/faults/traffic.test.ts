import { beforeEach, describe, expect, it } from "@jest/globals";
import {
  afterFirst,
  delay,
  direction,
  drop,
  duplicate,
  exponentialLatency,
  first,
  hold,
  inOrder,
  isolate,
  type NetworkFilter,
  notifyKind,
  ofKind,
  partition,
  randomLatency,
  reorder,
  sequence,
  splitInTwo,
  throttle,
  when,
} from "@quorate/services/faults";
import type { Message } from "@quorate/services/raft";
import { VirtualCluster } from "./virtual-cluster";

const carriesEntries = (message: Message): boolean => message.kind === "append" && message.entries.length > 0;

/** The filter, and how many messages it did not simply let pass. */
function watch(filter: NetworkFilter): NetworkFilter & { readonly actedOn: number } {
  let actedOn = 0;
  return {
    name: filter.name,
    get actedOn() {
      return actedOn;
    },
    apply: (delivery, context) => {
      const passed = filter.apply(delivery, context);
      if (passed.length !== 1 || passed[0]?.delayMs !== delivery.delayMs) actedOn += 1;
      return passed;
    },
  };
}

describe("filters on the traffic of whole replicas", () => {
  let cluster: VirtualCluster;
  let leader: string;
  let others: readonly string[];

  beforeEach(async () => {
    cluster = new VirtualCluster(3);
    leader = await cluster.leader();
    others = cluster.others(leader);
  });

  const applied = (count: number): "applied"[] => new Array(count).fill("applied");

  const onlyOneLeaderATerm = (): void => {
    for (const [, ids] of cluster.leaders) expect(ids.size).toBe(1);
  };

  const survivable: readonly (readonly [string, () => NetworkFilter])[] = [
    ["J1: drop", () => drop(0.2)],
    ["J1: delay", () => delay(40)],
    ["J1: first", () => first(50, drop())],
    ["J1: afterFirst", () => afterFirst(10, drop(0.2))],
    ["J1: ofKind", () => ofKind(["append", "append_response"], drop(0.4))],
    ["J1: when", () => when(carriesEntries, drop(0.4))],
    ["J2: duplicate", () => duplicate(0.5, 2)],
    ["J2: reorder", () => reorder({ probability: 0.3, windowMs: 300 })],
    ["J2: throttle", () => throttle({ messagesPerSecond: 50, queueMessagesMax: 20 })],
    ["J2: randomLatency", () => randomLatency({ minMs: 1, maxMs: 200 })],
    ["J2: exponentialLatency", () => exponentialLatency({ meanMs: 50 })],
    ["J2: inOrder", () => inOrder(randomLatency({ minMs: 1, maxMs: 200 }))],
    ["J2: sequence", () => sequence(drop(0.1), duplicate(0.3), exponentialLatency({ meanMs: 20 }))],
  ];

  it.each(survivable)(
    "%s troubles the traffic, and each increment is applied once everywhere",
    async (_, filter) => {
      const watched = watch(filter());
      cluster.network.add(watched);
      await cluster.incrementInSession(20);
      expect(watched.actedOn).toBeGreaterThan(0);
      cluster.network.clear();
      await cluster.run(2_000);
      expect(await cluster.converged()).toEqual(["20", "20", "20"]);
      onlyOneLeaderATerm();
    },
  );

  it("J1: delay makes a commit take as long as the way there and back", async () => {
    cluster.network.add(delay(40));
    const beganMs = cluster.timers.nowMs();
    expect(await cluster.incrementTimes(leader, 1)).toEqual(applied(1));
    expect(cluster.timers.nowMs() - beganMs).toBeGreaterThanOrEqual(80);
  });

  it("J1: partition one way from the leader makes another lead", async () => {
    cluster.network.add(partition({ from: [leader], to: others }));
    await cluster.until("a new leader", () => others.some((id) => cluster.replica(id).isLeader));
    expect(await cluster.incrementTimes(await cluster.leader(others), 3)).toEqual(applied(3));
    onlyOneLeaderATerm();
  });

  it("J1: ofKind takes the answers to appends, so nothing commits, and leaves the leader its heartbeats", async () => {
    const { term } = cluster.replica(leader).leader;
    const takeAway = cluster.network.add(ofKind("append_response", drop()));
    const outcome = cluster.increment(leader);
    await cluster.run(5_000);
    expect(await cluster.counters()).toEqual(["", "", ""]);
    expect(cluster.replica(leader).leader).toEqual({ id: leader, term });
    takeAway();
    await cluster.run(500);
    expect((await outcome).kind).toBe("applied");
  });

  it("J1: when starves one follower of entries, and the others commit without it", async () => {
    const [starved] = others as [string];
    const takeAway = cluster.network.add(
      when((message) => carriesEntries(message) && message.to === starved, drop()),
    );
    expect(await cluster.incrementTimes(leader, 5)).toEqual(applied(5));
    await cluster.run(300);
    expect((await cluster.counters()).filter((value) => value === "5")).toHaveLength(2);
    takeAway();
    expect(await cluster.converged()).toEqual(["5", "5", "5"]);
  });

  it("J1: first loses the first entries sent, which are sent again", async () => {
    let lost = 0;
    const filter = first(
      2,
      sequence(
        notifyKind("append", () => (lost += 1)),
        drop(),
      ),
    );
    cluster.network.add(when(carriesEntries, filter));
    expect(await cluster.incrementTimes(leader, 1)).toEqual(applied(1));
    expect(lost).toBe(2);
  });

  it("J1: splitInTwo lets the greater side of five go on and the smaller commit nothing", async () => {
    cluster = new VirtualCluster(5);
    leader = await cluster.leader();
    const smaller = [leader, cluster.others(leader)[0]!];
    const greater = cluster.others(...smaller);
    cluster.network.add(splitInTwo(smaller, greater));
    const lost = cluster.increment(leader);
    const leaderOfGreater = await cluster.leader(greater);
    expect(await cluster.incrementTimes(leaderOfGreater, 3)).toEqual(applied(3));
    await cluster.until("the old leader to step down", () => !cluster.replica(leader).isLeader);
    cluster.network.clear();
    expect(await cluster.converged()).toEqual(["3", "3", "3", "3", "3"]);
    expect((await lost).kind).not.toBe("applied");
    onlyOneLeaderATerm();
  });

  it("J1: isolate cuts off the leader, and the rest elects another", async () => {
    const takeAway = cluster.network.add(isolate(leader));
    const next = await cluster.leader(others);
    expect(await cluster.incrementTimes(next, 3)).toEqual(applied(3));
    await cluster.until("the old leader to step down", () => !cluster.replica(leader).isLeader);
    takeAway();
    expect(await cluster.converged()).toEqual(["3", "3", "3"]);
    onlyOneLeaderATerm();
  });

  it("J2: direction cuts one way between two, and the third carries the cluster", async () => {
    const [follower] = others as [string];
    cluster.network.add(direction({ from: leader, to: follower }, drop()));
    const arrivedBefore = cluster.arrived.length;
    await cluster.incrementInSession(3);
    const since = cluster.arrived.slice(arrivedBefore).map(({ message }) => `${message.from}>${message.to}`);
    expect(since).not.toContain(`${leader}>${follower}`);
    onlyOneLeaderATerm();
  });

  it("J2: throttle spaces the messages of a link", async () => {
    cluster.network.add(throttle({ messagesPerSecond: 20, queueMessagesMax: 100 }));
    await cluster.run(200);
    const arrivedBefore = cluster.arrived.length;
    expect(await cluster.incrementTimes(leader, 5)).toEqual(applied(5));
    const [follower] = others as [string];
    const timesMs = cluster.arrived
      .slice(arrivedBefore)
      .filter(({ message }) => message.from === leader && message.to === follower)
      .map(({ atMs }) => atMs);
    const gapsMs = timesMs.slice(1).map((atMs, at) => atMs - timesMs[at]!);
    expect(gapsMs.length).toBeGreaterThan(3);
    expect(Math.min(...gapsMs)).toBeGreaterThanOrEqual(49.999);
  });

  it("J2: duplicate brings everything twice", async () => {
    cluster.network.add(duplicate());
    const arrivedBefore = cluster.arrived.length;
    await cluster.incrementTimes(leader, 1);
    const since = cluster.arrived.slice(arrivedBefore).map(({ message }) => message);
    expect(since.length).toBeGreaterThan(0);
    for (const message of since) expect(since.filter((other) => other === message)).toHaveLength(2);
  });

  it("J2: notifyKind tells of an election", async () => {
    const candidates = new Set<string>();
    cluster.network.add(notifyKind("vote", ({ from }) => candidates.add(from)));
    cluster.crash(leader);
    const next = await cluster.leader(others);
    expect([...candidates]).toContain(next);
  });

  it("J2: hold collects one kind; released, the commit goes on as if it had been slow", async () => {
    const held = hold();
    cluster.network.add(ofKind("append", held));
    const outcome = cluster.increment(leader);
    await cluster.run(500);
    expect(held.collected.filter(carriesEntries).length).toBeGreaterThanOrEqual(2);
    expect(await cluster.counters()).toEqual(["", "", ""]);
    cluster.network.clear();
    held.release();
    await cluster.run(500);
    expect((await outcome).kind).toBe("applied");
    expect(await cluster.converged()).toEqual(["1", "1", "1"]);
  });

  it("J2: hold drops what it has collected, and the leader sends it again", async () => {
    const held = hold();
    const takeAway = cluster.network.add(ofKind("append", held));
    const outcome = cluster.increment(leader);
    await cluster.run(300);
    held.drop();
    takeAway();
    await cluster.run(1_000);
    expect((await outcome).kind).toBe("applied");
  });

  it("J2: messages of a leader's last term, held until another leads, change nothing", async () => {
    const held = hold();
    cluster.network.add(when(({ from, kind }) => from === leader && kind === "append", held));
    void cluster.increment(leader);
    await cluster.run(100);
    cluster.network.isolate(leader);
    const next = await cluster.leader(others);
    expect(await cluster.incrementTimes(next, 2)).toEqual(applied(2));
    cluster.network.heal();
    held.release();
    cluster.network.clear();
    await cluster.run(1_000);
    expect(await cluster.converged()).toEqual(["2", "2", "2"]);
    onlyOneLeaderATerm();
  });

  it.each([
    ["reset", () => cluster.network.reset({ from: leader, to: others[0]! })],
    ["halfOpen", () => cluster.network.halfOpen({ from: leader, to: others[0]! })],
    ["refuseConnections", () => cluster.network.refuseConnections({ from: others[0]!, to: leader })],
  ])("goes on under %s of one connection, and agrees when healed", async (_, trouble) => {
    trouble();
    await cluster.incrementInSession(5);
    await cluster.run(3_000);
    cluster.network.heal();
    await cluster.run(2_000);
    expect(await cluster.converged()).toEqual(["5", "5", "5"]);
    onlyOneLeaderATerm();
  });

  it("does the same again from the same seeds", async () => {
    const run = async (): Promise<readonly object[]> => {
      const again = new VirtualCluster(3);
      again.network.add(drop(0.1));
      again.network.add(exponentialLatency({ meanMs: 30 }));
      await again.incrementInSession(5);
      return again.arrived;
    };
    expect(await run()).toEqual(await run());
  });

  it("J1 J2: the same values act on a Transport that is wrapped", async () => {
    const held = hold();
    cluster.interference.add(delay(40));
    cluster.interference.add(ofKind("append", held));
    const beganMs = cluster.timers.nowMs();
    const outcome = cluster.increment(leader);
    await cluster.run(100);
    expect(held.collected.filter(carriesEntries).length).toBeGreaterThanOrEqual(2);
    cluster.interference.clear();
    held.release();
    await cluster.run(500);
    expect((await outcome).kind).toBe("applied");
    const firstEntries = cluster.arrived.find(
      ({ message, atMs }) => atMs > beganMs && carriesEntries(message),
    );
    expect(firstEntries?.atMs).toBe(beganMs + 140);

    cluster.interference.isolate(leader);
    const next = await cluster.leader(others);
    expect(await cluster.incrementTimes(next, 1)).toEqual(applied(1));
    cluster.interference.heal();
    expect(await cluster.converged()).toEqual(["2", "2", "2"]);
    onlyOneLeaderATerm();
  });
});
