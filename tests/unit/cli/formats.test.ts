import { Readable } from "node:stream";
import { describe, expect, test } from "@jest/globals";
import { FORMATS, type FormatName, formatOfPath, type LineOutcome } from "@quorate/cli";

async function read(format: FormatName, text: string): Promise<LineOutcome[]> {
  const outcomes: LineOutcome[] = [];
  for await (const outcome of FORMATS[format].read(Readable.from([Buffer.from(text)])))
    outcomes.push(outcome);
  return outcomes;
}

/** Each awkward byte string as key and as value. */
const AWKWARD: readonly Uint8Array[] = [
  ...[
    "plain",
    " spaces ",
    "tab\tin",
    "line\nbreak",
    "line\r\nbreak",
    "cr\ronly",
    'quo"te',
    "com,ma",
    "nul\0",
    "\ufeffbom",
    "😀",
  ],
  ...[
    '{"a":1}',
    '{ "a": 1 }',
    "[1,2]",
    '{"a":1e400}',
    "5",
    "null",
    "true",
    '"text"',
    "{",
    '{"__proto__":1}',
    '{"b":1,"2":3}',
  ],
]
  .map((text): Uint8Array => Buffer.from(text))
  .concat([Uint8Array.of(0xff, 0xfe), Uint8Array.of(0xc3)]);

describe.each(["jsonl", "csv"] as const)("%s", (name) => {
  test("A6: each byte string comes back as it was, as key and as value", async () => {
    const pairs = [
      ...AWKWARD.map((bytes) => ({ key: bytes, value: bytes })),
      { key: Buffer.from("k"), value: Buffer.alloc(0) },
    ];
    const format = FORMATS[name];
    const text = format.header + pairs.map((pair) => format.write(pair)).join("");
    const outcomes = await read(name, text);
    expect(outcomes.map((outcome) => (outcome.kind === "pair" ? hexOf(outcome.pair) : outcome))).toEqual(
      pairs.map(hexOf),
    );
  });

  test("an empty file holds nothing", async () => {
    expect(await read(name, "")).toEqual([]);
  });
});

function hexOf({ key, value }: { key: Uint8Array; value: Uint8Array }): string[] {
  return [key, value].map((bytes) => Buffer.from(bytes).toString("hex"));
}

describe("JSON Lines", () => {
  test("objects appear as JSON, all else as a string", () => {
    const write = (value: string) =>
      FORMATS.jsonl.write({ key: Buffer.from("k"), value: Buffer.from(value) });
    expect(write('{"a":[1]}')).toBe('{"key":"k","value":{"a":[1]}}\n');
    expect(write("5")).toBe('{"key":"k","value":"5"}\n');
    expect(write('{ "a":1}')).toBe('{"key":"k","value":"{ \\"a\\":1}"}\n');
  });

  test.each([
    ["{", "JSON"],
    ["[]", "not a JSON object"],
    ["null", "not a JSON object"],
    ['{"value":"v"}', '"key"'],
    ['{"key":1,"value":"v"}', '"key"'],
    ['{"key":"k"}', '"value"'],
    ['{"key":"k","value":"v","encoding":"hex"}', '"hex"'],
    ['{"key":"k","value":5,"encoding":"base64"}', "base64"],
    ['{"key":"aw==","value":"*","encoding":"base64"}', "the value is not base64"],
  ])("%s is malformed, and the next line is read all the same", async (line, why) => {
    const outcomes = await read("jsonl", `${line}\n\n{"key":"k","value":1}\n`);
    expect(outcomes).toMatchObject([
      { kind: "malformed", why: expect.stringContaining(why) },
      { kind: "pair" },
    ]);
  });
});

describe("CSV", () => {
  test("columns are found by name, in any order, and encoding may be left out", async () => {
    const outcomes = await read("csv", "value,key\r\nv,k\r\n");
    expect(outcomes.map((outcome) => outcome.kind === "pair" && hexOf(outcome.pair))).toEqual([["6b", "76"]]);
  });

  test.each([
    ["a,b\n1,2\n", "key"],
    ["key\nk\n", "value"],
    ['key,value\nk,"open\n', "Quote"],
  ])("%p is malformed", async (text, why) => {
    expect(await read("csv", text)).toMatchObject([{ kind: "malformed", why: expect.stringContaining(why) }]);
  });
});

test.each([
  ["a.csv", "csv"],
  ["a.CSV", "csv"],
  ["a.jsonl", "jsonl"],
  ["-", "jsonl"],
])("the format of %s is %s", (path, name) => {
  expect(formatOfPath(path)).toBe(name);
});
