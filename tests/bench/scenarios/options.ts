import { parseArgs } from "node:util";
import { PROFILES, type Profile } from "@quorate/services/launcher";
import { etcdVersion } from "../etcd-program";
import { BadOption, oneOf, whole } from "../options";
import type { Scenario } from "./scenario";
import type { Column } from "./stages";
import type { Store } from "./subject";

/** How one scenario is carried out. */
export interface ScenarioOptions {
  /** Interleaved in each round. */
  readonly columns: readonly Column[];
  readonly rounds: number;
  readonly numbers: Readonly<Record<string, number>>;
  /** The file for all that was measured; "-" for standard output instead of the table; null for none. */
  readonly json: string | null;
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
    json: text("json") ?? null,
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
    ["--against etcd", "side by side with three members of etcd, through the npm client etcd3"],
    ["--json FILE", 'all that was measured; "-" for standard output instead of the table'],
    ["--gate", "exit code 3 where a goal is missed"],
  ];
  const width = Math.max(...rows.map(([option]) => option.length));
  const lines = rows.map(([option, about]) => `  ${option.padEnd(width)}  ${about}`);
  return `npm run bench -- ${name} [options]\n\n${scenario.about}\n\n${lines.join("\n")}\n`;
}

function columnsOf(profiles: readonly Profile[], against: string | undefined): readonly Column[] {
  const others = against === undefined ? [] : [rivalOf(against)];
  const stores: readonly Store[] = ["quorate", ...others];
  return stores.flatMap((store) => profiles.map((profile) => ({ store, profile })));
}

/** @throws BadOption */
function rivalOf(against: string): Store {
  const rival = oneOf("--against", against, ["etcd"]);
  if (etcdVersion() === null) throw new BadOption("--against etcd: there is no etcd in the PATH");
  return rival;
}

function parsed(scenario: Scenario, args: readonly string[]): Record<string, string | boolean | undefined> {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const numbers = Object.fromEntries(Object.keys(scenario.options).map((name) => [name, text]));
  try {
    return parseArgs({
      args: [...args],
      options: { ...numbers, rounds: text, profile: text, against: text, json: text, gate: flag, help: flag },
    }).values;
  } catch (problem) {
    throw new BadOption(problem instanceof Error ? problem.message : String(problem));
  }
}

function list(text: string): readonly string[] {
  return text.split(",").map((part) => part.trim());
}
