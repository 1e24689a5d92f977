// `npm run test:mode -- MODE`: the run modes of modes.json, each within its time.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { root, runJest, runProgram, summaryLine } from "./jest.mjs";

const MODES = JSON.parse(readFileSync(join(root, "scripts/modes.json"), "utf8"));
/** Tests that only run where they are asked for, by the key of a mode that names them. */
const KINDS = ["timed", "long"];

/**
 * Runs one mode, or says what is wrong with the command line.
 *
 * @param prepare installs and builds; its time is not the mode's
 * @returns the exit code
 */
export async function runMode(args, prepare) {
  const options = optionsOf(args);
  if (typeof options === "string") {
    console.error(options);
    return 2;
  }
  const { name, files, special, list, minutesMax } = options;
  if (list) {
    for (const file of [...files, ...KINDS.flatMap((kind) => special[kind])]) console.log(file);
    return 0;
  }
  await prepare();
  const untilMs = Date.now() + minutesMax * 60_000;
  const runs = [];
  for (const step of stepsOf(options)) {
    const run = await step(untilMs);
    runs.push(run);
    if (run.isLate) {
      console.error(`${name} took longer than the ${minutesMax} minutes that it may take, and was ended`);
      break;
    }
    if (run.isInterrupted) break;
  }
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { summary } of runs) for (const key of Object.keys(total)) total[key] += summary[key];
  console.log(summaryLine(total));
  const isWhole = runs.every((run) => run.exitCode === 0 && !run.isLate && !run.isInterrupted);
  return total.failed > 0 || !isWhole ? 1 : 0;
}

/** What to run, or the sentence on what is wrong. */
function optionsOf(args) {
  const usage = [
    "usage: npm run test:mode -- MODE [--report] [--report-dir DIR] [--only TEXT] [--minutes-max M] [--list]",
    ...Object.entries(MODES).map(
      ([name, { minutesMax, about }]) => `  ${name.padEnd(12)} ${about} (at most ${minutesMax} minutes)`,
    ),
  ].join("\n");
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        report: { type: "boolean" },
        "report-dir": { type: "string" },
        only: { type: "string" },
        list: { type: "boolean" },
        "minutes-max": { type: "string" },
      },
    });
  } catch (error) {
    return `${error.message}\n${usage}`;
  }
  const { values, positionals } = parsed;
  const [name] = positionals;
  if (positionals.length !== 1) return usage;
  if (!Object.hasOwn(MODES, name)) return `there is no mode "${name}"\n${usage}`;
  const mode = MODES[name];
  const minutesMax = Number(values["minutes-max"] ?? mode.minutesMax);
  if (!(minutesMax > 0)) return `--minutes-max must be a number above 0, not ${values["minutes-max"]}`;
  const isWanted = (file) => values.only === undefined || file.includes(values.only);
  const all = testFiles().filter(isWanted);
  const reports = values.report === true || values["report-dir"] !== undefined || mode.alwaysReports === true;
  const within = (paths) => (file) =>
    paths.some((path) => (path.endsWith("/") ? file.startsWith(path) : file === path));
  const isOf = (kind) => (file) => file.endsWith(`.${kind}.test.ts`);
  const files = all.filter(within(mode.tests)).filter((file) => !KINDS.some((kind) => isOf(kind)(file)));
  const special = Object.fromEntries(
    KINDS.map((kind) => [kind, all.filter(within(mode[kind] ?? [])).filter(isOf(kind))]),
  );
  const programs = values.only === undefined ? (mode.programs ?? []) : [];
  if (files.length + Object.values(special).flat().length + programs.length === 0)
    return `--only ${values.only} leaves nothing to run`;
  return {
    name,
    minutesMax,
    files,
    special,
    programs,
    list: values.list === true,
    isOwnDirectory: values["report-dir"] === undefined,
    reportDirectory: resolve(root, values["report-dir"] ?? join("reports", name)),
    reports,
  };
}

/** What the mode does, one after another. */
function stepsOf({ files, special, programs, reports, reportDirectory, isOwnDirectory }) {
  // Of an earlier run; a directory that somebody named may hold other things.
  if (isOwnDirectory) rmSync(reportDirectory, { recursive: true, force: true });
  mkdirSync(reportDirectory, { recursive: true });
  const steps = [];
  if (files.length > 0) steps.push((untilMs) => jestStep("", files, [], {}, untilMs));
  for (const kind of KINDS) {
    if (special[kind].length === 0) continue;
    const variables = { QUORATE_TESTS: kind };
    steps.push((untilMs) => jestStep(`${kind}.`, special[kind], ["-i"], variables, untilMs));
  }
  for (const program of programs) steps.push((untilMs) => programStep(program, untilMs));
  return steps;

  function jestStep(prefix, paths, flags, variables, untilMs) {
    const reporters = ["default", join(root, "tests/support/acceptance-reporter.cjs")];
    const coverageFlags = [];
    if (reports) reporters.push("jest-junit");
    // Not of what is timed: the collection of coverage would be timed too.
    if (reports && prefix === "") {
      coverageFlags.push(
        "--coverage",
        "--coverageProvider=v8",
        `--coverageDirectory=${join(reportDirectory, "coverage")}`,
        "--coverageReporters=text-summary",
        "--coverageReporters=lcov",
        "--collectCoverageFrom=services/**/*.ts",
        "--collectCoverageFrom=clients/**/*.ts",
        "--collectCoverageFrom=!**/dist/**",
      );
    }
    return runJest(
      [
        ...flags,
        ...reporters.map((reporter) => `--reporters=${reporter}`),
        ...coverageFlags,
        "--runTestsByPath",
        ...paths,
      ],
      {
        ...variables,
        QUORATE_ACCEPTANCE_REPORT: join(reportDirectory, `${prefix}acceptance.json`),
        JEST_JUNIT_OUTPUT_FILE: join(reportDirectory, `${prefix}junit.xml`),
        JEST_JUNIT_CLASSNAME: "{filepath}",
        JEST_JUNIT_TITLE: "{classname} {title}",
        JEST_JUNIT_SUITE_NAME: "{filepath}",
      },
      "inherit",
      untilMs,
    );
  }

  /** A program is one test: it passes with exit code 0. */
  async function programStep(program, untilMs) {
    const argv = [join(root, program.path), ...program.arguments];
    const startedAtMs = Date.now();
    const run = await runProgram(argv, process.env, "inherit", untilMs);
    const failed = run.exitCode === 0 ? 0 : 1;
    if (reports) {
      const seconds = (Date.now() - startedAtMs) / 1000;
      writeFileSync(
        join(reportDirectory, `${program.name}.junit.xml`),
        programReport(program.name, run.exitCode, seconds),
      );
    }
    return { ...run, summary: { passed: 1 - failed, failed, skipped: 0 } };
  }
}

function programReport(name, exitCode, seconds) {
  const failures = exitCode === 0 ? 0 : 1;
  const failure = failures === 0 ? "" : `<failure message="exit code ${exitCode}"/>`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="${name}" tests="1" failures="${failures}" errors="0" time="${seconds}">
  <testsuite name="${name}" tests="1" failures="${failures}" errors="0" skipped="0" time="${seconds}">
    <testcase classname="${name}" name="${name}" time="${seconds}">${failure}</testcase>
  </testsuite>
</testsuites>
`;
}

/** All test files, from the root, with / whatever the system. */
function testFiles() {
  return readdirSync(join(root, "tests"), { recursive: true })
    .map((file) => `tests/${file.replaceAll("\\", "/")}`)
    .filter((file) => file.endsWith(".test.ts") && !file.startsWith("tests/dist/"))
    .sort();
}
