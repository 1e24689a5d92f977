import { parseArgs } from "node:util";
import { STATES_MAX_DEFAULT } from "./linearizable";

export interface JudgeOptions {
  readonly path: string;
  readonly statesMax: number;
  /** Print one JSON document instead of text. */
  readonly json: boolean;
}

export const HELP = `npm run judge -- history.jsonl [options]

Judges whether a recorded history (JSON Lines) is linearizable, key by key.

  --json          one JSON document on standard output
  --states-max N  states that the search of one key may visit beyond one for each operation (default: ${STATES_MAX_DEFAULT})

Exit code: 0 linearizable, 1 violation, 2 not a history or a bad option, 3 undecided.
`;

/** A command line that does not fit; the message names the option. */
export class BadOption extends Error {}

/** @throws BadOption */
export function judgeOptions(args: readonly string[]): JudgeOptions | "help" {
  const { values, positionals } = parsed(args);
  if (values.help === true) return "help";
  const [path, ...others] = positionals;
  if (path === undefined || others.length > 0)
    throw new BadOption("name one history: npm run judge -- history.jsonl");
  const statesMax = values["states-max"] ?? String(STATES_MAX_DEFAULT);
  if (!/^\d+$/.test(statesMax) || !Number.isSafeInteger(Number(statesMax))) {
    throw new BadOption(`--states-max must be a whole number of at least 0, not "${statesMax}"`);
  }
  return { path, statesMax: Number(statesMax), json: values.json ?? false };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: "boolean" }, "states-max": { type: "string" }, help: { type: "boolean" } },
    });
  } catch (problem) {
    throw new BadOption(problem instanceof Error ? problem.message : String(problem));
  }
}
