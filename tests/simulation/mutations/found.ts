import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { invariantNumbers } from "../invariants";
import type { Catch } from "./hunt";
import type { Catcher, Mutation } from "./mutation";
import { projectRoot } from "./source-tree";

/** Where each of the three ranges of seeds begins. */
export const RANGE_STARTS = [1, 1_000_001, 2_000_001] as const;

/** What clients do in a run: as many operations as `npm run simulate` by default. */
export const OPERATIONS = 1_000;

/** How a mutation was found in one range. */
export interface Found {
  readonly seed: number;
  /** How many seeds were run until then, this one included. */
  readonly seedsNeeded: number;
  readonly by: Catcher;
  /** The first line of what was said. */
  readonly detail: string;
}

/** By mutation, one for each range; null: not found. */
export type Results = Readonly<Record<string, readonly (Found | null)[]>>;

const directory = join(projectRoot(), "tests/simulation/mutations");

export function readResults(): Results {
  return JSON.parse(readFileSync(join(directory, "results.json"), "utf8"));
}

/** Writes what was found, in the order of the mutations, for programs and for people. */
export function writeResults(mutations: readonly Mutation[], results: Results): void {
  const sorted = Object.fromEntries(
    mutations.flatMap(({ name }) => (results[name] === undefined ? [] : [[name, results[name]]])),
  );
  writeFileSync(join(directory, "results.json"), `${JSON.stringify(sorted, null, 2)}\n`);
  writeFileSync(join(directory, "TABLE.md"), tableOf(mutations, results));
}

export function foundOf(caught: Catch, from: number): Found | null {
  if (caught === null) return null;
  const { seed, finding } = caught;
  const [detail = ""] = finding.detail.split("\n");
  return {
    seed,
    seedsNeeded: seed - from + 1,
    by: finding.kind === "correctness" ? (finding.invariant as Catcher) : finding.kind,
    detail: finding.kind === "liveness" ? `${finding.invariant}: ${detail}` : detail,
  };
}

/** Such as "2: log matching", the number being that of the list of invariants. */
export function catcherText(by: Catcher): string {
  switch (by) {
    case "liveness":
      return "13: liveness";
    case "crash":
      return "an assertion of the code";
    default:
      return `${invariantNumbers[by]}: ${by}`;
  }
}

function tableOf(mutations: readonly Mutation[], results: Results): string {
  const head = ["bug", "where", "kept for", ...RANGE_STARTS.map((from) => `seeds from ${from}`)];
  const rows = mutations.map((mutation) => {
    const found = results[mutation.name] ?? [];
    return [
      `${mutation.why} (${mutation.name})`,
      [...new Set(mutation.edits.map(({ file }) => file.replace("services/", "")))].join(", "),
      catcherText(mutation.expected[0]),
      ...RANGE_STARTS.map((_, at) => cellOf(found[at] ?? null)),
    ];
  });
  const count = mutations.filter(({ name }) => results[name]?.every((found) => found !== null)).length;
  return [
    "# Deliberate bugs, and what finds them",
    "",
    "Written by `npm run mutations`: see [README.md](README.md). The seeds needed in each range, with what found the bug;",
    "a number before a name is that of the project's list of invariants.",
    "",
    `${count} of ${mutations.length} are found in all ${RANGE_STARTS.length} ranges.`,
    "",
    `| ${head.join(" | ")} |`,
    `|${head.map(() => "---").join("|")}|`,
    ...rows.map((row) => `| ${row.join(" | ")} |`),
    "",
  ].join("\n");
}

function cellOf(found: Found | null): string {
  return found === null ? "not found" : `${found.seedsNeeded} (${catcherText(found.by)})`;
}
