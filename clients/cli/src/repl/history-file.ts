import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const LINES_MAX = 1000;

/** The lines that were typed, kept from one run to the next. */
export class HistoryFile {
  /** Oldest first. */
  readonly lines: string[];

  private constructor(
    private readonly path: string | null,
    lines: readonly string[],
  ) {
    this.lines = [...lines];
  }

  /** The file that QUORATE_HISTORY names (empty: none), or .quorate_history in the home directory. */
  static open(environment: Readonly<Record<string, string | undefined>>): HistoryFile {
    const { QUORATE_HISTORY: named, HOME: home } = environment;
    const path = named ?? (home === undefined ? "" : join(home, ".quorate_history"));
    if (path === "") return new HistoryFile(null, []);
    const lines = linesOf(path);
    if (lines.length > 2 * LINES_MAX) writeFileSync(path, `${lines.slice(-LINES_MAX).join("\n")}\n`);
    return new HistoryFile(path, lines.slice(-LINES_MAX));
  }

  add(line: string): void {
    if (line.trim() === "" || line === this.lines.at(-1)) return;
    this.lines.push(line);
    // Only its owner may read it: values can be secrets.
    if (this.path !== null) appendFileSync(this.path, `${line}\n`, { mode: 0o600 });
  }
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
