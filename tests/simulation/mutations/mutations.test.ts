import { afterAll, describe, expect, it } from "@jest/globals";
import { isLongRun } from "#support";
import type { ProfileName } from "../faults";
import { type InvariantName, invariantNumbers } from "../invariants";
import { mutations, mutationsByArea } from ".";
import { catcherText, type Found, OPERATIONS, RANGE_STARTS, readResults } from "./found";
import type { Catch } from "./hunt";
import { runTasks, type Task } from "./hunters";
import type { Mutation } from "./mutation";
import { compile, SourceTrees } from "./source-tree";

/*
 * `npm run mutations` finds every bug in three ranges of seeds; `npm run test:long` finds each again in one of them, and
 * `npm test` one of each area. A change of the product or of the simulator changes what a seed does, so seeds after the
 * known one are tried, too, if need be.
 */

const SEEDS_TRIED = 100;
const JOBS = 2;
/** A minute on an idle machine, and some more if known seeds are out of date. */
const MS_MAX = 900_000;

const trees = new SourceTrees();
const results = readResults();

afterAll(() => trees.remove());

/** The range in which the bug was found soonest. */
function soonest(name: string): Found {
  const found = (results[name] ?? []).filter((range) => range !== null);
  const first = found.sort((left, right) => left.seedsNeeded - right.seedsNeeded)[0];
  if (first === undefined)
    throw new Error(`${name} was never found: run npm run mutations -- --only ${name}`);
  return first;
}

function taskOf(mutation: Mutation, seeds: readonly number[], onEnded: (caught: Catch) => void): Task {
  const { name, profile = "swarm" } = mutation;
  return { name, hunt: { tree: trees.write(mutation), profile, operations: OPERATIONS, seeds }, onEnded };
}

/** The one of each area that is found soonest; all of them in the long tests. */
function toBeFoundAgain(): readonly Mutation[] {
  if (isLongRun) return mutations;
  return Object.values(mutationsByArea).flatMap((ofArea) =>
    [...ofArea]
      .sort((left, right) => soonest(left.name).seedsNeeded - soonest(right.name).seedsNeeded)
      .slice(0, 1),
  );
}

/** By profile, the seeds at which these bugs were found; whole runs, which seeds of other tests stand for in the short ones. */
function controlSeeds(found: readonly Mutation[]): ReadonlyMap<ProfileName, ReadonlySet<number>> {
  const seeds = new Map<ProfileName, Set<number>>();
  if (!isLongRun) return seeds;
  for (const { name, profile = "swarm" } of found) {
    seeds.set(profile, (seeds.get(profile) ?? new Set()).add(soonest(name).seed));
  }
  return seeds;
}

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
    `K3: bugs are found again${isLongRun ? ", and without them the same seeds pass" : ""}`,
    async () => {
      const missed: string[] = [];
      const chosen = toBeFoundAgain();
      const tasks = chosen.map((mutation) => {
        const { seed } = soonest(mutation.name);
        const seeds = Array.from({ length: SEEDS_TRIED }, (_, offset) => seed + offset);
        return taskOf(mutation, seeds, (caught) => {
          if (caught === null) missed.push(`${mutation.name}: not from seed ${seed} on`);
        });
      });
      const unmutated = trees.write(null);
      const found: Catch[] = [];
      for (const [profile, seeds] of controlSeeds(chosen)) {
        for (const seed of seeds) {
          const hunt = { tree: unmutated, profile, operations: OPERATIONS, seeds: [seed] };
          tasks.push({
            name: `${profile} ${seed} without a bug`,
            hunt,
            onEnded: (caught) => found.push(caught),
          });
        }
      }
      await runTasks(unmutated, JOBS, tasks);
      expect(missed).toEqual([]);
      expect(found.filter((caught) => caught !== null)).toEqual([]);
    },
    MS_MAX,
  );
});
