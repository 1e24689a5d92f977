import { existsSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";

interface Test {
  readonly path: string;
  readonly context: unknown;
}

const LongestFirst: {
  readonly LONGEST: readonly string[];
  new (options: object): { sort(tests: readonly Test[]): readonly Test[] };
} = require("../../support/longest-first.cjs");

/** Of a clone in which nothing has run yet: jest goes by the size of the files. */
function freshContext(sizes: Readonly<Record<string, number>>): unknown {
  return {
    config: { cache: false },
    hasteFS: { getSize: (path: string) => sizes[path] ?? 1_000_000 },
  };
}

describe("the order of test files", () => {
  it("names none that is gone, and none twice", () => {
    const { LONGEST } = LongestFirst;
    expect(LONGEST.filter((path) => !existsSync(path))).toEqual([]);
    expect(new Set(LONGEST).size).toBe(LONGEST.length);
  });

  it("is what takes longest, the longest first, and then all others", () => {
    const [longest, second] = LongestFirst.LONGEST as [string, string];
    const context = freshContext({ "/small.test.ts": 10, "/large.test.ts": 20 });
    const tests = ["/small.test.ts", second, "/large.test.ts", longest].map((path) => ({ path, context }));
    const paths = new LongestFirst({}).sort(tests).map(({ path }) => path);
    expect(paths).toEqual([longest, second, "/large.test.ts", "/small.test.ts"]);
  });
});
