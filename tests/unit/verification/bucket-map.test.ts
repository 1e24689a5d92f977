import { expect, test } from "@jest/globals";
import { compareBytes } from "@quorate/services/std";
import { BucketMap } from "@quorate/services/verification";
import fc from "fast-check";

const SPACE = { namespaceId: 1, generation: 1 };
/** Few letters, so that keys begin alike, and are each other's beginnings. */
const key = fc.uint8Array({ maxLength: 6, max: 2 });

test("a key that is written marks the one bucket that it lies in", () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 40 }), fc.array(key, { minLength: 1 }), (starts, keys) => {
      const map = new BucketMap();
      map.frozen([{ id: SPACE.namespaceId, generation: SPACE.generation }]);
      const sorted = [new Uint8Array(0), ...starts].sort(compareBytes);
      const distinct = sorted.filter((start, at) => at === 0 || compareBytes(start, sorted[at - 1]!) > 0);
      const buckets = distinct.map((start) => ({
        start,
        hash: new Uint8Array(32),
        keys: 1,
        hashedAt: 1,
        markedAt: -1,
      }));
      map.hashed(SPACE, buckets);
      for (const written of keys) {
        for (const bucket of buckets) bucket.markedAt = -1;
        map.mark(SPACE, written);
        const own = distinct.findLastIndex((start) => compareBytes(start, written) <= 0);
        expect(buckets.map(({ markedAt }) => markedAt)).toEqual(
          buckets.map((_, at) => (at === own ? 1 : -1)),
        );
      }
    }),
  );
});
