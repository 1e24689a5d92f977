import { tmpdir } from "node:os";
import { afterEach, expect, test } from "@jest/globals";
import { SILENT_LOG } from "@quorate/services/forward";
import { FreeSpaceWatch, freeBytesOf } from "@quorate/services/node";

const watches: FreeSpaceWatch[] = [];

afterEach(() => {
  for (const watch of watches.splice(0)) watch.close();
});

/** Looks at each amount in turn. @returns what was told */
async function told(freeBytesMin: number, amounts: readonly (number | Error)[]): Promise<boolean[]> {
  const changes: boolean[] = [];
  let next = 0;
  const watch = new FreeSpaceWatch({
    path: "d",
    freeBytesMin,
    log: SILENT_LOG,
    onChange: (isLow) => changes.push(isLow),
    freeBytes: async () => {
      const amount = amounts[next++] as number | Error;
      if (amount instanceof Error) throw amount;
      return amount;
    },
  });
  watches.push(watch);
  for (const _ of amounts) await watch.look();
  return changes;
}

test.each<[string, number, readonly (number | Error)[], boolean[]]>([
  ["says nothing while there is enough", 100, [1000, 100, 101], []],
  ["says once that there is little", 100, [1000, 99, 98, 50], [true]],
  ["takes a quarter more for enough again", 100, [99, 100, 124, 125, 124], [true, false]],
  ["is off at 0", 0, [0, 0], []],
  ["goes by what it last knew while it cannot ask", 100, [99, new Error("gone"), 98, 200], [true, false]],
])("E9: the watch of the disk %s", async (_, freeBytesMin, amounts, wanted) => {
  expect(await told(freeBytesMin, amounts)).toEqual(wanted);
});

test("E9: the file system says how much is free", async () => {
  expect(await freeBytesOf(tmpdir())).toBeGreaterThan(0);
});
