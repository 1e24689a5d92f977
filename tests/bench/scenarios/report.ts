import type { Machine } from "../machine";
import { spreadOf } from "../statistics";
import { type Figures, type Goal, judge, type Verdict } from "./goal";
import type { ScenarioOptions } from "./options";
import type { Column } from "./stages";

/** All rounds of one column. */
export interface ColumnResult extends Column {
  readonly rounds: readonly Figures[];
  /** Of this project's own columns. */
  readonly verdicts: readonly Verdict[];
}

/** What `--json` prints. */
export interface ScenarioReport {
  readonly command: string;
  readonly scenario: string;
  readonly machine: Machine;
  readonly options: ScenarioOptions;
  readonly columns: readonly ColumnResult[];
}

export function verdictsOf(goals: readonly Goal[], rounds: readonly Figures[]): readonly Verdict[] {
  return goals.map((goal) => judge(goal, spreadOf(figuresOf(rounds, goal.figure)).median));
}

export function isReached({ columns }: ScenarioReport): boolean {
  return columns.every(({ verdicts }) => verdicts.every((verdict) => verdict.isReached));
}

/** A row a figure with the medians and ranges of all columns, and then the goals. */
export function scenarioText({ scenario, columns, options }: ScenarioReport): string {
  const heads = columns.map(headOf);
  const names = Object.keys(columns[0]?.rounds[0] ?? {});
  const rows = [
    [scenario, ...heads],
    ...names.map((name) => [name, ...columns.map(({ rounds }) => ranged(figuresOf(rounds, name)))]),
  ];
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  const table = rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const numbers = Object.entries(options.numbers).map(([name, value]) => `${name} ${value}`);
  const verdicts = columns.flatMap((column) =>
    column.verdicts.map((verdict) => `  ${headOf(column)}: ${verdictText(verdict)}`),
  );
  return [
    `${options.rounds} rounds, ${numbers.join(", ")}; medians (range)`,
    ...table,
    "goals",
    ...verdicts,
  ].join("\n");
}

export function verdictText({ figure, is, limit, value, isReached }: Verdict): string {
  return `${isReached ? "reached" : "MISSED "}  ${figure} ${is} ${limit}: ${rounded(value)}`;
}

function headOf({ store, profile }: Column): string {
  return profile === "default" ? store : `${store} ${profile}`;
}

function figuresOf(rounds: readonly Figures[], name: string): readonly number[] {
  return rounds.map((round) => round[name] ?? Number.NaN);
}

function ranged(values: readonly number[]): string {
  const { median, min, max } = spreadOf(values);
  return min === max ? rounded(median) : `${rounded(median)} (${rounded(min)} to ${rounded(max)})`;
}

/** Three digits that say something. */
function rounded(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
