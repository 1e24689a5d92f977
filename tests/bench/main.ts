// `npm run bench`: how fast a local cluster of three nodes is, loaded from this process.
import { readFileSync, writeFileSync } from "node:fs";
import { type Baseline, type BaselineRun, baselineFrom, baselineOf, heldAgainst } from "./baseline";
import { BenchCluster } from "./bench-cluster";
import { type Cell, groupsOf, runRounds } from "./cells";
import { cpuCostsOf, ratiosOf } from "./comparison";
import { FEW_KEYS, OPPONENT_TITLES } from "./contender";
import { etcdVersion } from "./etcd-program";
import { type Footprint, measureFootprint } from "./footprint";
import { KeySpace } from "./key-space";
import { describeMachine, type Machine } from "./machine";
import { load, measure, type Seat } from "./measure";
import { BadOption, type BenchOptions, benchOptions, HELP } from "./options";
import { benchHtml } from "./page";
import { pageWork } from "./page-table";
import { QuorateContender } from "./quorate-contender";
import {
  baselineText,
  cellsText,
  cpuCostsText,
  footprintText,
  machineText,
  type Report,
  ratiosText,
  roundText,
  troublesOf,
} from "./report";
import { whileRunning } from "./running";
import { scenarioWork } from "./scenarios/run";
import { SOAK_HELP, type SoakOptions, soakOptions } from "./soak/options";
import { isWell } from "./soak/report";
import { soak } from "./soak/run";

/** What a soak that is not flat, and a run that is worse than its base line, end with. */
const NOT_WELL_EXIT_CODE = 3;

type Say = (text: string) => void;

async function run(options: BenchOptions, args: readonly string[]): Promise<Report> {
  const say: Say = (text) => {
    if (options.json !== "-") console.log(text);
  };
  const command = ["npm run bench --", ...args].join(" ");
  say(command);
  // Before hours are spent on what nobody can write or read afterwards.
  const baseline = options.baseline === null ? null : readBaseline(options.baseline);
  if (options.against === "etcd" && etcdVersion() === null)
    throw new BadOption(
      "--against etcd: no etcd is installed here (there is no program of that name on the PATH)",
    );
  let machine: Machine | null = null;
  let cells: readonly Cell[] = [];
  if (options.workloads.length > 0) {
    await whileRunning(await BenchCluster.start(options.profile), async (cluster) => {
      machine = describeMachine(cluster.directory);
      say(`${machineText(machine)}\n`);
      const seat = { contender: new QuorateContender(cluster), space: new KeySpace(options) };
      cells = await withOpponent(options, say, (others) => runCells([seat, ...others], options, say));
    });
  }
  let footprint: Footprint | null = null;
  if (options.footprint) {
    await whileRunning(await BenchCluster.start(options.profile), async (cluster) => {
      if (machine === null) {
        machine = describeMachine(cluster.directory);
        say(`${machineText(machine)}\n`);
      }
      footprint = await measureFootprint(cluster, options);
    });
  }
  if (machine === null) throw new BadOption("--cell names nothing to measure");
  const ratios = ratiosOf(cells);
  const report: Report = {
    command,
    machine,
    options,
    cells,
    ratios,
    // What an operation may cost is said for few keys.
    cpuCosts: options.against === "few-keys" ? [] : cpuCostsOf(cells),
    footprint,
    baseline:
      baseline === null
        ? null
        : { ...heldAgainst(baseline, runOf(machine, options), cells, ratios), of: baseline.machine },
  };
  for (const part of partsOf(report)) say(`\n${part}`);
  return report;
}

async function runCells(seats: readonly Seat[], options: BenchOptions, say: Say): Promise<readonly Cell[]> {
  for (const seat of seats) await load(seat, options.seed);
  return runRounds(groupsOf(seats, options.workloads), options.rounds, async ({ seat, workload }, round) => {
    const measurement = await measure(seat, workload, options, round);
    say(roundText(measurement, round));
    return measurement;
  });
}

