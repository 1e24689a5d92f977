/** `name=value`, `name=(a,b,c)` or a bare `value` (then `values` is empty and `key` is the word itself). */
export interface Argument {
  readonly key: string;
  readonly values: readonly string[];
}

/** One step of a script: the directive line, its input lines and the text that should come out. */
export interface Directive {
  readonly name: string;
  readonly arguments: readonly Argument[];
  /** The directive line as written, without surrounding blanks; wrapped lines are joined. */
  readonly text: string;
  /** Line of the file on which the directive starts, from 1. */
  readonly line: number;
  readonly input: string;
  /** The text below `----`, or undefined where the script has none. */
  readonly expected: string | undefined;
  /** The lines of the file, from 0, that hold `----` and the expected text: `to` is the first one after them. */
  readonly output: { readonly from: number; readonly to: number };
}

export interface Script {
  readonly file: string;
  readonly lines: readonly string[];
  readonly directives: readonly Directive[];
}

/** What is wrong with a script, and where: its message reads `file:line: what`. */
export class ScriptError extends Error {
  override readonly name = "ScriptError";

  constructor(file: string, line: number, what: string) {
    super(`${file}:${line}: ${what}`);
  }
}

/** Where a directive stands, for the errors of its arguments. */
export interface Position {
  readonly file: string;
  readonly line: number;
}

const fence = "----";

/**
 * Reads the format of cockroachdb/datadriven: a directive, input lines, `----`, expected text, a blank line. Expected
 * text with blank lines stands between doubled fences. A directive outside `takesInput` may leave out the fence, so a
 * bare list of directives is a script too.
 */
export function parseScript(file: string, text: string, takesInput: ReadonlySet<string>): Script {
  const lines = text.split(/\r?\n/);
  const directives: Directive[] = [];
  let next = 0;
  while (next < lines.length) {
    const line = next + 1;
    let words = lineAt(lines, next++).trim();
    if (words === "" || words.startsWith("#")) continue;
    while (words.endsWith("\\") && next < lines.length) {
      words = `${words.slice(0, -1).trimEnd()} ${lineAt(lines, next++).trim()}`;
    }
    const { name, arguments: given } = parseDirectiveLine(words, { file, line });
    const input: string[] = [];
    if (takesInput.has(name)) {
      while (next < lines.length && lineAt(lines, next) !== fence && lineAt(lines, next).trim() !== "") {
        input.push(lineAt(lines, next++));
      }
    }
    const from = next;
    const { expected, to } = readExpected(lines, from, { file, line });
    next = to;
    directives.push({
      name,
      arguments: given,
      text: words,
      line,
      input: input.join("\n"),
      expected,
      output: { from, to },
    });
  }
  return { file, lines, directives };
}

/** The script with each directive's expected text replaced by `outputs`, in order; comments and input stay. */
export function rewriteScript(script: Script, outputs: readonly string[]): string {
  const written: string[] = [];
  let next = 0;
  script.directives.forEach((directive, position) => {
    written.push(...script.lines.slice(next, directive.output.from), ...fenced(outputs[position] ?? ""));
    next = directive.output.to;
    if (next < script.lines.length && lineAt(script.lines, next).trim() !== "") written.push("");
  });
  written.push(...script.lines.slice(next));
  return `${written.join("\n").trimEnd()}\n`;
}

function fenced(output: string): string[] {
  const body = output === "" ? [] : output.split("\n");
  const needsDoubleFence = body.some((line) => line.trim() === "" || line === fence);
  return needsDoubleFence ? [fence, fence, ...body, fence, fence] : [fence, ...body];
}

function readExpected(
  lines: readonly string[],
  from: number,
  position: Position,
): { expected: string | undefined; to: number } {
  if (lines[from] !== fence) return { expected: undefined, to: from };
  let next = from + 1;
  const body: string[] = [];
  if (lines[next] === fence) {
    next++;
    while (!(lines[next] === fence && lines[next + 1] === fence)) {
      if (next >= lines.length) {
        throw new ScriptError(
          position.file,
          position.line,
          "the doubled ---- after this directive is never closed",
        );
      }
      body.push(lineAt(lines, next++));
    }
    return { expected: body.join("\n"), to: next + 2 };
  }
  while (next < lines.length && lineAt(lines, next).trim() !== "") body.push(lineAt(lines, next++));
  return { expected: body.join("\n"), to: next };
}

function parseDirectiveLine(
  words: string,
  position: Position,
): { name: string; arguments: readonly Argument[] } {
  const [, name = "", tail = ""] = /^(\S+)\s*(.*)$/.exec(words) ?? [];
  const given: Argument[] = [];
  let rest = tail;
  while (rest !== "") {
    const [, key = "", mark = ""] = /^([^\s=]+)(=?)/.exec(rest) ?? [];
    if (key === "")
      throw new ScriptError(position.file, position.line, `cannot read the arguments from "${rest}" on`);
    rest = rest.slice(key.length + mark.length);
    if (mark === "") {
      given.push({ key, values: [] });
    } else if (rest.startsWith("(")) {
      const { values, length } = readList(rest, key, position);
      given.push({ key, values });
      rest = rest.slice(length);
    } else {
      const [value = ""] = /^\S*/.exec(rest) ?? [];
      given.push({ key, values: [value] });
      rest = rest.slice(value.length);
    }
    rest = rest.trimStart();
  }
  return { name, arguments: given };
}

/** Values are cut at the commas outside inner parentheses: `(a, f(b, c))` has two. */
function readList(text: string, key: string, position: Position): { values: string[]; length: number } {
  const values: string[] = [];
  let depth = 1;
  let start = 1;
  for (let at = 1; at < text.length; at++) {
    const character = text[at];
    if (character === "(") depth++;
    if (character === ")") depth--;
    if (depth === 0 || (depth === 1 && character === ",")) {
      values.push(text.slice(start, at).trim());
      start = at + 1;
    }
    if (depth === 0) return { values, length: at + 1 };
  }
  throw new ScriptError(position.file, position.line, `argument ${key}: the parenthesis is never closed`);
}

function lineAt(lines: readonly string[], position: number): string {
  return lines[position] ?? "";
}
