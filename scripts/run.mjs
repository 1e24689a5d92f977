// The one entry behind `npm start`, `npm test` and the other scripts: installs what is missing, builds what changed,
// then runs the task. It needs nothing but Node, so that it works on a fresh clone.
import { spawnSync } from "node:child_process";
import { createHash, randomInt } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { root, runJest, summaryLine } from "./jest.mjs";
import { runMode } from "./mode.mjs";
import { ensurePrograms } from "./programs.mjs";

const require = createRequire(import.meta.url);
const reports = join(root, "reports");

const TASKS = {
  start,
  test,
  random,
  timed,
  long,
  parallel,
  mode,
  build,
  check,
  judge,
  scenario,
  simulate,
  mutations,
  acceptance,
  bench,
  chaos,
};

const [taskName, ...args] = process.argv.slice(2);
if (!Object.hasOwn(TASKS, taskName ?? "")) {
  console.error(`run.mjs: unknown task "${taskName ?? ""}": it is one of ${Object.keys(TASKS).join(", ")}`);
  process.exit(2);
}
await TASKS[taskName](args);

async function start(args) {
  await ensureBuilt("services", "clients/cli");
  runInProcess("services/dist/programs/launcher.js", args);
}

async function judge(args) {
  await ensureBuilt();
  runInProcess("tests/dist/judge/main.js", args);
}

async function scenario(args) {
  await ensureBuilt();
  runInProcess("tests/dist/scenarios/main.js", args);
}

async function simulate(args) {
  await ensureBuilt();
  runInProcess("tests/dist/simulation/main.js", args);
}

/** Deliberate bugs, each to be found by the simulator. */
async function mutations(args) {
  await ensureBuilt();
  runInProcess("tests/dist/simulation/mutations/main.js", args);
}

/**
 * What draws, under fresh seeds: all properties, then the simulator over all profiles. The last line, like "412 passed, 0
 * failed", counts the tests and the seeds of the simulator.
 */
async function random(args) {
  await ensureTestsBuilt();
  const variables = {
    QUORATE_PROPERTY_SEED: process.env.QUORATE_PROPERTY_SEED ?? String(randomInt(2 ** 31)),
    // The report of `npm test` stays as it is: these are some of its tests.
    QUORATE_ACCEPTANCE_REPORT: join(reports, "random.acceptance.json"),
  };
  console.log(`the properties run under QUORATE_PROPERTY_SEED=${variables.QUORATE_PROPERTY_SEED}`);
  const properties = await runJest(["--runTestsByPath", ...propertyTests()], variables, "inherit");
  const { simulate } = require(join(root, "tests/dist/simulation/simulate.js"));
  const seeds = args.length > 0 ? args : ["--minutes", "3"];
  let lastLine = "";
  const exitCode = await simulate(["--profile", "all", "--jobs", "2", ...seeds], {
    out: (text) => {
      console.log(text);
      lastLine = text.slice(text.lastIndexOf("\n") + 1);
    },
    error: (text) => console.error(text),
    directory: relative(process.cwd(), join(reports, "simulation")),
  });
  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/.exec(lastLine) ?? [null, 0, 1];
  const { summary } = properties;
  console.log(
    summaryLine({
      passed: summary.passed + Number(passed),
      failed: summary.failed + Number(failed),
      skipped: summary.skipped,
    }),
  );
  process.exitCode = exitCode === 0 ? properties.exitCode : exitCode;
}

/** The tests that draw with fast-check. */
function propertyTests() {
  return filesBelow(join(root, "tests"))
    .filter((file) => /^(?!dist\/).*\.test\.ts$/.test(file) && !/\.(timed|long)\.test\.ts$/.test(file))
    .filter((file) => readFileSync(join(root, "tests", file), "utf8").includes('from "fast-check"'))
    .map((file) => join("tests", file));
}

async function bench(args) {
  await ensureBuilt();
  runInProcess("tests/dist/bench/main.js", args);
}

async function chaos(args) {
  await ensureBuilt();
  runInProcess("tests/dist/chaos/main.js", args);
}

async function build() {
  await ensureBuilt();
}

async function test(args) {
  await ensureTestsBuilt();
  const { summary, exitCode } = await runJest(args, {}, "inherit");
  console.log(summaryLine(summary));
  process.exitCode = exitCode;
}

async function timed(args) {
  await ensureTestsBuilt();
  const paths = args.length > 0 ? args : ["\\.timed\\.test\\.ts$"];
  const { summary, exitCode } = await runJest(["-i", ...paths], { QUORATE_TESTS: "timed" }, "inherit");
  console.log(summaryLine(summary));
  process.exitCode = exitCode;
}

