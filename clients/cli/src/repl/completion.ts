import type { Kv } from "@quorate/client";
import { commandNames, commandOf } from "./commands";
import { wordsOf } from "./words";

/** What could stand in place of the last word. */
export interface Completion {
  readonly candidates: readonly string[];
  /** The last word, as far as it was typed. */
  readonly typed: string;
}

const KEYS_MAX = 100;
/** Whoever presses the tab key does not wait longer. */
const KEYS_MS_MAX = 1000;

const NOTHING: Completion = { candidates: [], typed: "" };

/** Completes names of commands, and keys where the command takes one. */
export async function complete(
  kv: Kv,
  line: string,
  programNames: readonly string[] = [],
): Promise<Completion> {
  const typedName = line.trimStart().toLowerCase();
  const names = [...new Set([...commandNames, ...programNames])]
    .sort()
    .filter((name) => name.startsWith(typedName));
  if (names.length > 0) {
    return { candidates: names.map((name) => `${name} `), typed: line.trimStart() };
  }
  // Quoted words are left alone: what to quote in the completed key would be a guess.
  const typed = /[^ \t]*$/.exec(line)?.[0] ?? "";
  if (/["'\\]/.test(line)) return NOTHING;
  const before = wordsOf(line.slice(0, line.length - typed.length));
  const found = before.kind === "words" ? commandOf(before.words) : null;
  if (found === null || !takesKey(found.command.keys, found.rest.length)) return NOTHING;
  const candidates: string[] = [];
  const options = { keysOnly: true, limit: KEYS_MAX, consistency: "stale", deadlineMs: KEYS_MS_MAX } as const;
  try {
    for await (const { keyBytes } of kv.scan({ prefix: typed }, options)) {
      const key = Buffer.from(keyBytes).toString("utf8");
      if (/^[^\s"'\\\uFFFD]+$/.test(key)) candidates.push(key);
    }
  } catch {
    // Without an answer there is nothing to offer; the command itself will say what is wrong.
    return NOTHING;
  }
  return { candidates, typed };
}

/** @param position of the word, from 0 */
function takesKey(keys: "first" | "all" | "odd" | undefined, position: number): boolean {
  switch (keys) {
    case undefined:
      return false;
    case "first":
      return position === 0;
    case "all":
      return true;
    case "odd":
      return position % 2 === 0;
  }
}