/** What is printed at the end. */
function partsOf({ cells, ratios, cpuCosts, footprint, baseline, options }: Report): readonly string[] {
  return [
    ...(cells.length > 0 ? [cellsText(cells)] : []),
    ...(ratios.length > 0 && options.against !== null
      ? [ratiosText(ratios, OPPONENT_TITLES[options.against])]
      : []),
    ...(cpuCosts.length > 0 ? [cpuCostsText(cpuCosts)] : []),
    ...(footprint === null ? [] : [footprintText(footprint)]),
    ...(baseline === null ? [] : [baselineText(baseline)]),
    ...troublesOf(cells),
  ];
}

function writeFiles(report: Report): void {
  const { json, html, saveBaseline } = report.options;
  const text = JSON.stringify(report, null, 2);
  if (json === "-") console.log(text);
  else if (json !== null) writeFileSync(json, `${text}\n`);
  if (html !== null) writeFileSync(html, benchHtml(report));
  if (saveBaseline !== null) {
    const { machine, options, cells, ratios } = report;
    writeFileSync(
      saveBaseline,
      `${JSON.stringify(baselineOf(runOf(machine, options), cells, ratios), null, 2)}\n`,
    );
  }
}

function runOf(machine: Machine, { against, keys, valueBytes }: BenchOptions): BaselineRun {
  return { machine, against, keys, valueBytes };
}

/** @throws BadOption */
function readBaseline(path: string): Baseline {
  try {
    return baselineFrom(readFileSync(path, "utf8"));
  } catch (problem) {
    throw new BadOption(`--baseline ${path}: ${problem instanceof Error ? problem.message : problem}`);
  }
}

/** What was asked for to compare with runs as long as the body does. */
async function withOpponent<Result>(
  { against, profile, keys, valueBytes }: BenchOptions,
  say: Say,
  body: (others: readonly Seat[]) => Promise<Result>,
): Promise<Result> {
  switch (against) {
    case null:
      return body([]);
    case "etcd": {
      // Its client is not loaded where nobody needs it: it would be part of the load generator.
      const { EtcdCluster } = await import("./etcd-cluster.js");
      say(`against  ${OPPONENT_TITLES[against]}: ${etcdVersion()}, three members on the same disk\n`);
      return whileRunning(await EtcdCluster.start(), (contender) =>
        body([{ contender, space: new KeySpace({ keys, valueBytes }) }]),
      );
    }
    case "few-keys":
      say(`against  ${OPPONENT_TITLES[against]}, three more nodes on the same disk\n`);
      return whileRunning(await BenchCluster.start(profile), (cluster) =>
        body([
          {
            contender: new QuorateContender(cluster, "few-keys"),
            space: new KeySpace({ keys: FEW_KEYS, valueBytes }),
          },
        ]),
      );
  }
}

async function runSoak(options: SoakOptions): Promise<void> {
  const nodeArguments = ["--history-revisions", String(options.historyRevisions)];
  await whileRunning(await BenchCluster.start(options.profile, nodeArguments), async (cluster) => {
    const report = await soak(cluster, options, console.log);
    if (!isWell(report)) process.exitCode = NOT_WELL_EXIT_CODE;
  });
}

async function runBench(options: BenchOptions, args: readonly string[]): Promise<void> {
  const report = await run(options, args);
  writeFiles(report);
  if (report.baseline !== null && report.baseline.regressions.length > 0)
    process.exitCode = NOT_WELL_EXIT_CODE;
}

/** What the arguments ask for. @throws BadOption */
function workOf(args: readonly string[]): () => void | Promise<void> {
  if (args[0] === "soak") {
    const options = soakOptions(args.slice(1));
    return options === "help" ? () => print(SOAK_HELP) : () => runSoak(options);
  }
  const other = pageWork(args) ?? scenarioWork(args);
  if (other !== null) return other;
  const options = benchOptions(args);
  return options === "help" ? () => print(HELP) : () => runBench(options, args);
}

function print(text: string): void {
  process.stdout.write(text);
}

async function main(args: readonly string[]): Promise<void> {
  try {
    await workOf(args)();
  } catch (problem) {
    console.error(problem instanceof BadOption ? problem.message : problem);
    process.exitCode = problem instanceof BadOption ? 2 : 1;
  }
}

void main(process.argv.slice(2));
