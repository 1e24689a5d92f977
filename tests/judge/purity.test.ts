import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "@jest/globals";

/** Those that a command line needs. */
const KNOWS_NODE = ["main.ts", "options.ts"];

it("the judge knows nothing of the product, and its judgements nothing of Node", () => {
  const files = readdirSync(__dirname).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  const foreign = files.flatMap((name) => {
    const source = readFileSync(join(__dirname, name), "utf8");
    return [...source.matchAll(/\bfrom "([^"]+)"|\b(?:import|require)\("([^"]+)"/g)]
      .map((match) => match[1] ?? match[2] ?? "")
      .filter((specifier) => !specifier.startsWith("./"))
      .filter((specifier) => !(KNOWS_NODE.includes(name) && specifier.startsWith("node:")))
      .map((specifier) => `${name} imports ${specifier}`);
  });
  expect(foreign).toEqual([]);
  const timed = files.filter((name) =>
    /\bDate\b|\bperformance\b|\bhrtime\b|\bMath\.random\b/.test(readFileSync(join(__dirname, name), "utf8")),
  );
  expect(timed).toEqual([]);
});
