import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { mutations } from ".";
import {
  catcherText,
  type Found,
  foundOf,
  OPERATIONS,
  RANGE_STARTS,
  type Results,
  readResults,
  writeResults,
} from "./found";
import { runTasks, type Task } from "./hunters";
import type { Mutation } from "./mutation";
import { projectRoot, SourceTrees } from "./source-tree";

interface Flags {
  readonly only: readonly string[];
  readonly jobs: number;
  readonly seeds: number;
}

export interface CheckOutput {
  out(line: string): void;
  error(line: string): void;
}

/** The whole of `npm run mutations`. Returns its exit code: 1 when some bug is not found in some range, 2 for wrong flags. */
export async function check(argv: readonly string[], output: CheckOutput): Promise<number> {
  const flags = readFlags(argv, output);
  if (typeof flags === "number") return flags;
  const chosen =
    flags.only.length === 0 ? mutations : mutations.filter(({ name }) => flags.only.includes(name));
  const found = await findAll(chosen, flags, output);
  const before: Results = existsSync(join(projectRoot(), "tests/simulation/mutations/results.json"))
    ? readResults()
    : {};
  writeResults(mutations, { ...before, ...found });
  const missed = Object.values(found).filter((ranges) => ranges.some((range) => range === null)).length;
  output.out(`${chosen.length - missed} found in all ${RANGE_STARTS.length} ranges, ${missed} not`);
  return missed === 0 ? 0 : 1;
}

async function findAll(
  chosen: readonly Mutation[],
  { jobs, seeds }: Flags,
  output: CheckOutput,
): Promise<Results> {
  const found = new Map<string, (Found | null)[]>(
    chosen.map(({ name }) => [name, RANGE_STARTS.map(() => null)]),
  );
  const trees = new SourceTrees();
  try {
    const tasks = chosen.flatMap((mutation) => {
      const { name, profile = "swarm" } = mutation;
      const tree = trees.write(mutation);
      return RANGE_STARTS.map(
        (from, at): Task => ({
          name,
          hunt: {
            tree,
            profile,
            operations: OPERATIONS,
            seeds: Array.from({ length: seeds }, (_, offset) => from + offset),
          },
          onEnded: (caught) => {
            const range = foundOf(caught, from);
            (found.get(name) as (Found | null)[])[at] = range;
            output.out(`${name.padEnd(40)} ${textOf(mutation, range, from, seeds)}`);
          },
        }),
      );
    });
    await runTasks(trees.write(null), jobs, tasks);
  } finally {
    trees.remove();
  }
  return Object.fromEntries(found);
}

function textOf({ expected }: Mutation, found: Found | null, from: number, seeds: number): string {
  if (found === null) return `NOT FOUND by the ${seeds} seeds from ${from}`;
  const note = expected.includes(found.by) ? "" : " (not what it is kept for)";
  return `${String(found.seedsNeeded).padStart(4)} seeds from ${from}: ${catcherText(found.by)}${note}: ${found.detail.slice(0, 160)}`;
}

function readFlags(argv: readonly string[], output: CheckOutput): Flags | number {
  let text = "";
  const command = new Command("npm run mutations --")
    .description(
      "Puts deliberate bugs into the code, one at a time, and counts the seeds that the simulator needs to find each.",
    )
    .option(
      "--only <name...>",
      "only these",
      (name: string, names: readonly string[]) => [...names, known(name)],
      [],
    )
    .option("--jobs <count>", "processes that share the work", whole, 2)
    .option("--seeds <count>", "how many to try in each range, at most", whole, 1_000)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({
      writeOut: (part) => {
        text += part;
      },
      writeErr: () => undefined,
    });
  try {
    command.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) output.out(text);
    else output.error(error.message);
    return error.exitCode === 0 ? 0 : 2;
  }
  return command.opts<Flags>();
}

function known(name: string): string {
  if (mutations.some((mutation) => mutation.name === name)) return name;
  throw new InvalidArgumentError(`There are: ${mutations.map((mutation) => mutation.name).join(", ")}.`);
}

function whole(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1)
    throw new InvalidArgumentError("It must be a whole number of at least 1.");
  return number;
}
