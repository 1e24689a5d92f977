import { parseArgs } from "node:util";
import { PROFILES, type Profile } from "@quorate/services/launcher";
import { BadOption, oneOf, whole } from "../options";
import type { Scenario } from "./scenario";
import type { Column } from "./stages";
import { STORES } from "./subject";

/** How one scenario is carried out. */
export interface ScenarioOptions {
  /** Interleaved in each round. */
  readonly columns: readonly Column[];
  readonly rounds: number;
  readonly numbers: Readonly<Record<string, number>>;
  /** Print one JSON document instead of a table. */
  readonly json: boolean;
  /** End with exit code 3 where a goal is missed. */
  readonly gate: boolean;
}

/** @param args what follows the scenario's name @throws BadOption */
export function scenarioOptions(scenario: Scenario, args: readonly string[]): ScenarioOptions | "help" {
  const values = parsed(scenario, args);
  if (values.help === true) return "help";
  const text = (name: string) => values[name] as string | undefined;
  const profiles = list(text("profile") ?? "default").map((name) => oneOf("--profile", name, PROFILES));
  const numbers = Object.entries(scenario.options).map(([name, option]) => {
    const given = text(name);
    return [name, given === undefined ? option.default : whole(`--${name}`, given)] as const;
  });
  return {
    columns: columnsOf(profiles, text("against")),
    rounds: whole("--rounds", text("rounds") ?? String(scenario.rounds)),
    numbers: Object.fromEntries(numbers),
    json: values.json === true,
    gate: values.gate === true,
  };
}

export function scenarioHelp(name: string, scenario: Scenario): string {
  const rows: readonly (readonly [string, string])[] = [
    ...Object.entries(scenario.options).map(([option, { about, default: value }]) => {
      return [`--${option} N`, `${about} (default: ${value})`] as const;
    }),
    ["--rounds N", `medians and the range are printed (default: ${scenario.rounds})`],
    ["--profile NAME", "timing of the nodes: default, fast or wan; several with commas (default: default)"],
    ["--against NAME", `another store side by side: ${STORES.join(", ")}`],
    ["--json", "one JSON document on standard output"],
    ["--gate", "exit code 3 where a goal is missed"],
  ];
  const width = Math.max(...rows.map(([option]) => option.length));
  const lines = rows.map(([option, about]) => `  ${option.padEnd(width)}  ${about}`);
  return `npm run bench -- ${name} [options]\n\n${scenario.about}\n\n${lines.join("\n")}\n`;
}

function columnsOf(profiles: readonly Profile[], against: string | undefined): readonly Column[] {
  const others = against === undefined ? [] : list(against).map((name) => oneOf("--against", name, STORES));
  const stores = [...new Set(["quorate" as const, ...others])];
  return stores.flatMap((store) => profiles.map((profile) => ({ store, profile })));
}

function parsed(scenario: Scenario, args: readonly string[]): Record<string, string | boolean | undefined> {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const numbers = Object.fromEntries(Object.keys(scenario.options).map((name) => [name, text]));
  try {
    return parseArgs({
      args: [...args],
      options: { ...numbers, rounds: text, profile: text, against: text, json: flag, gate: flag, help: flag },
    }).values;
  } catch (problem) {
    throw new BadOption(problem instanceof Error ? problem.message : String(problem));
  }
}

function list(text: string): readonly string[] {
  return text.split(",").map((part) => part.trim());
}
