import { beforeEach, describe, expect, it } from "@jest/globals";
import { Network, type NetworkMember } from "@quorate/services/faults";
import { foundingMembership, type MembershipState } from "@quorate/services/kv";
import type { MemberId, Message } from "@quorate/services/raft";
import type { Introduction, Transport } from "@quorate/services/replica";
import { seededRandom } from "@quorate/services/std";
import { heartbeat, vote } from "./messages";
import { VirtualTimers } from "./virtual-timers";

/** A member that writes down all that the network tells it. */
class Recorder implements NetworkMember {
  readonly received: (readonly Message[])[] = [];
  readonly unreachable: MemberId[] = [];
  readonly reset: MemberId[] = [];
  readonly noted: string[] = [];
  readonly addresses = { clientAddress: "here:1", peerAddress: "here:2" };
  membership: MembershipState = FOUNDING;
  removals = 0;
  readonly stores = new Map<MemberId, string>();

  constructor(
    readonly id: MemberId,
    readonly storeId = `store-${id}`,
  ) {}

  receive(messages: readonly Message[]): void {
    this.received.push(messages);
  }

  reportUnreachable(peer: MemberId): void {
    this.unreachable.push(peer);
  }

  reportReset(peer: MemberId): void {
    this.reset.push(peer);
  }

  memberStore(memberId: MemberId): string | null {
    return this.stores.get(memberId) ?? null;
  }

  noteIntroduction({ memberId, storeId, addresses, epoch }: Introduction): void {
    this.noted.push(`${memberId}=${storeId} ${addresses?.peerAddress} ${epoch}`);
  }

  removed(): void {
    this.removals += 1;
  }
}

const FOUNDING = foundingMembership(
  ["n1", "n2", "n3"].map((id) => ({ id, clientAddress: `${id}:1`, peerAddress: `${id}:2` })),
);
/** One change later n1 is no member any more. */
const WITHOUT_N1: MembershipState = {
  ...FOUNDING,
  epoch: 1,
  members: FOUNDING.members.slice(1),
  retiredStores: ["store-n1"],
};

const forth = { from: "n1", to: "n2" };
const ping = heartbeat("n1", "n2");

