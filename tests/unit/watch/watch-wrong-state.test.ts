import { expect, test } from "@jest/globals";
import { WatchRig } from "./watch-rig";

test("H5: a watch of a state that was wrong, and counted too far, ends when the right one takes its place", async () => {
  const wrong = new WatchRig();
  const right = new WatchRig();
  await right.put("a");
  await wrong.put("a");
  await wrong.put("b");
  const watch = wrong.open({ startRevision: 1 });
  expect(await watch.next()).toMatchObject({ kind: "created" });
  await wrong.install(right);
  let frame = await watch.next();
  while (frame?.kind === "events") frame = await watch.next();
  expect(frame).toMatchObject({ kind: "ended", reason: "store_lost" });
  expect(wrong.hub.size).toBe(0);
});
