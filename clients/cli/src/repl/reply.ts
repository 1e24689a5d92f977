import { visible } from "#cli/record-output";

/*
 * How the REPL words its answers, in the manner that users of Redis know.
 */

export const OK = "OK";
export const NIL = "(nil)";

/** Bytes between quotes, with what is not printable made visible. */
export function quoted(bytes: Uint8Array): string {
  const text = visible(bytes);
  return text.startsWith("0x") ? text : `"${text.replaceAll('"', '\\"')}"`;
}

export function integer(value: number | bigint): string {
  return `(integer) ${value}`;
}

/** One item a line, numbered. */
export function list(items: readonly string[]): string {
  if (items.length === 0) return "(empty)";
  const width = String(items.length).length;
  return items.map((item, at) => `${String(at + 1).padStart(width)}) ${item}`).join("\n");
}

/** Names and values, one pair a line. */
export function fields(pairs: readonly (readonly [string, string | number | bigint])[]): string {
  const width = Math.max(0, ...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}