/** What takes too long for every change. */
async function long(args) {
  await ensureTestsBuilt();
  const paths = args.length > 0 ? args : ["--runTestsByPath", ...longTests()];
  const { summary, exitCode } = await runJest(["-i", ...paths], { QUORATE_TESTS: "long" }, "inherit");
  console.log(summaryLine(summary));
  process.exitCode = exitCode;
}

/** The .long tests, and those that do more in a long run, by themselves or in a module beside them; each once. */
function longTests() {
  const files = filesBelow(join(root, "tests")).filter((file) => /^(?!dist\/).*\.ts$/.test(file));
  const texts = new Map(files.map((file) => [file, readFileSync(join(root, "tests", file), "utf8")]));
  const asks = (file) => texts.get(file)?.includes("isLongRun") === true;
  const modulesBeside = (file, pattern = /from "\.(\/[\w./-]+)"/g) =>
    [...texts.get(file).matchAll(pattern)].map(([, name]) => `${dirname(file)}${name}.ts`);
  const isLong = (file) => file.endsWith(".long.test.ts");
  const gathered = new Set(
    files.filter(isLong).flatMap((file) => modulesBeside(file, /^import "\.(\/[\w./-]+)"/gm)),
  );
  return files
    .filter((file) => file.endsWith(".test.ts") && !file.endsWith(".timed.test.ts"))
    .filter((file) => isLong(file) || asks(file) || modulesBeside(file).some(asks))
    .filter((file) => !gathered.has(file))
    .map((file) => join("tests", file));
}

async function mode(args) {
  process.exitCode = await runMode(args, ensureTestsBuilt);
}

/** Many copies of the cluster tests at once: no two may want the same port, and nothing may be left behind. */
async function parallel(args) {
  await ensureTestsBuilt();
  const copiesFlag = args.indexOf("--copies");
  const copies = copiesFlag < 0 ? 10 : Number(args[copiesFlag + 1]);
  if (!Number.isInteger(copies) || copies < 1) usage(`--copies must be a whole number of at least 1`);
  const paths = copiesFlag < 0 ? args : args.toSpliced(copiesFlag, 2);
  const logs = join(reports, "parallel");
  mkdirSync(logs, { recursive: true });
  // A temporary directory of their own tells what they leave from what others on this machine are working with.
  const temporary = mkdtempSync(join(tmpdir(), "quorate-parallel-"));
  const processesBefore = ownProcesses();
  const flags = ["-i", "--cacheDirectory", join(root, "node_modules/.cache/jest")];
  const runs = Array.from({ length: copies }, async (_, at) => {
    const log = join(logs, `copy-${at + 1}.log`);
    const variables = {
      TMPDIR: temporary,
      QUORATE_ACCEPTANCE_REPORT: join(logs, `copy-${at + 1}.acceptance.json`),
    };
    const run = await runJest([...flags, ...(paths.length > 0 ? paths : ["tests/cluster/"])], variables, log);
    console.log(`copy ${at + 1}: ${summaryLine(run.summary)}${run.exitCode === 0 ? "" : ` (see ${log})`}`);
    return run;
  });
  const finished = await Promise.all(runs);
  const left = [
    ...readdirSync(temporary),
    ...ownProcesses().filter((name) => !processesBefore.includes(name)),
  ];
  rmSync(temporary, { recursive: true });
  for (const name of left) console.error(`left behind: ${name}`);
  const total = { passed: 0, failed: left.length, skipped: 0 };
  for (const { summary } of finished) for (const key of Object.keys(total)) total[key] += summary[key];
  console.log(summaryLine(total));
  process.exitCode = total.failed > 0 || finished.some(({ exitCode }) => exitCode !== 0) ? 1 : 0;
}

async function check() {
  ensureInstalled();
  const steps = [
    ["buf lint", () => runQuietly(bin("buf"), ["lint"])],
    [
      "buf format",
      () => runQuietly(bin("buf"), ["format", "--diff", "--exit-code", "--path", "proto/quorate"]),
    ],
    ["biome", () => runQuietly(bin("biome"), ["ci", "--error-on-warnings", "--colors=off", "."])],
    ["types", () => compile()],
    ["generated code", compareGenerated],
  ];
  let failed = 0;
  for (const [name, step] of steps) {
    const ok = step() === 0;
    if (!ok) failed += 1;
    console.log(`${ok ? "ok    " : "FAILED"} ${name}`);
  }
  process.exitCode = failed > 0 ? 1 : 0;
}

