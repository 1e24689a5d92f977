import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { Child } from "../../support/child";
import { eventually } from "../../support/eventually";
import { Workplace } from "../../support/workplace";

const root = resolve(__dirname, "../../..");

interface Mode {
  readonly about: string;
  readonly minutesMax: number;
  readonly tests: readonly string[];
  readonly timed?: readonly string[];
  readonly long?: readonly string[];
  readonly programs?: readonly { readonly name: string; readonly path: string }[];
  readonly alwaysReports?: boolean;
}

const MODES: Readonly<Record<string, Mode>> = JSON.parse(
  readFileSync(join(root, "scripts/modes.json"), "utf8"),
);

function mode(...args: readonly string[]): SpawnSyncReturns<string> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(QUORATE_|JEST_)/.test(name));
  return spawnSync(process.execPath, [join(root, "scripts/run.mjs"), "mode", ...args], {
    cwd: root,
    encoding: "utf8",
    env: Object.fromEntries(kept),
  });
}

/** The test files of each mode, as --list lists them; one process asks for all. */
function listedFiles(): Readonly<Record<string, readonly string[]>> {
  const program = `import { runMode } from ${JSON.stringify(join(root, "scripts/mode.mjs"))};
    for (const name of ${JSON.stringify(Object.keys(MODES))}) {
      console.log("mode " + name);
      await runMode([name, "--list"], () => {});
    }`;
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
  });
  const parts = stdout.split(/^mode /m).slice(1);
  return Object.fromEntries(
    parts.map((part) => {
      const [name, ...files] = part.trimEnd().split("\n");
      return [name as string, files];
    }),
  );
}

function testFiles(): string[] {
  return readdirSync(join(root, "tests"), { recursive: true, encoding: "utf8" })
    .map((file) => `tests/${file}`)
    .filter((file) => file.endsWith(".test.ts") && !file.startsWith("tests/dist/"));
}

describe("run modes", () => {
  test("M7: the modes and how many minutes each may take", () => {
    expect(Object.entries(MODES).map(([name, { minutesMax }]) => [name, minutesMax])).toEqual([
      ["quick", 2],
      ["basic", 5],
      ["replication", 5],
      ["chaos", 15],
      ["concurrency", 8],
      ["benchmark", 15],
      ["error", 5],
      ["ci", 20],
      ["all", 60],
    ]);
  });

  test("M7: every mode names files, folders and programs that exist", () => {
    const missing = Object.values(MODES).flatMap(({ tests, timed = [], programs = [] }) => [
      ...[...tests, ...timed].filter((path) => !existsSync(join(root, path))),
      ...programs
        .map(({ path }) => path.replace("tests/dist/", "tests/").replace(/\.js$/, ".ts"))
        .filter((path) => !existsSync(join(root, path))),
    ]);
    expect(missing).toEqual([]);
  });

  test("M7: every test file belongs to a mode besides ci and all, and these two have them all", () => {
    const { ci, all: everything, ...narrow } = listedFiles();
    const covered = new Set(Object.values(narrow).flat());
    const all = testFiles().sort();
    const isLong = (file: string) => file.endsWith(".long.test.ts");
    expect(all.filter((file) => !covered.has(file) && !isLong(file))).toEqual([]);
    expect(everything?.toSorted()).toEqual(all);
    expect(ci?.toSorted()).toEqual(all.filter((file) => !file.endsWith(".timed.test.ts") && !isLong(file)));
  });

  test.each([
    [[]],
    [["quickly"]],
    [["quick", "basic"]],
    [["quick", "--fast"]],
    [["quick", "--only", "nothing"]],
  ])("M7: %j is a usage error", (args) => {
    const { status, stderr } = mode(...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(args.includes("--only") ? /leaves nothing to run/ : /quick .*at most 2 minutes/);
  });
});

/** The elements of an XML text by name, each with its attributes; throws where tags do not match. */
function elementsOf(xml: string): { readonly name: string; readonly attributes: Record<string, string> }[] {
  const open: string[] = [];
  const found: { name: string; attributes: Record<string, string> }[] = [];
  for (const [, end, name, attributes = "", isEmpty] of xml.matchAll(
    /<(\/?)([A-Za-z][\w.-]*)((?:\s+[\w.:-]+="[^"<]*")*)\s*(\/?)>/g,
  )) {
    if (end === "/") {
      expect(open.pop()).toBe(name);
      continue;
    }
    found.push({
      name: name as string,
      attributes: Object.fromEntries(
        [...attributes.matchAll(/([\w.:-]+)="([^"]*)"/g)].map(([, key, value]) => [
          key as string,
          value as string,
        ]),
      ),
    });
    if (isEmpty !== "/") open.push(name as string);
  }
  expect(open).toEqual([]);
  return found;
}

describe("a mode with a report", () => {
  let workplace: Workplace;

  beforeEach(() => {
    workplace = new Workplace();
  });

  afterEach(() => workplace.remove());

  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "M7: what has a time limit ends with who runs it, by %s",
    async (signal) => {
      const sleeper = "console.log('pid', process.pid); setInterval(() => undefined, 1000)";
      const program = `import { runProgram } from ${JSON.stringify(join(root, "scripts/jest.mjs"))};
        const run = await runProgram(["-e", ${JSON.stringify(sleeper)}], {}, "inherit", Date.now() + 60_000);
        console.log(JSON.stringify(run));`;
      const runner = new Child(workplace, "runner", ["--input-type=module", "-e", program]);
      const [, pid] = await eventually("the program runs", () => /pid (\d+)/.exec(runner.log()));
      runner.signal(signal);
      expect(await runner.ended).toEqual({ code: 0, signal: null });
      expect(runner.log()).toContain('{"exitCode":1,"isLate":false,"isInterrupted":true}');
      expect(() => process.kill(Number(pid), 0)).toThrow("ESRCH");
    },
  );

  test("M7: a mode that takes longer than it may is ended, and that is a failure", () => {
    const limit = ["--minutes-max", "0.001"];
    const ran = mode("quick", "--only", "tests/unit/std/", "--report-dir", workplace.at("late"), ...limit);
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain("quick took longer than the 0.001 minutes that it may take, and was ended");
    expect(ran.stdout).toMatch(/^0 passed, 1 failed$/m);
  });

  test("M7: --report writes JUnit XML whose counts are those of the last line, and coverage", () => {
    const directory = workplace.at("report");
    const only = "tests/unit/std/b";
    const ran = mode("quick", "--only", only, "--report-dir", directory);
    expect({ status: ran.status, log: ran.status === 0 ? "" : ran.stdout + ran.stderr }).toEqual({
      status: 0,
      log: "",
    });
    const [, passed] = /^(\d+) passed, 0 failed$/m.exec(ran.stdout) ?? [];
    const elements = elementsOf(readFileSync(join(directory, "junit.xml"), "utf8"));
    expect(elements[0]).toMatchObject({ name: "testsuites", attributes: { tests: passed, failures: "0" } });
    const cases = elements.filter(({ name }) => name === "testcase");
    expect(cases).toHaveLength(Number(passed));
    const suites = elements.filter(({ name }) => name === "testsuite");
    expect(suites).toHaveLength(testFiles().filter((file) => file.includes(only)).length);
    expect(suites.length).toBeGreaterThan(1);
    expect(ran.stdout).toMatch(/^Lines +: [1-9]/m);
    expect(readFileSync(join(directory, "coverage/lcov.info"), "utf8")).toContain("SF:services/std/");
  });
});
