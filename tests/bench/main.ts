// `npm run bench`: how fast a local cluster of three nodes is, loaded from this process.
import { readFileSync, writeFileSync } from "node:fs";
import { type Baseline, type BaselineRun, baselineFrom, baselineOf, heldAgainst } from "./baseline";
import { BenchCluster } from "./bench-cluster";
import { groupsOf, runRounds } from "./cells";
import { cpuCostsOf, ratiosOf } from "./comparison";
import { type Footprint, measureFootprint } from "./footprint";
import { KeySpace } from "./key-space";
import { describeMachine, type Machine } from "./machine";
import { load, measure, type Seat } from "./measure";
import { opponentProblem, withOpponents } from "./opponents";
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
  settlingsText,
  troublesOf,
} from "./report";
import { whileRunning } from "./running";
import { scenarioWork } from "./scenarios/run";
import { type Settling, settle } from "./settling";
import { SOAK_HELP, type SoakOptions, soakOptions } from "./soak/options";
import { isWell } from "./soak/report";
import { soak } from "./soak/run";

/** What a soak that is not flat, and a run that is worse than its base line, end with. */
const NOT_WELL_EXIT_CODE = 3;

type Say = (text: string) => void;

type Measured = Pick<Report, "settlings" | "cells">;

async function run(options: BenchOptions, args: readonly string[]): Promise<Report> {
  const say: Say = (text) => {
    if (options.json !== "-") console.log(text);
  };
  const command = ["npm run bench --", ...args].join(" ");
  say(command);
  // Before hours are spent on what nobody can write or read afterwards.
  const baseline = options.baseline === null ? null : readBaseline(options.baseline);
  for (const against of options.against) {
    const problem = opponentProblem(against);
    if (problem !== null) throw new BadOption(`--against ${against}: ${problem}`);
  }
  let machine: Machine | null = null;
  let measured: Measured = { settlings: [], cells: [] };
  if (options.workloads.length > 0) {
    await whileRunning(await BenchCluster.start(options.profile), async (cluster) => {
      machine = describeMachine(cluster.directory);
      say(`${machineText(machine)}\n`);
      const seat = { contender: new QuorateContender(cluster), space: new KeySpace(options) };
      measured = await withOpponents(options, say, (others) => runCells([seat, ...others], options, say));
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
  const { cells } = measured;
  const ratios = ratiosOf(cells);
  const report: Report = {
    command,
    machine,
    options,
    ...measured,
    ratios,
    // What an operation may cost is said for few keys.
    cpuCosts: options.against.includes("few-keys") ? [] : cpuCostsOf(cells),
    footprint,
    baseline:
      baseline === null
        ? null
        : { ...heldAgainst(baseline, runOf(machine, options), cells, ratios), of: baseline.machine },
  };
  for (const part of partsOf(report)) say(`\n${part}`);
  return report;
}

async function runCells(seats: readonly Seat[], options: BenchOptions, say: Say): Promise<Measured> {
  // Who shares keys shares the cluster that holds them.
  const clusters = [...new Map(seats.map((seat) => [seat.space, seat])).values()];
  for (const seat of clusters) await load(seat, options.seed);
  const { settleSeconds } = options;
  const settlings: readonly Settling[] =
    settleSeconds === 0
      ? []
      : await Promise.all(clusters.map(({ contender }) => settle(contender, settleSeconds)));
  if (settlings.length > 0) say(`${settlingsText(settlings)}\n`);
  const cells = await runRounds(
    groupsOf(seats, options.workloads),
    options.rounds,
    async ({ seat, workload }, round) => {
      const measurement = await measure(seat, workload, options, round);
      say(roundText(measurement, round));
      return measurement;
    },
  );
  return { settlings, cells };
}

/** What is printed at the end. */
function partsOf({ cells, ratios, cpuCosts, footprint, baseline }: Report): readonly string[] {
  return [
    ...(cells.length > 0 ? [cellsText(cells)] : []),
    ...(ratios.length > 0 ? [ratiosText(ratios)] : []),
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

function runOf(machine: Machine, { keys, valueBytes }: BenchOptions): BaselineRun {
  return { machine, keys, valueBytes };
}

/** @throws BadOption */
function readBaseline(path: string): Baseline {
  try {
    return baselineFrom(readFileSync(path, "utf8"));
  } catch (problem) {
    throw new BadOption(`--baseline ${path}: ${problem instanceof Error ? problem.message : problem}`);
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