async function acceptance() {
  const rows = JSON.parse(readFileSync(join(root, "tests/support/acceptance-rows.json"), "utf8"));
  const path = join(reports, "acceptance.json");
  if (!existsSync(path)) usage("no test run is recorded yet: run npm test first");
  const { shown, unknown, startedAtMs } = JSON.parse(readFileSync(path, "utf8"));
  console.log(`acceptance rows as of the run of ${new Date(startedAtMs).toISOString()}\n`);
  let [open, failed] = [0, 0];
  for (const [id, text] of Object.entries(rows)) {
    const tests = shown.filter((test) => test.id === id);
    if (tests.length === 0) {
      open += 1;
      console.log(`${id.padEnd(4)} open      ${text}`);
    }
    for (const { test, file, result } of tests) {
      if (result === "failed") failed += 1;
      console.log(`${id.padEnd(4)} ${result.padEnd(9)} ${test} (${file})`);
    }
  }
  for (const { id, test, file } of unknown) console.log(`${id.padEnd(4)} no such row: ${test} (${file})`);
  console.log(
    `\n${Object.keys(rows).length - open} rows shown, ${open} open, ${failed} tests of rows failed`,
  );
  process.exitCode = failed > 0 ? 1 : 0;
}

/** @param projects the parts that are needed; all of them by default */
async function ensureBuilt(...projects) {
  ensureInstalled();
  if (!(await isBuilt(...projects))) process.exit(1);
}

/** What does not compile is a failure like any other, on the last line too. */
async function ensureTestsBuilt() {
  ensureInstalled();
  if (await isBuilt()) return;
  console.log(summaryLine({ passed: 0, failed: 1, skipped: 0 }));
  process.exit(1);
}

/** Installs when there is nothing, or when the lock file is newer than what is installed. */
function ensureInstalled() {
  const lock = join(root, "package-lock.json");
  const stamp = join(root, "node_modules/.quorate-lock-sha256");
  const hash = createHash("sha256").update(readFileSync(lock)).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return;
  const installed = join(root, "node_modules/.package-lock.json");
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
    console.error("installing dependencies ...");
    const { status } = spawnSync("npm", ["ci", "--include=dev", "--loglevel=error"], {
      cwd: root,
      stdio: ["ignore", 2, 2],
      shell: process.platform === "win32",
    });
    if (status !== 0) {
      console.error("npm ci failed: see its message above");
      process.exit(1);
    }
  }
  writeFileSync(stamp, hash);
}

/** Compiles, and makes the programs of it. Returns whether that went well. */
async function isBuilt(...projects) {
  if (compile(...projects) !== 0) return false;
  try {
    await ensurePrograms();
    return true;
  } catch (error) {
    console.error(error.message);
    return false;
  }
}

function compile(...projects) {
  return runQuietly(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-b", ...projects]);
}

/** Runs a command whose output matters only when it fails. Returns its exit code. */
function runQuietly(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  if (error !== undefined) console.error(error.message);
  if (status !== 0) process.stderr.write(`${stdout}${stderr}`);
  return status ?? 1;
}

function bin(name) {
  return join(root, "node_modules/.bin", name);
}

/** In this process, so that signals and exit codes are the task's own. */
function runInProcess(path, args) {
  const main = join(root, path);
  process.argv = [process.argv[0], main, ...args];
  require(main);
}

/** Node and gateway processes of this checkout. */
function ownProcesses() {
  if (!existsSync("/proc")) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => [pid, commandLine(pid)])
    .filter(([, command]) => command.includes(join(root, "services/dist/")))
    .map(([pid, command]) => `process ${pid}: ${command}`);
}

function commandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return ""; // It ended between the listing and this look.
  }
}

/** Whether proto/gen is what the generator writes now. */
function compareGenerated() {
  const directory = mkdtempSync(join(tmpdir(), "quorate-gen-"));
  try {
    const generated = join(directory, "gen");
    const status = runQuietly(process.execPath, [join(root, "scripts/generate-proto.mjs"), generated]);
    if (status !== 0) return status;
    const committed = join(root, "proto/gen");
    const names = new Set([...filesBelow(generated), ...filesBelow(committed)]);
    const different = [...names].filter((name) => !sameFile(join(generated, name), join(committed, name)));
    for (const name of different) console.error(`proto/gen/${name} is not what npm run proto writes`);
    return different.length === 0 ? 0 : 1;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function filesBelow(directory) {
  return readdirSync(directory, { recursive: true }).filter((name) =>
    statSync(join(directory, name)).isFile(),
  );
}

function sameFile(left, right) {
  return existsSync(left) && existsSync(right) && readFileSync(left).equals(readFileSync(right));
}

function usage(sentence) {
  console.error(sentence);
  process.exit(2);
}
