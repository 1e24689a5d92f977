import { afterEach, expect, jest, test } from "@jest/globals";
import { deleteRangeCommand } from "@quorate/services/kv";
import { Watch, type WatchSpec } from "@quorate/services/watch";
import {
  ANYONE,
  eventsOf,
  oneKey,
  put,
  settled,
  spec,
  takeAll,
  told,
  underPrefix,
  WatchRig,
} from "./watch-rig";

const WATCHES = 50;
const CHANGES = 200;

afterEach(() => {
  jest.restoreAllMocks();
});

/** Counts how often a filter is asked for puts. */
class CountingSpec implements WatchSpec {
  static asked = 0;
  readonly namespace = "";
  readonly startRevision = 0;
  readonly withCurrentState = false;
  readonly withPrevious = false;
  readonly deletes = true;
  readonly progressIntervalMs = 0;

  constructor(readonly range: WatchSpec["range"]) {}

  get puts(): boolean {
    CountingSpec.asked += 1;
    return true;
  }
}

async function begun(rig: WatchRig, specs: readonly WatchSpec[]): Promise<Watch[]> {
  const watches = specs.map((wanted) => rig.hub.open(wanted));
  await settled();
  for (const watch of watches) expect(told(watch.take())).toMatch(/^created/);
  return watches;
}

test("a batch is matched once for all watches that want the same, and each of them gets it at once", async () => {
  const rig = new WatchRig();
  const ranges = [underPrefix("k"), oneKey("k7")];
  const specs = ranges.flatMap((range) =>
    Array.from({ length: WATCHES }, () => new CountingSpec({ ...range })),
  );
  const watches = await begun(rig, specs);
  const pushes = jest.spyOn(Watch.prototype, "push");
  CountingSpec.asked = 0;
  await rig.put(...Array.from({ length: CHANGES }, (_, at) => `k${at}`));
  expect(pushes).toHaveBeenCalledTimes(2 * WATCHES);
  expect(CountingSpec.asked).toBe(CHANGES + 1);
  const counts = await Promise.all(watches.map(async (watch) => eventsOf(await takeAll(watch)).length));
  expect(counts).toEqual([...Array(WATCHES).fill(CHANGES), ...Array(WATCHES).fill(1)]);
  expect(rig.hub.waitingBytes).toBe(0);
});

test("so is the deletion of a whole range", async () => {
  const rig = new WatchRig();
  await rig.put(...Array.from({ length: CHANGES }, (_, at) => `k${at}`));
  await begun(
    rig,
    Array.from({ length: WATCHES }, () => spec({ range: underPrefix("k") })),
  );
  const pushes = jest.spyOn(Watch.prototype, "push");
  await rig.apply(deleteRangeCommand(ANYONE, underPrefix("k"), CHANGES));
  expect(pushes).toHaveBeenCalledTimes(WATCHES);
});

test("a change counts once, however many watches of however many ranges wait to tell it", async () => {
  const ranges = [underPrefix("k"), underPrefix(""), oneKey("k1"), underPrefix("k")];
  const alone = new WatchRig();
  await begun(alone, [spec({ range: underPrefix("k") })]);
  await alone.put("k1=x", "k2=y");
  const many = new WatchRig();
  const watches = await begun(
    many,
    ranges.map((range) => spec({ range })),
  );
  await many.put("k1=x", "k2=y");
  expect(many.hub.waitingBytes).toBe(alone.hub.waitingBytes);
  for (const watch of watches.slice(1)) watch.cancel();
  expect(many.hub.waitingBytes).toBe(alone.hub.waitingBytes);
  expect(eventsOf(await takeAll(watches[0] as Watch))).toEqual(["1 put k1", "2 put k2"]);
  expect(many.hub.waitingBytes).toBe(0);
});

test("watches whose ranges have the same bytes cut at another place are not taken for each other", async () => {
  const rig = new WatchRig();
  const bytes = (...values: number[]) => Uint8Array.from(values);
  const watches = await begun(rig, [
    spec({ range: { start: bytes(97), end: bytes(97, 98) } }),
    spec({ range: { start: bytes(97, 97), end: bytes(98) } }),
    spec({ range: { start: bytes(97, 97, 98), end: null } }),
  ]);
  await rig.apply(put("a"), put("aa"), put("b"));
  const seen = await Promise.all(watches.map(async (watch) => eventsOf(await takeAll(watch)).join(", ")));
  expect(seen).toEqual(["1 put a, 2 put aa", "2 put aa", "3 put b"]);
});
