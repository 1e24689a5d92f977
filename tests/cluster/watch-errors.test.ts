import { expect } from "@jest/globals";
import { ErrorReason } from "@quorate/client/generated";
import { bytes, clusterOfFile } from "#support";
import { compactedNamespace } from "./own-namespaces";
import { inTime, patientTests } from "./patient";
import { RawWatches } from "./raw-watches";

patientTests();

const cluster = clusterOfFile({ nodes: 3, gateways: 1 });
const { test } = cluster;

/** How many a node serves at most. */
const WATCHES_MAX = 10_000;

test("B7: a watch that cannot be ends with its reason, and the others of its stream go on", async (c) => {
  const { namespace, first, second } = await compactedNamespace(c, "b7-watched");
  for (const endpoint of [...c.numbers.map((node) => c.node(node)), c.gateway()]) {
    const watches = new RawWatches(endpoint);
    const key = bytes("k");
    watches.create(1, { key });
    watches.create(2, { namespace, key, startRevision: first });
    watches.create(3, { namespace, key, startRevision: second + 1_000_000n });
    watches.create(4, { namespace: "nowhere", key });
    watches.create(5, { key, prefix: bytes("a") });
    watches.create(6, { key, withCurrentState: true, startRevision: 1n });
    watches.create(7, { key, progressIntervalMs: 1n });
    watches.create(8, { start: bytes("b"), end: bytes("a") });
    watches.create(9, { key: new Uint8Array(4097).fill(1) });
    const compacted = await watches.ended(2);
    expect(compacted).toMatchObject({ error: { reason: ErrorReason.COMPACTED, retryable: false } });
    // The first revision whose changes can still be told.
    expect(compacted.error?.oldestRevision).toBe(second + 1n);
    expect(compacted.message).toContain(String(second + 1n));
    expect(await watches.ended(3)).toMatchObject({ error: { reason: ErrorReason.FUTURE_REVISION } });
    expect(await watches.ended(4)).toMatchObject({
      error: { reason: ErrorReason.UNKNOWN_NAMESPACE },
      message: expect.stringContaining("nowhere"),
    });
    for (const [watchId, field] of [
      [5, "key"],
      [6, "start_revision"],
      [7, "progress_interval_ms"],
      [8, "start"],
      [9, "4096"],
    ] as const) {
      expect({ watchId, ...(await watches.ended(watchId)) }).toMatchObject({
        error: { reason: ErrorReason.INVALID_ARGUMENT },
        message: expect.stringContaining(field),
      });
    }
    await inTime("the good one has begun", () => watches.of(1).length > 0);
    const { header } = await endpoint.kv.call("put", { key });
    await inTime("the good one tells the put", () =>
      watches
        .of(1)
        .some(
          ({ response }) =>
            response?.$case === "events" &&
            response.value.events.some((e) => e.revision === header?.revision),
        ),
    );
    watches.close();
  }
});

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
