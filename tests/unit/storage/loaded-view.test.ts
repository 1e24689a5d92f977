import { expect, test } from "@jest/globals";
import type { KeyRead, StoredRecord } from "@quorate/services/kv";
import { LoadedView } from "@quorate/services/storage";
import * as fc from "fast-check";

function recordOf({ key, withValue }: KeyRead): StoredRecord {
  const value = withValue ? key : new Uint8Array(0);
  return { key, value, valueBytes: key.length, createRevision: 1, modRevision: 1, version: 1, leaseId: 0 };
}

const read = fc.record({
  namespaceId: fc.integer({ min: 1, max: 2 }),
  generation: fc.integer({ min: 1, max: 2 }),
  key: fc.uint8Array({ minLength: 1, maxLength: 1, max: 8 }),
  withValue: fc.boolean(),
});

test("each key has its answer, in whatever order and by whichever array it is asked for, and with its value where a read wants that", () => {
  const ask = fc.record({ at: fc.nat(), isCopy: fc.boolean() });
  void fc.assert(
    fc.property(fc.array(read, { minLength: 1, maxLength: 60 }), fc.array(ask), (reads, asked) => {
      const view = new LoadedView(reads, reads.map(recordOf), []);
      for (const { at, isCopy } of asked) {
        const { namespaceId, generation, key } = reads[at % reads.length] as KeyRead;
        const found = view.get(namespaceId, generation, isCopy ? key.slice() : key);
        expect(found?.key).toEqual(key);
        const isWanted = reads.some(
          (each) =>
            each.withValue &&
            each.namespaceId === namespaceId &&
            each.generation === generation &&
            each.key[0] === key[0],
        );
        if (isWanted) expect(found?.value).toEqual(key);
      }
    }),
  );
});

test("in the order of the reads each answer is its own, though commands pass over some", () => {
  const reads = Array.from({ length: 100 }, (_, at) => {
    return { namespaceId: 1, generation: 1, key: Uint8Array.of(at), withValue: false };
  });
  const view = new LoadedView(
    reads,
    reads.map((each) => (each.key[0] === 42 ? null : recordOf(each))),
    [],
  );
  const found = reads.filter((_, at) => at % 20 < 3).map(({ key }) => view.get(1, 1, key)?.key[0]);
  expect(found).toEqual([0, 1, 2, 20, 21, 22, 40, 41, undefined, 60, 61, 62, 80, 81, 82]);
});

test("a key that was not declared is a bug", () => {
  const view = new LoadedView([], [], []);
  expect(() => view.get(1, 1, Uint8Array.of(1))).toThrow("a command reads only the keys that it declared");
});
