// `npm run bench`: how fast a local cluster of three nodes is, loaded from this process through the typed client.
import type { Profile } from "@quorate/services/launcher";
import { BenchCluster } from "./bench-cluster";
import { type Footprint, measureFootprint } from "./footprint";
import { describeMachine, type Machine } from "./machine";
import { loadKeys, type Measurement, measure } from "./measure";
import { BadOption, type BenchOptions, benchOptions, HELP } from "./options";
import { type Cell, cellText, footprintText, machineText } from "./report";
import { scenarioWork } from "./scenarios/run";
import { SOAK_HELP, type SoakOptions, soakOptions } from "./soak/options";
import { isWell } from "./soak/report";
import { soak } from "./soak/run";
import { OPERATIONS, type Workload } from "./workload";

/** What `--json` prints. */
interface Report {
  readonly command: string;
  readonly machine: Machine;
  readonly options: BenchOptions;
  readonly cells: readonly Cell[];
  readonly footprint: Footprint | null;
}

async function run(options: BenchOptions, args: readonly string[]): Promise<Report> {
  const say = (text: string) => {
    if (!options.json) console.log(text);
  };
  const command = ["npm run bench --", ...args].join(" ");
  say(command);
  let machine: Machine | null = null;
  let cells: readonly Cell[] = [];
  const workloads = workloadsOf(options);
  if (workloads.length > 0) {
    await withCluster(options.profile, [], async (cluster) => {
      machine ??= describeMachine(cluster.directory);
      say(`${machineText(machine)}\n`);
      cells = await runCells(cluster, workloads, options);
      for (const cell of cells) say(`${cellText(cell)}\n`);
    });
  }
  let footprint: Footprint | null = null;
  if (options.cells.includes("footprint")) {
    await withCluster(options.profile, [], async (cluster) => {
      const isFirst = machine === null;
      machine ??= describeMachine(cluster.directory);
      if (isFirst) say(`${machineText(machine)}\n`);
      footprint = await measureFootprint(cluster, options);
      say(footprintText(footprint));
    });
  }
  if (machine === null) throw new BadOption("--cell names nothing to measure");
  return { command, machine, options, cells, footprint };
}

/** Interleaved, so that a slow spell of the machine touches all cells alike. */
async function runCells(
  cluster: BenchCluster,
  workloads: readonly Workload[],
  options: BenchOptions,
): Promise<readonly Cell[]> {
  const client = await cluster.client("leader");
  await loadKeys(client.kv, options, options.seed);
  await client.close();
  await cluster.level();
  const rounds: Measurement[][] = workloads.map(() => []);
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [at, workload] of workloads.entries()) {
      rounds[at]?.push(await measure(cluster, workload, options, round));
      await cluster.level();
    }
  }
  return workloads.map((workload, at) => ({ workload, rounds: rounds[at] ?? [] }));
}

function workloadsOf({ cells, inFlight }: BenchOptions): readonly Workload[] {
  const operations = OPERATIONS.filter((operation) => cells.includes(operation));
  return operations.flatMap((operation) => inFlight.map((count) => ({ operation, inFlight: count })));
}

async function withCluster(
  profile: Profile,
  nodeArguments: readonly string[],
  body: (cluster: BenchCluster) => Promise<void>,
): Promise<void> {
  const cluster = await BenchCluster.start(profile, nodeArguments);
  const leave = () => cluster.stop().finally(() => process.exit(130));
  process.once("SIGINT", leave);
  try {
    await body(cluster);
  } finally {
    process.off("SIGINT", leave);
    await cluster.stop();
  }
}

/** What a soak that is not flat ends with. */
const NOT_FLAT_EXIT_CODE = 3;

async function runSoak(options: SoakOptions): Promise<void> {
  const nodeArguments = ["--history-revisions", String(options.historyRevisions)];
  await withCluster(options.profile, nodeArguments, async (cluster) => {
    const report = await soak(cluster, options, console.log);
    if (!isWell(report)) process.exitCode = NOT_FLAT_EXIT_CODE;
  });
}

async function runBench(options: BenchOptions, args: readonly string[]): Promise<void> {
  const report = await run(options, args);
  if (options.json) console.log(JSON.stringify(report, null, 2));
}

/** What the arguments ask for. @throws BadOption */
function workOf(args: readonly string[]): () => void | Promise<void> {
  if (args[0] === "soak") {
    const options = soakOptions(args.slice(1));
    return options === "help" ? () => print(SOAK_HELP) : () => runSoak(options);
  }
  const scenario = scenarioWork(args);
  if (scenario !== null) return scenario;
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
