import { expect } from "@jest/globals";
import { ErrorReason } from "@quorate/client/generated";
import { bytes, type FileCluster } from "#support";
import { compactedNamespace } from "./own-namespaces";
import { inTime } from "./patient";
import { RawWatches } from "./raw-watches";

/** What a watch through a node or a gateway can be refused for. */
export function watchErrors({ test }: FileCluster): void {
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
}
