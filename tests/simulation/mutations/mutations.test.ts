import { afterAll, describe, expect, it } from "@jest/globals";
import { type InvariantName, invariantNumbers } from "../invariants";
import { mutations, mutationsByArea } from ".";
import { catcherText, RANGE_STARTS, readResults } from "./found";
import { missedOf } from "./found-again";
import type { Mutation } from "./mutation";
import { compile, SourceTrees } from "./source-tree";

/*
 * `npm run mutations` finds every bug in three ranges of seeds; `npm run test:long` finds each again in one of them, and
 * `npm test` one of each area.
 */

/** A minute on an idle machine, and some more if known seeds are out of date. */
const MS_MAX = 900_000;

/** Of each area one that shows soon after the start of a run. */
const QUICKLY_FOUND = {
  raft: "vote-leaves-before-disk",
  leases: "lease-survives-a-transfer",
  kv: "session-keeps-no-answer",
  model: "refused-txn-is-not-rolled-back",
  replica: "apply-before-the-log",
  watch: "watch-tells-every-deletion",
  membership: "followers-keep-the-old-configuration",
  snapshots: "installed-state-is-not-durable",
  verification: "unchanged-buckets-are-never-read-again",
} as const satisfies Record<keyof typeof mutationsByArea, string>;

const trees = new SourceTrees();
const results = readResults();

afterAll(() => trees.remove());

describe("deliberate bugs", () => {
  it.each(mutations)("$name applies to the source as it is, and compiles", (mutation) => {
    for (const [file, source] of trees.patched(mutation)) compile(file, source);
  });

  it("a patch that does not fit the source says so", () => {
    const [mutation] = mutations as [Mutation];
    const withFind = (find: string): Mutation => ({
      ...mutation,
      edits: [{ file: "services/raft/log.ts", find, replace: "" }],
    });
    expect(() => trees.patched(withFind("no such code"))).toThrow("occurs 0 times in services/raft/log.ts");
    expect(() => trees.patched(withFind("return"))).toThrow(/occurs \d+ times/);
  });

  it("have names of their own", () => {
    expect(new Set(mutations.map(({ name }) => name)).size).toBe(mutations.length);
  });

  it("K3: every check in force, and liveness, is what some bug is kept for and was found by", () => {
    const names = Object.keys(invariantNumbers) as InvariantName[];
    for (const catcher of [...names, "liveness"] as const) {
      const kept = mutations.filter(({ expected }) => expected[0] === catcher);
      const foundBy = kept.flatMap(({ name }) => (results[name] ?? []).map((found) => found?.by));
      expect({ catcher, foundBy }).toEqual({ catcher, foundBy: expect.arrayContaining([catcher]) });
    }
  });

  it("K3: every bug was found in each range of seeds, by what should find it", () => {
    const faults = mutations.flatMap(({ name, expected }) =>
      RANGE_STARTS.flatMap((from, at) => {
        const found = results[name]?.[at] ?? null;
        if (found === null) return [`${name} was not found from seed ${from} on`];
        return expected.includes(found.by) ? [] : [`${name} was found by ${catcherText(found.by)}`];
      }),
    );
    expect(faults).toEqual([]);
  });

  it(
    "K3: one of each area is found again",
    async () => {
      const chosen = Object.entries(QUICKLY_FOUND).map(([area, name]) => {
        const ofArea: readonly Mutation[] = mutationsByArea[area as keyof typeof mutationsByArea];
        const mutation = ofArea.find((other) => other.name === name);
        if (mutation === undefined) throw new Error(`there is no ${name} in ${area}`);
        return mutation;
      });
      expect(await missedOf(trees, chosen)).toEqual([]);
    },
    MS_MAX,
  );
});
