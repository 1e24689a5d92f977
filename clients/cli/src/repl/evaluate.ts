import { QuorateError } from "@quorate/client";
import { describe } from "#cli/session";
import { commandOf, type ReplContext, ReplFault, usageOf } from "./commands";
import { wordsOf } from "./words";

/** What came of a line. */
export type LineOutcome =
  /** What to show; empty for nothing. */
  | { readonly kind: "shown"; readonly text: string }
  | { readonly kind: "failed"; readonly text: string }
  | { readonly kind: "quit" };

/** Carries out one line. Bad input and failed calls are told, and end nothing. */
export async function evaluate(context: ReplContext, line: string): Promise<LineOutcome> {
  const read = wordsOf(line);
  if (read.kind === "malformed") return failed(read.why);
  const { words } = read;
  const first = words[0];
  if (first === undefined) return { kind: "shown", text: "" };
  const found = commandOf(words);
  if (found === null || words.some(isFlag)) {
    const name = Buffer.from(first).toString("utf8").toLowerCase();
    // What has flags is meant as on the command line, and so is what only the command line knows.
    if (context.programNames.includes(name)) {
      await context.runProgram([name, ...words.slice(1).map((word) => Buffer.from(word).toString("utf8"))]);
      return { kind: "shown", text: "" };
    }
    if (found === null) return failed(`there is no command "${name}"; try help`);
  }
  const { name, command, rest } = found;
  if (rest.length < command.minimum || rest.length > command.maximum) {
    return failed(`write it so: ${usageOf(name, command)}`);
  }
  try {
    const text = await command.run(context, rest);
    return text === null ? { kind: "quit" } : { kind: "shown", text };
  } catch (error) {
    if (error instanceof QuorateError) return failed(describe(error));
    if (error instanceof ReplFault) return failed(error.message);
    throw error;
  }
}

function isFlag(word: Uint8Array): boolean {
  return /^--[a-z]/.test(Buffer.from(word).toString("latin1"));
}

function failed(why: string): LineOutcome {
  return { kind: "failed", text: `(error) ${why}` };
}
