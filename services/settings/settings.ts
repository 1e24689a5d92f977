import { readFileSync } from "node:fs";
import { Command, CommanderError, Option } from "commander";
import type * as Yaml from "yaml";

/** One setting of a program: `name` in a file, `--name` as a flag, `QUORATE_NAME` in the environment. */
export interface SettingSpec {
  /** In kebab-case. */
  readonly name: string;
  /** What stands for the value in the help; null for a switch. */
  readonly argument: string | null;
  readonly description: string;
}

export type SettingsOutcome =
  /** The value of each setting that was given, as text; switches are "true" or "false". */
  | { readonly kind: "read"; readonly values: ReadonlyMap<string, string> }
  | { readonly kind: "help"; readonly text: string }
  | SettingFault;

/** The setting that is wrong, and what would be right. */
export interface SettingFault {
  readonly kind: "fault";
  readonly setting: string;
  readonly problem: string;
  /** What else is wrong, if anything. */
  readonly more?: readonly SettingFault[];
}

/** What a program ends with when a setting is wrong: one line for each that is. */
export function faultLine(program: string, { setting, problem, more = [] }: SettingFault): string {
  // A message from a parser may span lines; whoever reads the log wants one.
  const line = `${program}: ${setting}: ${problem}`.replaceAll(/\s*\n\s*/g, " ");
  return [line, ...more.map((fault) => faultLine(program, fault))].join("\n");
}

/** Exit code of a program that was started with a wrong setting. */
export const FAULT_EXIT_CODE = 2;

const CONFIG: SettingSpec = {
  name: "config",
  argument: "FILE",
  description: "a JSON or YAML file with settings by the names of the flags",
};

/**
 * Reads a program's settings: from the file that `config` names, over it the environment, over that the flags.
 * Environment variables that are no setting of this program are left alone, for others share the prefix.
 *
 * @param argv the arguments after the name of the program
 */
export function readSettings(
  program: { readonly name: string; readonly description: string; readonly settings: readonly SettingSpec[] },
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): SettingsOutcome {
  const specs = [...program.settings, CONFIG];
  const flags = readFlags({ ...program, settings: specs }, argv);
  if (flags.kind !== "read") return flags;
  const values = new Map<string, string>();
  for (const { name } of specs) {
    const value = env[`QUORATE_${name.toUpperCase().replaceAll("-", "_")}`];
    if (value !== undefined && value !== "") values.set(name, value);
  }
  for (const [name, value] of flags.values) values.set(name, value);
  const path = values.get(CONFIG.name);
  values.delete(CONFIG.name);
  if (path === undefined) return { kind: "read", values };
  const file = readFile(path, program.settings);
  if (file.kind !== "read") return file;
  return { kind: "read", values: new Map([...file.values, ...values]) };
}

function readFlags(
  program: { readonly name: string; readonly description: string; readonly settings: readonly SettingSpec[] },
  argv: readonly string[],
): SettingsOutcome {
  let output = "";
  const write = (text: string): void => {
    output += text;
  };
  const command = new Command(program.name)
    .description(program.description)
    .exitOverride()
    .showSuggestionAfterError(false)
    .allowExcessArguments(false)
    .configureOutput({ writeOut: write, writeErr: write });
  for (const { name, argument, description } of program.settings) {
    command.addOption(new Option(argument === null ? `--${name}` : `--${name} <${argument}>`, description));
  }
  try {
    command.parse(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: "help", text: output };
    const flag = /--?[A-Za-z][\w-]*/.exec(error.message)?.[0] ?? "arguments";
    const problem = `${error.message.replace(/^error: /, "")}; --help lists what there is`;
    return { kind: "fault", setting: flag, problem };
  }
  const values = new Map<string, string>();
  const given = command.opts<Record<string, string | boolean>>();
  for (const { name } of program.settings) {
    const value = given[name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())];
    if (value !== undefined) values.set(name, String(value));
  }
  return { kind: "read", values };
}

function readFile(path: string, specs: readonly SettingSpec[]): SettingsOutcome {
  let content: unknown;
  try {
    // JSON is YAML too. Loaded here, for most starts read no file.
    const { parse } = require("yaml") as typeof Yaml;
    content = parse(readFileSync(path, "utf8"));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { kind: "fault", setting: "config", problem: `${path} cannot be read as JSON or YAML: ${why}` };
  }
  if (content === null || typeof content !== "object" || Array.isArray(content)) {
    return { kind: "fault", setting: "config", problem: `${path} must hold settings by name` };
  }
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(content)) {
    if (!specs.some((spec) => spec.name === name)) {
      const names = specs.map((spec) => spec.name).join(", ");
      return { kind: "fault", setting: name, problem: `unknown key in ${path}; the keys are ${names}` };
    }
    const text = textOf(value);
    if (text === null) {
      return {
        kind: "fault",
        setting: name,
        problem: `must be a text, a number, true or false, or a list of texts`,
      };
    }
    values.set(name, text);
  }
  return { kind: "read", values };
}

function textOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value.join(",");
  return null;
}
