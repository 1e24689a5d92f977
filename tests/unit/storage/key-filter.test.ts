import { describe, expect, it } from "@jest/globals";
import { KeyFilter, keyHash } from "@quorate/services/storage";

const SEED = { low: 0x1234_5678, high: 0x9abc_def0 };
const SPACE = { namespaceId: 1, generation: 1 };
/** One MiB of them has room for so many. */
const ROOM = 2 ** 15 * 24;

function hashOf(number: number): number {
  return keyHash(SEED, SPACE, Buffer.from(`key-${String(number).padStart(12, "0")}`));
}

describe("a filter of keys", () => {
  const filter = new KeyFilter(0);
  for (let at = 0; at < ROOM; at += 1) filter.add(hashOf(at));

  it("may have each that was added", () => {
    let missed = 0;
    for (let at = 0; at < ROOM; at += 1) if (!filter.mayHave(hashOf(at))) missed += 1;
    expect(missed).toBe(0);
  });

  it("has hardly any of the others when it has as many as there is room for", () => {
    let found = 0;
    for (let at = ROOM; at < ROOM + 100_000; at += 1) if (filter.mayHave(hashOf(at))) found += 1;
    expect(found).toBeLessThan(2_000);
  });

  it("counts what it has, but for those that it seemed to have", () => {
    expect(filter.keyCount).toBeLessThanOrEqual(ROOM);
    expect(filter.keyCount).toBeGreaterThan(0.99 * ROOM);
  });

  it("counts none twice", () => {
    const before = filter.keyCount;
    for (let at = 0; at < 1_000; at += 1) filter.add(hashOf(at));
    expect(filter.keyCount).toBe(before);
  });
});

it.each([
  ["none", 0, ROOM],
  ["few", 1_000, ROOM],
  ["some", ROOM + 1, 2 * ROOM],
  ["many", 5_000_000, 8 * ROOM],
  ["more than it may take", 1_000_000_000, 16 * ROOM],
])("a filter has room for as many keys as are wanted, within its bounds: %s", (_, wanted, room) => {
  expect(new KeyFilter(wanted).keyCountMax).toBe(room);
});
