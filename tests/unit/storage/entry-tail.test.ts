import { expect, test } from "@jest/globals";
import type { Entry } from "@quorate/services/raft";
import { EntryTail } from "@quorate/services/storage";
import * as fc from "fast-check";

const KINDS = ["normal", "conf_change"] as const;

function entryOf(index: number, time: number, length: number): Entry {
  const data = Uint8Array.from({ length }, (_, at) => (time * 31 + at) % 256);
  return { index, term: time, kind: KINDS[time % 2] as (typeof KINDS)[number], data };
}

const lengths = fc.oneof(
  { weight: 5, arbitrary: fc.nat(60) },
  { weight: 1, arbitrary: fc.constantFrom(0, 63, 64, 65, 700) },
);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("append"), lengths: fc.array(lengths) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("truncate"), back: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop"), back: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear"), next: fc.integer({ min: 1, max: 500 }) }) },
);

test("what is held are the newest entries, none missing in between, whatever is truncated and dropped", () => {
  void fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.constantFrom(0, 300, 1024, 100_000),
      (steps, bytesMax) => {
        const tail = new EntryTail(bytesMax);
        const log = new Map<number, Entry>();
        /** With what they were when they were given. */
        const given: { entry: Entry; text: string }[] = [];
        let first = 1;
        let next = 1;
        for (const [time, taken] of steps.entries()) {
          if ("lengths" in taken) {
            const entries = taken.lengths.map((length, at) => entryOf(next + at, time, length));
            for (const entry of entries) log.set(entry.index, entry);
            tail.append(entries);
            next += entries.length;
          } else if ("next" in taken) {
            tail.clear();
            next = taken.next;
            first = next;
          } else if (taken.kind === "truncate") {
            next = Math.max(first, next - taken.back);
            tail.truncateFrom(next);
          } else {
            first = Math.min(next, Math.max(first, next - taken.back));
            tail.dropBefore(first);
          }
          let held = 0;
          let heldBytes = 0;
          for (let index = next - 1; index >= 1 && tail.get(index) !== undefined; index -= 1) {
            const entry = tail.get(index) as Entry;
            expect(entry).toEqual(log.get(index));
            given.push({ entry, text: entry.data.join() });
            held += 1;
            heldBytes += entry.data.length;
          }
          expect(held).toBeLessThanOrEqual(next - first);
          expect(heldBytes).toBeLessThanOrEqual(bytesMax);
          for (const index of [0, first - 1, next - held - 1, next]) expect(tail.get(index)).toBeUndefined();
          expect(bytesMax < 100_000 || held === next - first).toBe(true);
        }
        for (const { entry, text } of given) expect(entry.data.join()).toBe(text);
      },
    ),
  );
});

test("of entries of 300 B a tail of a mebibyte holds 3,000 at least", () => {
  const tail = new EntryTail(1024 * 1024);
  for (let index = 1; index <= 10_000; index += 1) tail.append([entryOf(index, 1, 300)]);
  expect(tail.get(7001)).toEqual(entryOf(7001, 1, 300));
  expect(tail.get(1)).toBeUndefined();
});

test("one that is as long as a piece is held as it is behind entries of no data", () => {
  const tail = new EntryTail(1024);
  const entries = [0, 64, 0, 65, 0, 64].map((length, at) => entryOf(at + 1, 1, length));
  tail.append(entries);
  expect(entries.map(({ index }) => tail.get(index))).toEqual(entries);
});
