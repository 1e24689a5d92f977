import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Child, Workplace } from "../support";

const root = resolve(__dirname, "../..");
const readme = readFileSync(join(root, "services/testing/README.md"), "utf8");

/** The programs of the README, by the name in their first line. */
const programs = new Map(
  [...readme.matchAll(/```(?:ts|js)\n\/\/ (\S+)\n([\s\S]*?)```/g)].map(
    ([, name, text]) => [name, text] as const,
  ),
);

/** What is too short on a busy machine. */
const PATIENT = ["testTimeout=60000", "hookTimeout=60000"];

let workplace: Workplace;

beforeEach(() => {
  workplace = new Workplace();
  symlinkSync(join(root, "node_modules"), workplace.at("node_modules"));
});

afterEach(() => workplace.remove());

function write(...names: string[]): void {
  for (const name of names) {
    const program = programs.get(name);
    if (program === undefined) throw new Error(`the README has no program ${name}`);
    writeFileSync(workplace.at(name), program);
  }
}

/** Runs a program of the checkout to its end, and returns what it said. */
async function run(
  program: string,
  ...args: string[]
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = new Child(workplace, "runner", [join(root, "node_modules", program), ...args]);
  const { code } = await child.ended;
  return { code, output: child.log() };
}

test("M1: the README's tests pass in vitest, with one shared cluster for the run", async () => {
  write("orders.test.ts", "cart.test.ts", "vitest.config.mjs");
  const { code, output } = await run(
    "vitest/vitest.mjs",
    "run",
    "--no-cache",
    ...PATIENT.map((flag) => `--${flag}`),
    "--root",
    workplace.path,
  );
  expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining("3 passed") });
});

test("M1: the README's tests pass in node:test, and the process ends by itself", async () => {
  write("orders.test.mjs");
  const child = new Child(workplace, "runner", ["--test", workplace.at("orders.test.mjs")]);
  const { code } = await child.ended;
  expect({ code, output: child.log() }).toEqual({ code: 0, output: expect.stringContaining("# pass 1") });
});

test("M1: tests in jest share one cluster that the global setup started and the teardown ended", async () => {
  write("jest.config.cjs");
  for (const name of ["one", "two"]) {
    writeFileSync(
      workplace.at(`${name}.test.js`),
      `const { sharedCluster, SHARED_CLUSTER_VARIABLE } = require("@quorate/testing");
       test("${name}", async () => {
         expect(process.env[SHARED_CLUSTER_VARIABLE].split(",")).toHaveLength(3);
         const shared = await sharedCluster();
         const { kv } = await shared.namespace();
         expect(await kv.count()).toBe(0);
         await kv.put("a", "1");
         expect(await kv.count()).toBe(1);
       });`,
    );
  }
  // An installed package would not be compiled once more either.
  const flags = [
    "--ci",
    "--testTimeout=60000",
    "--transform={}",
    "-w",
    "2",
    "--cacheDirectory",
    workplace.at("cache"),
  ];
  const { code, output } = await run("jest/bin/jest.js", ...flags);
  expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining("Tests:       2 passed") });
});

test("the README's programs compile", async () => {
  write("orders.test.ts", "cart.test.ts");
  const options =
    "--noEmit --strict --target es2023 --lib es2023,esnext.disposable,dom --module node20 --skipLibCheck --types node --ignoreConfig";
  const files = [workplace.at("orders.test.ts"), workplace.at("cart.test.ts")];
  expect(await run("typescript/bin/tsc", ...options.split(" "), ...files)).toEqual({ code: 0, output: "" });
});
