import { readFileSync, writeFileSync } from "node:fs";
import { type TraceEvent, traceLine } from "@quorate/services/raft";
import { difference } from "./difference";
import { readScript, runScript } from "./run";
import { rewriteScript, ScriptError } from "./script";

const usage = "usage: npm run scenario -- FILE... [--json | --rewrite | --trace]";

type Mode = "check" | "json" | "rewrite" | "trace";

/** The flag of each mode but `check`. */
const modes: ReadonlyMap<string, Mode> = new Map([
  ["--json", "json"],
  ["--rewrite", "rewrite"],
  ["--trace", "trace"],
]);

/** Where lines go, without their line ends. */
export interface Console {
  print(line: string): void;
  complain(line: string): void;
}

/**
 * Runs scripts. Without a flag it compares what each directive prints with what the script expects; `--json` prints a
 * DirectiveRecord a line after each directive instead, `--trace` the transitions of the core for a model checker (see
 * services/raft/trace.ts), and `--rewrite` writes what is printed into the scripts.
 *
 * @returns the exit code: 0 where all is as expected or nothing is compared, 1 where it differs, 2 for bad input
 */
export function runCommandLine(words: readonly string[], console: Console): 0 | 1 | 2 {
  const complain = (what: string): 2 => {
    console.complain(what);
    return 2;
  };
  const flags = new Set(words.filter((word) => word.startsWith("--")));
  const files = words.filter((word) => !word.startsWith("--"));
  for (const flag of flags) {
    if (!modes.has(flag)) return complain(`unknown flag ${flag}; ${usage}`);
  }
  if (files.length === 0) return complain(`no script is named; ${usage}`);
  if (flags.size > 1) return complain(`${[...modes.keys()].join(", ")} exclude each other; ${usage}`);
  const mode = [...flags].map((flag) => modes.get(flag))[0] ?? "check";

  let isAsExpected = true;
  for (const file of files) {
    try {
      isAsExpected = runFile(file, mode, console) && isAsExpected;
    } catch (error) {
      if (error instanceof ScriptError) return complain(error.message);
      if (isFileError(error)) return complain(`${file}: cannot be read or written (${error.code})`);
      throw error;
    }
  }
  return isAsExpected ? 0 : 1;
}

/** Returns whether each directive printed what the script expects; one without ---- expects nothing in particular. */
function runFile(file: string, mode: Mode, console: Console): boolean {
  const script = readScript(file, readFileSync(file, "utf8"));
  const outputs: string[] = [];
  let differing = 0;
  let traced = 0;
  const tracer = (event: TraceEvent): void => {
    traced++;
    console.print(traceLine(traced, event));
  };
  for (const { directive, output, record } of runScript(script, mode === "trace" ? tracer : null)) {
    outputs.push(output);
    if (mode === "json") console.print(JSON.stringify(record));
    if (mode !== "check" || directive.expected === undefined || directive.expected === output) continue;
    differing++;
    console.print(`${file}:${directive.line}: ${directive.text}`);
    for (const line of difference(directive.expected, output)) console.print(`  ${line}`);
  }
  if (mode === "rewrite") writeFileSync(file, rewriteScript(script, outputs));
  if (mode === "check") {
    console.print(`${file}: ${outputs.length} directives, ${differing === 0 ? "ok" : `${differing} differ`}`);
  }
  return differing === 0;
}

/** What the file system throws; told by its shape, for a test's errors come from another realm than its classes. */
function isFileError(error: unknown): error is { readonly code: string } {
  const isObject = typeof error === "object" && error !== null;
  return isObject && "syscall" in error && "code" in error && typeof error.code === "string";
}
