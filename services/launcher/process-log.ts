import { existsSync, readFileSync } from "node:fs";

/** The last thing that a process said in its log, for a message; empty when there is none. */
export function lastSentence(logPath: string): string {
  if (!existsSync(logPath)) return "";
  const line = readFileSync(logPath, "utf8").trimEnd().split("\n").at(-1) ?? "";
  return messageOf(line) ?? line;
}

/** Of a line of the structured log what it says to people; null of any other. */
function messageOf(line: string): string | null {
  if (!line.startsWith("{")) return null;
  try {
    const { msg } = JSON.parse(line) as { readonly msg?: unknown };
    return typeof msg === "string" ? msg : null;
  } catch {
    // Cut off in its midst, or no log line at all.
    return null;
  }
}
