import { describe, expect, test } from "@jest/globals";
import {
  type Command,
  compactCommand,
  createNamespaceCommand,
  deleteNamespaceCommand,
  truncateCommand,
} from "@quorate/services/kv";
import type { Watch, WatchBounds, WatchFrame, WatchSpec } from "@quorate/services/watch";
import { ANYONE, eventsOf, put, settled, takeAll, told, underPrefix, WatchRig } from "./watch-rig";

/** Of one batch: several revisions, keys that come again. */
function batchOf(number: number): Command[] {
  return [put(`a=${number}`), put(`b${number}=${number}`), put(`a=${number}+`)];
}

const COMMANDS = Array.from({ length: 40 }, (_, at) => batchOf(at));

/** A member that has applied the first batches, and one that has applied all. */
async function pair(count: number, bounds: Partial<WatchBounds> = {}) {
  const behind = new WatchRig(bounds);
  const ahead = new WatchRig();
  for (const commands of COMMANDS.slice(0, count)) await behind.apply(...commands);
  for (const commands of COMMANDS) await ahead.apply(...commands);
  return { behind, ahead };
}

/** So many frames, or as many as there are. */
async function some(watch: Watch, count: number): Promise<WatchFrame[]> {
  const frames: WatchFrame[] = [];
  for (let turn = 0; turn < 200 && frames.length < count; turn += 1) {
    const frame = watch.take();
    if (frame === null) await settled();
    else frames.push(frame);
  }
  return frames;
}

/** What a watch from that revision on tells where nothing is installed. */
async function expected(ahead: WatchRig, changes: Partial<WatchSpec>): Promise<string[]> {
  return eventsOf(await takeAll(ahead.open(changes)));
}

const WAYS: readonly [string, Partial<WatchSpec>][] = [
  ["all keys", {}],
  ["a prefix", { range: underPrefix("b") }],
  ["records before", { withPrevious: true }],
];

describe.each(WAYS)("I5: a watch of %s goes on across an installed snapshot", (_, spec) => {
  test.each([
    ["having told everything", 100],
    ["having told a part", 3],
    ["having told nothing", 1],
  ])("live, %s", async (_how, taken) => {
    const { behind, ahead } = await pair(0, { frameEventsMax: 2 });
    const watch = behind.open(spec);
    const frames = await some(watch, 1);
    for (const commands of COMMANDS.slice(0, 10)) await behind.apply(...commands);
    frames.push(...(await some(watch, taken - 1)));
    await behind.install(ahead);
    frames.push(...(await takeAll(watch)));
    await behind.put("b-after");
    frames.push(...(await takeAll(watch)));
    const all = await expected(ahead, { ...spec, startRevision: 1 });
    expect(eventsOf(frames)).toEqual([...all, expect.stringMatching(/^121 put b-after/)]);
  });

  test.each([1, 2, 3, 5, 8])("amid history, after %i frames", async (taken) => {
    const { behind, ahead } = await pair(30, { frameEventsMax: 3 });
    const watch = behind.open({ ...spec, startRevision: 1 });
    const frames = await some(watch, taken);
    await behind.install(ahead);
    frames.push(...(await takeAll(watch)));
    await behind.put("b-after");
    frames.push(...(await takeAll(watch)));
    const all = await expected(ahead, { ...spec, startRevision: 1 });
    expect(eventsOf(frames)).toEqual([...all, expect.stringMatching(/^121 put b-after/)]);
  });

  test.each([1, 2, 3])("amid the present state, after %i frames", async (taken) => {
    const { behind, ahead } = await pair(30, { frameBytesMax: 400 });
    const watch = behind.open({ ...spec, withCurrentState: true });
    const frames = await some(watch, taken);
    await behind.install(ahead);
    frames.push(...(await takeAll(watch)));
    const whole = await takeAll((await pair(30)).behind.open({ ...spec, withCurrentState: true }));
    const keys = (list: readonly WatchFrame[]): unknown[] =>
      list.flatMap((frame) => (frame.kind === "current" ? frame.records.map(({ key }) => key) : []));
    expect(keys(frames)).toEqual(keys(whole));
    const all = await expected(ahead, { ...spec, startRevision: 91 });
    expect(eventsOf(frames)).toEqual(all);
  });
});

test("before it has begun it begins in the new state", async () => {
  const { behind, ahead } = await pair(5);
  behind.heldReads = [];
  const watch = behind.open();
  await behind.install(ahead);
  const held = behind.heldReads ?? [];
  behind.heldReads = null;
  for (const answer of held) {
    answer({ kind: "ready", revision: 120, term: 1, appliedIndex: 40, namespaceId: 1, generation: 1 });
  }
  expect((await takeAll(watch)).map(told)).toEqual(["created 120"]);
});

test("where the new state has given up what it needs it ends, with the oldest revision", async () => {
  const { behind, ahead } = await pair(5);
  const watch = behind.open();
  await takeAll(watch);
  await ahead.apply(compactCommand(ANYONE, 100));
  await behind.install(ahead);
  expect((await takeAll(watch)).map(told)).toEqual(["ended compacted, resume 0, oldest 101"]);
});

test("a truncation that came with the snapshot is told", async () => {
  const { behind, ahead } = await pair(40);
  const watch = behind.open();
  await takeAll(watch);
  await ahead.apply(truncateCommand(ANYONE));
  await behind.install(ahead);
  expect(eventsOf(await takeAll(watch))).toEqual(["121 truncated"]);
});

test("where its namespace is gone with the snapshot it ends", async () => {
  const behind = new WatchRig();
  const ahead = new WatchRig();
  for (const rig of [behind, ahead]) await rig.apply(createNamespaceCommand(ANYONE, "orders"));
  const watch = behind.open({ namespace: "orders" });
  await takeAll(watch);
  await ahead.apply(deleteNamespaceCommand(ANYONE, "orders"));
  await behind.install(ahead);
  expect((await takeAll(watch)).map(told)).toEqual(["ended unknown_namespace, resume 0"]);
});
