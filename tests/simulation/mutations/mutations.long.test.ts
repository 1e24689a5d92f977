import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mutations } from ".";
import { foundWithoutBug, missedOf } from "./found-again";
import { SourceTrees } from "./source-tree";

/** Minutes on an idle machine, and some more if known seeds are out of date. */
const MS_MAX = 1_800_000;

describe("deliberate bugs", () => {
  let trees: SourceTrees;

  beforeAll(() => {
    trees = new SourceTrees();
  });

  afterAll(() => trees.remove());

  it(
    "K3: every one of them is found again",
    async () => {
      expect(await missedOf(trees, mutations)).toEqual([]);
    },
    MS_MAX,
  );

  it(
    "K3: without them the same seeds pass",
    async () => {
      expect(await foundWithoutBug(trees, mutations)).toEqual([]);
    },
    MS_MAX,
  );
});
