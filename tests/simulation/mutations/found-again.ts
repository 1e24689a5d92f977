import { type Found, OPERATIONS, readResults } from "./found";
import { runTasks } from "./hunters";
import type { Mutation } from "./mutation";
import type { SourceTrees } from "./source-tree";

/** A change of the product or of the simulator changes what a seed does, so the next ones are tried, too, if need be. */
const SEEDS_TRIED = 100;
const JOBS = 2;

/** The range in which the bug was found soonest. */
export function soonest(name: string): Found {
  const found = (readResults()[name] ?? []).filter((range) => range !== null);
  const first = found.sort((left, right) => left.seedsNeeded - right.seedsNeeded)[0];
  if (first === undefined)
    throw new Error(`${name} was never found: run npm run mutations -- --only ${name}`);
  return first;
}

/** Looks for these bugs where each was found soonest. Returns those that are not found there any more, in words. */
export async function missedOf(trees: SourceTrees, chosen: readonly Mutation[]): Promise<readonly string[]> {
  const missed: string[] = [];
  const tasks = chosen.map((mutation) => {
    const { name, profile = "swarm" } = mutation;
    const { seed } = soonest(name);
    const seeds = Array.from({ length: SEEDS_TRIED }, (_, offset) => seed + offset);
    return {
      name,
      hunt: { tree: trees.write(mutation), profile, operations: OPERATIONS, seeds },
      onEnded: (caught: unknown) => {
        if (caught === null) missed.push(`${name}: not from seed ${seed} on`);
      },
    };
  });
  await runTasks(trees.write(null), JOBS, tasks);
  return missed;
}

/** Runs the seeds at which these bugs were found without any bug. Returns what is found all the same, in words. */
export async function foundWithoutBug(
  trees: SourceTrees,
  bugs: readonly Mutation[],
): Promise<readonly string[]> {
  const runs = new Map(
    bugs.map(({ name, profile = "swarm" }) => {
      const { seed } = soonest(name);
      return [`${profile} ${seed}`, { profile, seed }] as const;
    }),
  );
  const found: string[] = [];
  const tree = trees.write(null);
  const tasks = [...runs].map(([name, { profile, seed }]) => ({
    name: `${name} without a bug`,
    hunt: { tree, profile, operations: OPERATIONS, seeds: [seed] },
    onEnded: (caught: unknown) => {
      if (caught !== null) found.push(`${name}: ${JSON.stringify(caught)}`);
    },
  }));
  await runTasks(tree, JOBS, tasks);
  return found;
}
