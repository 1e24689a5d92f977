import { expect, test } from "@jest/globals";
import type { Replica } from "@quorate/services/replica";
import { type Watch, watchReplica } from "@quorate/services/watch";
import { appliedAnswer, put, ReplicaRig } from "../replica/replica-rig";
import { eventsOf, spec, takeAll, told } from "./watch-rig";

/** A hub for each member, in the order of their seats. */
function hubsOf(rig: ReplicaRig) {
  return rig.seats.map(({ id }) => watchReplica(rig.replica(id), { noLeaderMs: 2000 }));
}

async function write(rig: ReplicaRig, leader: Replica, key: string): Promise<void> {
  const outcome = leader.submit(put(key, "v"));
  await rig.tick(2);
  appliedAnswer(await outcome);
}

async function framesOf(rig: ReplicaRig, watch: Watch) {
  await rig.tick(2);
  return takeAll(watch);
}

test("I3: leader and followers tell identical events, from now on and from history", async () => {
  const rig = new ReplicaRig(3);
  const leader = await rig.elect();
  const hubs = hubsOf(rig);
  const live = hubs.map((hub) => hub.open(spec({ withPrevious: true })));
  await rig.tick(3);
  for (const key of ["a", "b", "a", "c", "a"]) await write(rig, leader, key);
  const past = hubs.map((hub) => hub.open(spec({ withPrevious: true, startRevision: 1 })));
  await rig.tick(3);
  const expected = ["1 put a", "2 put b", "3 put a was v", "4 put c", "5 put a was v"];
  for (const watch of [...live, ...past]) expect(eventsOf(await framesOf(rig, watch))).toEqual(expected);
});

test("I5: after the leader is gone a watch goes on elsewhere from where it was, without a gap", async () => {
  const rig = new ReplicaRig(3);
  const leader = await rig.elect();
  const at = rig.seats.findIndex(({ id }) => id === leader.id);
  const hubs = hubsOf(rig);
  const watch = hubs[at]?.open(spec()) as Watch;
  await rig.tick(3);
  await write(rig, leader, "a");
  expect((await framesOf(rig, watch)).map(told)).toEqual(["created 0", "events 1: 1 put a"]);

  rig.isolate(leader.id);
  const next = await rig.elect([leader.id]);
  await write(rig, next, "b");
  for (let step = 0; step < 60; step += 1) {
    await rig.tick();
    hubs[at]?.tick(rig.nowMs);
  }
  expect((await framesOf(rig, watch)).map(told)).toEqual(["ended no_leader, resume 2"]);
  const refused = hubs[at]?.open(spec({ startRevision: 2 })) as Watch;
  expect((await framesOf(rig, refused)).map(told)).toEqual(["ended no_leader, resume 2"]);
  const elsewhere = hubs[rig.seats.findIndex(({ id }) => id === next.id)]?.open(
    spec({ startRevision: 2 }),
  ) as Watch;
  expect((await framesOf(rig, elsewhere)).map(told)).toEqual(["created 1", "events 2: 2 put b"]);
});

test("a store that fails ends the watches of its replica", async () => {
  const rig = new ReplicaRig(1);
  const leader = await rig.elect();
  const [hub] = hubsOf(rig);
  const watch = hub?.open(spec()) as Watch;
  await framesOf(rig, watch);
  rig.seat("n1").state.faults.failNextWrite();
  void leader.submit(put("a", "v"));
  await rig.tick(3);
  expect((await takeAll(watch)).map(told)).toEqual(["ended store_lost, resume 1"]);
});

test("a watch on a follower tells what is committed without a tick, also what had waited there when it was opened", async () => {
  const rig = new ReplicaRig(3);
  const leader = await rig.elect();
  await rig.tick(3);
  const seat = rig.seats.findIndex(({ id }) => id !== leader.id);
  const hub = hubsOf(rig)[seat]!;
  const submit = async (key: string): Promise<void> => {
    const outcome = leader.submit(put(key, "v"));
    await rig.settle();
    appliedAnswer(await outcome);
  };
  for (const key of ["a", "b", "c"]) await submit(key);
  expect(rig.replica(rig.seats[seat]!.id).status().revision).toBeLessThan(3);
  const watch = hub.open(spec({ startRevision: 1 }));
  await rig.settle();
  await submit("d");
  expect(eventsOf(await takeAll(watch))).toEqual(["1 put a", "2 put b", "3 put c", "4 put d"]);
});
