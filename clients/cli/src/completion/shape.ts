import type { Command } from "commander";

/** An option of a command. */
export interface OptionShape {
  /** As they are typed: "-n" and "--namespace". */
  readonly flags: readonly string[];
  readonly description: string;
  /** Whether a value follows. */
  readonly takesValue: boolean;
  /** The only values there are; none where anything goes. */
  readonly choices: readonly string[];
}

/** A command as it can be typed: all that a shell needs to complete it. */
export interface CommandShape {
  readonly name: string;
  readonly description: string;
  /** Its own, not those that every command takes. */
  readonly options: readonly OptionShape[];
  /** The only values of its arguments; none where anything goes. */
  readonly choices: readonly string[];
  readonly commands: readonly CommandShape[];
}

export function shapeOf(command: Command): CommandShape {
  return {
    name: command.name(),
    description: command.description(),
    // The version is asked of the program alone, as its first word.
    options: command.options
      .filter(({ long }) => long !== "--version")
      .map(({ short, long, description, required, optional, argChoices = [] }) => ({
        flags: [short, long].filter((flag) => flag !== undefined),
        description,
        takesValue: required || optional,
        choices: argChoices,
      })),
    choices: command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
    commands: command.commands.map(shapeOf),
  };
}

/** Every command with the words that lead to it, the program itself first. */
export function pathsOf(
  shape: CommandShape,
  before: readonly string[] = [],
): readonly { readonly path: readonly string[]; readonly shape: CommandShape }[] {
  const path = [...before, shape.name];
  return [{ path, shape }, ...shape.commands.flatMap((below) => pathsOf(below, path))];
}
