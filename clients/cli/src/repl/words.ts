/** What a line says: its words, or why it cannot be read. */
export type LineWords =
  | { readonly kind: "words"; readonly words: readonly Uint8Array[] }
  | { readonly kind: "malformed"; readonly why: string };

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  0: "\0",
  "\\": "\\",
  '"': '"',
};

/**
 * Splits a line into words, as bytes. Between double quotes a backslash begins an escape (\n \r \t \0 \\ \" and \xFF for
 * any byte); between single quotes everything stands for itself.
 */
export function wordsOf(line: string): LineWords {
  const words: Uint8Array[] = [];
  let at = 0;
  for (;;) {
    while (isSpace(line[at])) at += 1;
    if (at >= line.length) return { kind: "words", words };
    const quote = line[at];
    if (quote !== '"' && quote !== "'") {
      const from = at;
      while (at < line.length && !isSpace(line[at])) at += 1;
      words.push(Buffer.from(line.slice(from, at)));
      continue;
    }
    const quoted = quote === '"' ? doubleQuoted(line, at + 1) : singleQuoted(line, at + 1);
    if (typeof quoted === "string") return { kind: "malformed", why: quoted };
    words.push(quoted.bytes);
    at = quoted.end;
    if (at < line.length && !isSpace(line[at])) {
      return { kind: "malformed", why: `a space is missing after the quote at column ${at}` };
    }
  }
}

interface Quoted {
  readonly bytes: Uint8Array;
  /** Behind the closing quote. */
  readonly end: number;
}

function singleQuoted(line: string, from: number): Quoted | string {
  const end = line.indexOf("'", from);
  if (end < 0) return `the quote at column ${from} is not closed`;
  return { bytes: Buffer.from(line.slice(from, end)), end: end + 1 };
}

function doubleQuoted(line: string, from: number): Quoted | string {
  const parts: Uint8Array[] = [];
  let at = from;
  for (;;) {
    const plainFrom = at;
    while (at < line.length && line[at] !== '"' && line[at] !== "\\") at += 1;
    parts.push(Buffer.from(line.slice(plainFrom, at)));
    if (at >= line.length) return `the quote at column ${from} is not closed`;
    if (line[at] === '"') return { bytes: Buffer.concat(parts), end: at + 1 };
    const escaped = line[at + 1] ?? "";
    const byte = /^[0-9A-Fa-f]{2}/.exec(line.slice(at + 2))?.[0];
    if (escaped === "x" && byte !== undefined) {
      parts.push(Uint8Array.of(Number.parseInt(byte, 16)));
      at += 4;
      continue;
    }
    const plain = ESCAPES[escaped];
    if (plain === undefined) return `\\${escaped} at column ${at + 1} is no escape`;
    parts.push(Buffer.from(plain));
    at += 2;
  }
}

function isSpace(character: string | undefined): boolean {
  return character === " " || character === "\t";
}
