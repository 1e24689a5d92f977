import { type LineOutcome, pairOfText, type StoredPair, textOfPair } from "./record-line";

/**
 * A line of JSON Lines: `{"key": "…", "value": …}`. A string stands for its UTF-8 bytes; any other JSON value for its
 * compact JSON text; with `"encoding": "base64"` key and value are base64.
 */
export function readJsonLine(line: string): LineOutcome {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (error) {
    return { kind: "malformed", why: (error as Error).message };
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    return { kind: "malformed", why: "it is not a JSON object" };
  }
  const { key, value, encoding = "" } = parsed as Record<string, unknown>;
  if (typeof key !== "string") return { kind: "malformed", why: 'it has no "key" that is a string' };
  if (value === undefined) return { kind: "malformed", why: 'it has no "value"' };
  if (typeof encoding !== "string") return { kind: "malformed", why: 'its "encoding" is not a string' };
  if (typeof value === "string") return pairOfText({ key, value, encoding });
  if (encoding !== "") return { kind: "malformed", why: "its value is to be base64 and is not a string" };
  return pairOfText({ key, value: JSON.stringify(value), encoding });
}

/** The line of a pair, without its end. Objects and arrays appear as JSON, all else as a string; the bytes come back. */
export function writeJsonLine(pair: StoredPair): string {
  const { key, value, encoding } = textOfPair(pair);
  if (encoding !== "") return JSON.stringify({ key, value, encoding });
  return `{"key":${JSON.stringify(key)},"value":${isCompactJson(value) ? value : JSON.stringify(value)}}`;
}

/** Whether the text is an object or array just as JSON.stringify writes it, so that reading the line gives it back. */
function isCompactJson(text: string): boolean {
  if (!/^[[{]/.test(text)) return false;
  try {
    return JSON.stringify(JSON.parse(text)) === text;
  } catch {
    return false;
  }
}
