import { expect } from "@jest/globals";
import { ErrorReason } from "@quorate/client/generated";
import { bytes, clusterOfFile } from "#support";
import { inTime, patientTests } from "./patient";
import { RawWatches } from "./raw-watches";

patientTests();

const { test } = clusterOfFile({ nodes: 3 });

/** How many a node serves at most. */
const WATCHES_MAX = 10_000;

test("B7: one watch too many on a node is TOO_MANY_WATCHES and names the limit, and there is room again once others end", async (c) => {
  const watches = new RawWatches(c.freshEndpoint(1));
  // Watches wait for their beginning like reads, of which only so many may wait at once.
  for (let begun = 0; begun < WATCHES_MAX; begun += 1000) {
    for (let watchId = begun + 1; watchId <= begun + 1000; watchId += 1) {
      watches.create(watchId, { key: bytes(`b7/${watchId}`) });
    }
    await inTime(`${begun + 1000} have begun`, () => watches.responses.length === begun + 1000);
  }
  expect(watches.responses.filter(({ response }) => response?.$case !== "created")).toEqual([]);
  watches.create(WATCHES_MAX + 1, { key: bytes("b7/one-too-many") });
  expect(await watches.ended(WATCHES_MAX + 1)).toMatchObject({
    error: { reason: ErrorReason.TOO_MANY_WATCHES, retryable: true },
    message: expect.stringContaining(String(WATCHES_MAX)),
  });
  // Another node has room, and the client's watch finds it by itself.
  const elsewhere = c.client(c.numbers).kv.watch("b7/elsewhere");
  await elsewhere.opened();
  elsewhere.close();
  await c.node(2).kv.call("put", { key: bytes("b7/77"), value: bytes("x") });
  await inTime("the one that it concerns hears of it", () => watches.of(77).length === 2);
  watches.close();
  const next = new RawWatches(c.freshEndpoint(1));
  await inTime("there is room again", async () => {
    const watchId = next.responses.length + 1;
    next.create(watchId, { key: bytes("b7/again") });
    await inTime("it is answered", () => next.of(watchId).length > 0);
    return next.of(watchId)[0]?.response?.$case === "created";
  });
  next.close();
});
