import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cachedDataVersionTag } from "node:v8";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";

const scripts = resolve(__dirname, "../../../scripts");
const CODE = `one-1-${process.arch}-${cachedDataVersionTag()}.code`;

test.each(["node", "gateway"])("code lies ready for a %s, started by hand or by the launcher", (program) => {
  const launcher = readFileSync(join(__dirname, "../../../services/launcher/process.ts"), "utf8");
  const flags = JSON.parse(/ENGINE_FLAGS = (\[.+\])/.exec(launcher)?.[1] ?? "") as string[];
  const folder = join(__dirname, "../../../services/dist/programs");
  const name = /run\("(.+)"\)/.exec(readFileSync(join(folder, `${program}.js`), "utf8"))?.[1];
  const tags = [[], flags].map((each) =>
    run(...each, "-p", "require('node:v8').cachedDataVersionTag()").trim(),
  );
  expect(new Set(tags).size).toBe(2);
  const files = readdirSync(folder);
  for (const tag of tags) expect(files).toContain(`${name}-${process.arch}-${tag}.code`);
});

describe("a program of one file", () => {
  let folder = "";
  let code: Buffer;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "quorate-program-"));
    writeFileSync(join(folder, "one-1.js"), program("one"));
    const loader = readFileSync(join(scripts, "program-loader.cjs"), "utf8");
    writeFileSync(join(folder, "one.js"), loader.replace("{name}", "one-1"));
    run(join(scripts, "program-code.cjs"), join(folder, "one-1.js"), join(folder, CODE));
    code = readFileSync(join(folder, CODE));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeEach(() => {
    writeFileSync(join(folder, "one-1.js"), program("one"));
    writeFileSync(join(folder, CODE), code);
  });

  test("runs with the code that was made of it", () => {
    expect(run(join(folder, "one.js"), "an argument")).toBe(`one an argument one-1.js\n`);
    // V8 knows a source by its length: what another of the same length says shows that the code was run.
    writeFileSync(join(folder, "one-1.js"), program("two"));
    expect(run(join(folder, "one.js"))).toBe("one  one-1.js\n");
  });

  test.each([
    ["is not there", () => rmSync(join(folder, CODE))],
    ["is damaged", () => writeFileSync(join(folder, CODE), flipped(code))],
    ["is cut short", () => writeFileSync(join(folder, CODE), code.subarray(0, 99))],
    ["is empty", () => writeFileSync(join(folder, CODE), "")],
  ])("runs from its source where the code %s", (_, harm) => {
    harm();
    writeFileSync(join(folder, "one-1.js"), program("two"));
    expect(run(join(folder, "one.js"))).toBe("two  one-1.js\n");
  });

  test("runs from its source where lines are mapped to sources, and where V8 is told to work in another way", () => {
    writeFileSync(join(folder, "one-1.js"), program("two"));
    expect(run("--enable-source-maps", join(folder, "one.js"))).toBe("two  one-1.js\n");
    expect(run("--no-opt", join(folder, "one.js"))).toBe("two  one-1.js\n");
  });
});

function program(word: string): string {
  return `console.log("${word}", process.argv.slice(2).join(" "), require("node:path").basename(__filename));\n`;
}

function run(...argv: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, argv, { encoding: "utf8" });
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return stdout;
}

function flipped(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  const last = changed.length - 1;
  changed[last] = (changed[last] ?? 0) ^ 1;
  return changed;
}
