import { describe, expect, it } from "@jest/globals";
import {
  afterFirst,
  delay,
  direction,
  drop,
  duplicate,
  exponentialLatency,
  first,
  hold,
  Interference,
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
import { seededRandom } from "@quorate/services/std";
import { heartbeat, numbered, snapshot, vote } from "./messages";
import { VirtualTimers } from "./virtual-timers";

/** What one filter does by itself: messages go in at once or over time, arrivals come out. */
class Bench {
  readonly timers = new VirtualTimers();
  readonly interference = new Interference({ timers: this.timers, random: seededRandom(7) });
  readonly arrivals: { readonly message: Message; readonly atMs: number }[] = [];

  constructor(...filters: readonly NetworkFilter[]) {
    for (const filter of filters) this.interference.add(filter);
  }

  send(messages: readonly Message[]): this {
    for (const message of messages) {
      this.interference.pass(message, (delivery) =>
        this.timers.after(delivery.delayMs, () =>
          this.arrivals.push({ message: delivery.message, atMs: this.timers.nowMs() }),
        ),
      );
    }
    this.timers.runDue();
    return this;
  }

  arrived(): Message[] {
    this.timers.advance(1e6);
    return this.arrivals.map(({ message }) => message);
  }

  terms(): number[] {
    return this.arrived().map(({ term }) => term);
  }

  timesMs(): number[] {
    this.timers.advance(1e6);
    return this.arrivals.map(({ atMs }) => atMs);
  }
}

/** One message each way between each two of three members. */
const everyWay: readonly Message[] = ["n1", "n2", "n3"].flatMap((from) =>
  ["n1", "n2", "n3"].filter((to) => to !== from).map((to) => heartbeat(from, to)),
);

const waysLeft = (filter: NetworkFilter): string =>
  new Bench(filter)
    .send(everyWay)
    .arrived()
    .map(({ from, to }) => `${from[1]}${to[1]}`)
    .join(" ");

describe("filters by themselves: what gets through", () => {
  it.each([
    ["J1: drop loses everything", drop(), ""],
    ["J1: drop of probability 0 loses nothing", drop(0), "12 13 21 23 31 32"],
    ["J1: partition cuts one way", partition({ from: ["n1"], to: ["n2", "n3"] }), "21 23 31 32"],
    ["J1: partition cuts a set from a set", partition({ from: ["n1", "n2"], to: ["n3"] }), "12 21 31 32"],
    ["J1: splitInTwo cuts both ways", splitInTwo(["n1"], ["n2", "n3"]), "23 32"],
    ["J1: splitInTwo leaves out who is in no group", splitInTwo(["n1"], ["n2"]), "13 23 31 32"],
    ["J1: isolate cuts off one member", isolate("n2"), "13 31"],
    ["J1: when applies where its predicate holds", when(({ to }) => to === "n3", drop()), "12 21 31 32"],
    [
      "J2: direction applies one way between two",
      direction({ from: "n1", to: "n2" }, drop()),
      "13 21 23 31 32",
    ],
    [
      "J2: sequence applies all of its parts",
      sequence(isolate("n1"), direction({ from: "n2", to: "n3" }, drop())),
      "32",
    ],
    ["J2: sequence of nothing lets everything pass", sequence(), "12 13 21 23 31 32"],
  ])("%s", (_, filter, left) => {
    expect(waysLeft(filter)).toBe(left);
  });

  it.each([
    ["J1: first applies to so many and no more", first(2, drop()), [3, 4, 5]],
    ["J1: first of none applies to none", first(0, drop()), [1, 2, 3, 4, 5]],
    ["J1: afterFirst lets so many pass and applies to the rest", afterFirst(2, drop()), [1, 2]],
    ["J1: first and afterFirst make a window", afterFirst(1, first(2, drop())), [1, 4, 5]],
    ["J1: when sees the message", when(({ term }) => term % 2 === 0, drop()), [1, 3, 5]],
    ["J2: duplicate sends copies along", first(2, duplicate(1, 2)), [1, 1, 1, 2, 2, 2, 3, 4, 5]],
    [
      "J2: reorder lets those behind overtake",
      first(1, reorder({ probability: 1, windowMs: 10 })),
      [2, 3, 4, 5, 1],
    ],
    [
      "J2: throttle loses what exceeds its queue",
      throttle({ messagesPerSecond: 10, queueMessagesMax: 2 }),
      [1, 2, 3],
    ],
  ])("%s", (_, filter, terms) => {
    expect(new Bench(filter).send(numbered(5)).terms()).toEqual(terms);
  });

  it("J1: ofKind applies to one kind or several", () => {
    const both = [heartbeat("n1", "n2"), vote("n1", "n2")];
    expect(new Bench(ofKind("vote", drop())).send(both).arrived()).toEqual([both[0]]);
    expect(new Bench(ofKind(["heartbeat", "vote"], drop())).send(both).arrived()).toEqual([]);
  });

  it("J2: snapshots are dropped, held and collected apart from all else", () => {
    const sent = [heartbeat("n1", "n2", 1), snapshot("n1", "n2", 2), snapshot("n1", "n3", 3)];
    expect(new Bench(ofKind("snapshot", drop())).send(sent).terms()).toEqual([1]);
    expect(new Bench(ofKind("snapshot", first(1, drop()))).send(sent).terms()).toEqual([1, 3]);
    const held = hold();
    const bench = new Bench(ofKind("snapshot", held)).send(sent);
    expect(held.collected).toEqual(sent.slice(1));
    expect(bench.terms()).toEqual([1]);
    held.release(1);
    held.drop();
    expect(bench.terms()).toEqual([1, 2]);
  });

  it("J2: notifyKind tells of snapshots", () => {
    const seen: string[] = [];
    const bench = new Bench(notifyKind("snapshot", ({ to, last }) => seen.push(`${to} ${last.index}`)));
    bench.send([heartbeat("n1", "n2"), snapshot("n1", "n2"), snapshot("n1", "n3")]);
    expect([seen, bench.arrived().length]).toEqual([["n2 7", "n3 7"], 3]);
  });

  it("J2: any predicate chooses", () => {
    const isOdd = when(({ kind, to, term }) => kind === "heartbeat" && to === "n2" && term % 2 === 1, drop());
    expect(new Bench(isOdd).send([...numbered(4), snapshot("n1", "n2", 5)]).terms()).toEqual([2, 4, 5]);
  });

  const troubles: readonly (readonly [string, () => NetworkFilter, (chosen: number) => number])[] = [
    ["duplicate", () => duplicate(1, 1), () => 2],
    ["reorder", () => reorder({ probability: 1, windowMs: 10 }), () => 1],
    ["throttle", () => throttle({ messagesPerSecond: 10, queueMessagesMax: 0 }), (at) => (at === 0 ? 1 : 0)],
    ["randomLatency", () => randomLatency({ minMs: 10, maxMs: 20 }), () => 1],
  ];

  /** Two of each, to two, the second ones later in their order. */
  const mixed: readonly Message[] = ["n2", "n3"].flatMap((to) => [
    heartbeat("n1", to, 1),
    snapshot("n1", to, 2),
    heartbeat("n1", to, 3),
    snapshot("n1", to, 4),
  ]);

  it.each(
    troubles.flatMap(([name, trouble, copies]) =>
      (
        [
          ["direction", direction({ from: "n1", to: "n3" }, trouble()), ({ to }: Message) => to === "n3"],
          ["type", ofKind("snapshot", trouble()), ({ kind }: Message) => kind === "snapshot"],
          ["count", first(3, trouble()), (message: Message) => mixed.indexOf(message) < 3],
        ] as const
      ).map(([by, filter, isChosen]) => [name, by, filter, isChosen, copies] as const),
    ),
  )("J2: %s by %s", (name, _, filter, isChosen, copies) => {
    const bench = new Bench(filter).send(mixed);
    const atOnce = bench.arrivals.map(({ message }) => message);
    const arrived = bench.arrived();
    const seen = new Map<string, number>();
    for (const message of mixed) {
      const count = arrived.filter((other) => other === message).length;
      const isLate = !atOnce.includes(message);
      if (!isChosen(message)) {
        expect([count, isLate]).toEqual([1, false]);
        continue;
      }
      // A throttle counts for each link by itself.
      const before = seen.get(message.to) ?? 0;
      seen.set(message.to, before + 1);
      expect(count).toBe(copies(before));
      expect(isLate).toBe(name === "reorder" || name === "randomLatency" || count === 0);
    }
  });

  it("J2: counts by kind where one is put into the other", () => {
    const sent = [
      vote("n1", "n2", 1),
      heartbeat("n1", "n2", 2),
      heartbeat("n1", "n2", 3),
      vote("n1", "n2", 4),
    ];
    expect(new Bench(ofKind("vote", first(1, drop()))).send(sent).terms()).toEqual([2, 3, 4]);
    expect(new Bench(first(1, ofKind("heartbeat", drop()))).send(sent).terms()).toEqual([1, 2, 3, 4]);
  });

  it("J1: when may look at the time", () => {
    const bench = new Bench(when((_, { nowMs }) => nowMs < 50, drop()));
    bench.send(numbered(1)).timers.advance(50);
    expect(bench.send(numbered(1)).arrived()).toHaveLength(1);
  });

  it.each([
    ["J1: drop loses about its share", drop(0.3), 700],
    ["J2: duplicate adds about its share", duplicate(0.3), 1300],
  ])("%s", (_, filter, expected) => {
    const { length } = new Bench(filter).send(numbered(1000)).arrived();
    expect(Math.abs(length - expected)).toBeLessThan(50);
    // Equal seeds, equal fate.
    expect(new Bench(filter).send(numbered(1000)).arrived()).toHaveLength(length);
  });
});

describe("filters by themselves: when it arrives", () => {
  it.each([
    ["J1: delay holds all up alike", delay(30), [30, 30, 30]],
    ["J1: delays add up", sequence(delay(30), delay(12)), [42, 42, 42]],
    ["J2: throttle spaces evenly", throttle({ messagesPerSecond: 10, queueMessagesMax: 9 }), [0, 100, 200]],
    [
      "J2: throttle counts from when a message would have come",
      sequence(delay(50), throttle({ messagesPerSecond: 10, queueMessagesMax: 9 })),
      [50, 150, 250],
    ],
  ])("%s", (_, filter, timesMs) => {
    expect(new Bench(filter).send(numbered(3)).timesMs()).toEqual(timesMs);
  });

  it("J2: throttle lets pass at once what comes slower than its rate, each direction for itself", () => {
    const bench = new Bench(throttle({ messagesPerSecond: 10, queueMessagesMax: 0 }));
    for (let round = 0; round < 3; round += 1) {
      bench.send([...numbered(2), ...numbered(2, { from: "n2", to: "n1" })]);
      bench.timers.advance(100);
    }
    expect(bench.timesMs()).toEqual([0, 0, 100, 100, 200, 200]);
  });

  it("J2: randomLatency stays in its range and lets messages overtake each other", () => {
    const bench = new Bench(randomLatency({ minMs: 10, maxMs: 20 })).send(numbered(500));
    const timesMs = bench.timesMs();
    expect([timesMs.length, Math.floor(Math.min(...timesMs)), Math.floor(Math.max(...timesMs))]).toEqual([
      500, 10, 19,
    ]);
    expect(bench.terms()).not.toEqual(numbered(500).map(({ term }) => term));
  });

  it("J2: exponentialLatency is short mostly and long at times", () => {
    const timesMs = new Bench(exponentialLatency({ meanMs: 10 })).send(numbered(2000)).timesMs();
    const mean = timesMs.reduce((sum, ms) => sum + ms, 0) / timesMs.length;
    expect(Math.abs(mean - 10)).toBeLessThan(1);
    expect(timesMs[1000]).toBeLessThan(8.5);
    expect(timesMs.at(-1)).toBeGreaterThan(40);
  });

  it("J2: inOrder keeps the order of a link under any latency", () => {
    const terms = new Bench(inOrder(randomLatency({ minMs: 0, maxMs: 100 }))).send(numbered(100)).terms();
    expect(terms).toEqual(numbered(100).map(({ term }) => term));
  });
});

describe("filters by themselves: what is told and kept", () => {
  it("J2: notifyKind tells of its kind and lets all pass", () => {
    const seen: number[] = [];
    const bench = new Bench(notifyKind("vote", (message) => seen.push(message.last.index)));
    expect(bench.send([heartbeat("n1", "n2"), vote("n1", "n2")]).arrived()).toHaveLength(2);
    expect(seen).toEqual([0]);
  });

  it("J2: hold collects, and lets go in order when released", () => {
    const held = hold();
    const bench = new Bench(ofKind("heartbeat", held));
    bench.send([...numbered(3), vote("n1", "n2", 9)]);
    expect(held.collected).toEqual(numbered(3));
    expect(bench.terms()).toEqual([9]);
    held.release(1);
    expect(bench.terms()).toEqual([9, 1]);
    bench.send(numbered(1));
    held.release();
    expect(bench.terms()).toEqual([9, 1, 2, 3, 1]);
    expect(held.collected).toEqual([]);
  });

  it("J2: hold drops what it has when told to", () => {
    const held = hold();
    const bench = new Bench(held).send(numbered(3));
    held.drop();
    held.release();
    expect(bench.terms()).toEqual([]);
  });

  it("J2: hold loses what exceeds its bound", () => {
    const held = hold({ messagesMax: 2 });
    new Bench(held).send(numbered(3));
    expect(held.collected).toEqual(numbered(2));
  });

  it.each([
    ["added one after the other", (held: NetworkFilter) => new Bench(held, delay(30), first(1, drop()))],
    ["in a sequence", (held: NetworkFilter) => new Bench(sequence(held, delay(30), first(1, drop())))],
    [
      "in a sequence in a sequence",
      (held: NetworkFilter) => new Bench(sequence(sequence(held, delay(30)), first(1, drop()))),
    ],
  ])("J2: what is released goes through the filters behind: %s", (_, benchOf) => {
    const held = hold();
    const bench = benchOf(held).send(numbered(3));
    bench.timers.advance(100);
    held.release();
    expect(bench.timesMs()).toEqual([130, 130]);
    expect(bench.terms()).toEqual([2, 3]);
  });

  it("J2: a hold that was taken away still lets go, through what is behind it by then", () => {
    const held = hold();
    const bench = new Bench(drop(0));
    const takeAway = bench.interference.add(held);
    bench.send(numbered(2));
    takeAway();
    bench.interference.add(delay(5));
    held.release();
    expect(bench.timesMs()).toEqual([5, 5]);
    expect(bench.send(numbered(1)).terms()).toEqual([1, 2, 1]);
  });
});