describe("a network in process", () => {
  let timers: VirtualTimers;
  let network: Network;
  let n1: Recorder;
  let n2: Recorder;
  let fromN1: Transport;

  beforeEach(() => {
    timers = new VirtualTimers();
    network = new Network({ timers, random: seededRandom(1) });
    n1 = new Recorder("n1");
    n2 = new Recorder("n2");
    fromN1 = network.attach(n1);
    network.attach(n2);
  });

  /** Sends one message: true when it has arrived within the time given. */
  const arrives = (withinMs = 0): boolean => {
    const before = n2.received.length;
    fromN1.send([ping]);
    timers.advance(withinMs);
    return n2.received.length > before;
  };

  it("delivers what was sent together in one piece, after the call that sent it", () => {
    const messages = [ping, vote("n1", "n2"), heartbeat("n1", "n2")];
    fromN1.send(messages);
    expect(n2.received).toEqual([]);
    timers.runDue();
    expect(n2.received).toEqual([messages]);
  });

  it("takes nothing that a member says in another's name, as a peer service does", () => {
    fromN1.send([vote("n3", "n2"), ping]);
    timers.runDue();
    expect(n2.received).toEqual([[ping]]);
  });

  it("delivers in the order of arrival where filters delay", () => {
    const slow = { ...ping, term: 7 };
    network.add({
      name: "slow",
      apply: ({ message }) => [{ message, delayMs: message.term === 7 ? 20 : 10 }],
    });
    fromN1.send([slow, ping]);
    timers.advance(9);
    expect(n2.received).toEqual([]);
    timers.advance(100);
    expect(n2.received).toEqual([[ping], [slow]]);
  });

  it("introduces two processes to each other at their first contact", () => {
    expect(arrives() && arrives()).toBe(true);
    expect([n1.noted, n2.noted]).toEqual([["n2=store-n2 here:2 0"], ["n1=store-n1 here:2 0"]]);
    network.detach("n2");
    network.attach(n2);
    expect(arrives()).toBe(true);
    expect(n2.noted).toEqual(["n1=store-n1 here:2 0", "n1=store-n1 here:2 0"]);
  });

  it("G6: refuses a member that was removed, even amid a connection, and tells it so", () => {
    expect(arrives()).toBe(true);
    n2.membership = WITHOUT_N1;
    expect([arrives(), arrives(), n1.removals, n2.removals]).toEqual([false, false, 2, 0]);
  });

  it("G6: a member that was removed hears of it from whoever still talks to it", () => {
    n1.membership = {
      ...WITHOUT_N1,
      members: [FOUNDING.members[0]!, FOUNDING.members[2]!],
      retiredStores: ["store-n2"],
    };
    expect([arrives(), n1.removals, n2.removals]).toEqual([false, 0, 1]);
  });

  it("G6: a member that was removed and has nothing to send hears of it when it greets, where it gets through", () => {
    network.greet("n1");
    timers.advance(0);
    expect([n1.removals, n2.removals]).toEqual([0, 0]);
    n2.membership = WITHOUT_N1;
    network.cut(forth);
    network.greet("n1");
    timers.advance(0);
    expect([n1.removals, n2.removals]).toEqual([0, 0]);
    network.heal();
    network.greet("n1");
    timers.advance(0);
    expect([n1.removals, n2.removals]).toEqual([1, 0]);
  });

  it("G6: refuses a stranger without a word on its fate, unless it knows of more changes", () => {
    n2.membership = { ...WITHOUT_N1, retiredStores: [] };
    expect([arrives(), n1.removals]).toEqual([false, 0]);
    n1.membership = { ...FOUNDING, epoch: 2 };
    expect([arrives(), n2.noted]).toEqual([true, ["n1=store-n1 here:2 2"]]);
  });

  it.each([
    ["the receiver", () => n2.stores.set("n1", "an older directory")],
    ["the sender", () => n1.stores.set("n2", "an older directory")],
  ])("carries nothing where %s knows the other by another store, and says so once", (_, record) => {
    record();
    fromN1.send([ping]);
    fromN1.send([ping]);
    timers.advance(0);
    expect([n2.received, n1.noted, n2.noted]).toEqual([[], [], []]);
    expect(n1.unreachable).toEqual(["n2"]);
  });

  it("loses what a process sent to one that it had not been introduced to when it went", () => {
    n1.stores.set("n2", "another store");
    fromN1.send([ping]);
    network.detach("n1");
    timers.runDue();
    expect(n2.received).toEqual([]);
  });

  it("carries on where the recorded store is the sender's", () => {
    n2.stores.set("n1", "store-n1");
    expect(arrives()).toBe(true);
  });

  it("tells once a burst that a member is gone, and not from within the send", () => {
    network.detach("n2");
    fromN1.send([ping, ping]);
    fromN1.send([ping]);
    expect(n1.unreachable).toEqual([]);
    timers.advance(0);
    expect(n1.unreachable).toEqual(["n2"]);
    expect(arrives()).toBe(false);
    expect(n1.unreachable).toEqual(["n2", "n2"]);
  });

  it("loses what is on its way to a member that goes, even when it comes back at once", () => {
    network.add({ name: "slow", apply: ({ message }) => [{ message, delayMs: 10 }] });
    fromN1.send([ping]);
    network.detach("n2");
    network.attach(n2);
    timers.advance(20);
    expect([n2.received, n1.unreachable]).toEqual([[], ["n2"]]);
  });

  it("tells who is connected to a process that its end has reset the connection, and nobody of a silent loss", () => {
    expect(arrives()).toBe(true);
    network.cut(forth);
    expect(arrives()).toBe(false);
    network.heal();
    expect(n1.reset).toEqual([]);
    network.detach("n2");
    timers.advance(0);
    expect(n1.reset).toEqual(["n2"]);
  });

  it("carries nothing for a process that was killed", () => {
    network.detach("n1");
    expect(arrives()).toBe(false);
    network.attach(new Recorder("n1"));
    expect(arrives()).toBe(false);
  });

  it.each([
    ["partition", () => network.partition(["n1"], ["n2"])],
    ["isolate", () => network.isolate("n2")],
    ["cut", () => network.cut(forth)],
  ])("J1: %s keeps everything away, what is on its way too, until it is healed", (_, cut) => {
    fromN1.send([ping]);
    cut();
    expect(arrives(1000)).toBe(false);
    network.heal();
    timers.advance(1000);
    expect([n2.received, n1.unreachable]).toEqual([[], []]);
    expect(arrives()).toBe(true);
  });

  it("lets through what a partition does not name, and what a single cut leaves", () => {
    const n3 = new Recorder("n3");
    const fromN3 = network.attach(n3);
    network.partition(["n1"], ["n2"]);
    fromN3.send([heartbeat("n3", "n1"), heartbeat("n3", "n2")]);
    timers.advance(0);
    expect([n1.received.length, n2.received.length]).toEqual([1, 1]);
    network.heal();
    network.cut({ from: "n2", to: "n1" });
    expect(arrives()).toBe(true);
  });

  it("loses what is on its way when the connection is reset, tells, and goes on", () => {
    fromN1.send([ping]);
    network.reset(forth);
    timers.advance(0);
    expect([n2.received, n1.unreachable]).toEqual([[], ["n2"]]);
    expect(arrives()).toBe(true);
  });

  it("swallows without a word on a half-open connection, which breaks when healed", () => {
    network.halfOpen(forth);
    expect(arrives(100_000)).toBe(false);
    expect(n1.unreachable).toEqual([]);
    network.mend(forth);
    timers.advance(0);
    expect(n1.unreachable).toEqual(["n2"]);
    expect(arrives()).toBe(true);
  });

  it("does not tell over a half-open or cut link that the other is gone", () => {
    network.halfOpen(forth);
    network.cut({ from: "n3", to: "n2" });
    const n3 = new Recorder("n3");
    const fromN3 = network.attach(n3);
    network.detach("n2");
    fromN1.send([ping]);
    fromN3.send([heartbeat("n3", "n2")]);
    timers.advance(100_000);
    expect([n1.unreachable, n3.unreachable]).toEqual([[], []]);
  });

  it("tells of an attempt to connect that never completes after the time for it", () => {
    network.refuseConnections(forth);
    expect(arrives(999)).toBe(false);
    fromN1.send([ping]);
    expect(n1.unreachable).toEqual([]);
    timers.advance(1);
    expect(n1.unreachable).toEqual(["n2"]);
    network.heal();
    expect(arrives()).toBe(true);
  });

  it("mends one direction alone", () => {
    const back = { from: "n2", to: "n1" };
    network.cut(forth);
    network.cut(back);
    network.mend(forth);
    expect(arrives()).toBe(true);
    expect(n1.received).toEqual([]);
  });

  it("clears cuts and filters", () => {
    network.isolate("n1");
    network.add({ name: "nothing", apply: () => [] });
    network.clear();
    expect(arrives()).toBe(true);
  });
});
