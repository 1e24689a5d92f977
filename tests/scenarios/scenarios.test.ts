import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { readScript, runScript } from "./run";
import { rewriteScript } from "./script";

const files = readdirSync(__dirname).filter((name) => name.endsWith(".txt"));

/** The first comment line of a script: "D8: a sentence", or the figure or section that it plays. */
function titleOf(file: string): string {
  const [first = ""] = readFileSync(join(__dirname, file), "utf8").split("\n");
  return /^# (.+)\.$/.exec(first)?.[1] ?? `${file} has no title`;
}

describe("each scenario prints what its script expects", () => {
  test.each(files.map((file) => [titleOf(file), file] as const))("%s", (_title, file) => {
    const text = readFileSync(join(__dirname, file), "utf8");
    const script = readScript(file, text);
    const outputs = Array.from(runScript(script), ({ output }) => output);
    // Compared as whole files, so that a failure shows the story around what differs.
    expect(rewriteScript(script, outputs)).toBe(text);
  });
});

test("every script is named like a sentence and begins with one", () => {
  const untitled = files.filter((file) => titleOf(file).endsWith("has no title"));
  const misnamed = files.filter((file) => !/^[a-z0-9]+(-[a-z0-9]+){3,}\.txt$/.test(file));
  expect({ untitled, misnamed }).toEqual({ untitled: [], misnamed: [] });
  expect(files.length).toBeGreaterThanOrEqual(25);
});
