// `npm run bench`: how fast a local cluster of three nodes is, loaded from this process through the typed client.
import { BenchCluster } from "./bench-cluster";
import { type Footprint, measureFootprint } from "./footprint";
import { describeMachine, type Machine } from "./machine";
import { loadKeys, type Measurement, measure } from "./measure";
import { BadOption, type BenchOptions, benchOptions, HELP } from "./options";
import { type Cell, cellText, footprintText, machineText } from "./report";
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
    await withCluster(options, async (cluster) => {
      machine ??= describeMachine(cluster.directory);
      say(`${machineText(machine)}\n`);
      cells = await runCells(cluster, workloads, options);
      for (const cell of cells) say(`${cellText(cell)}\n`);
    });
  }
  let footprint: Footprint | null = null;
  if (options.cells.includes("footprint")) {
    await withCluster(options, async (cluster) => {
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
  options: BenchOptions,
  body: (cluster: BenchCluster) => Promise<void>,
): Promise<void> {
  const cluster = await BenchCluster.start(options.profile);
  const leave = () => cluster.stop().finally(() => process.exit(130));
  process.once("SIGINT", leave);
  try {
    await body(cluster);
  } finally {
    process.off("SIGINT", leave);
    await cluster.stop();
  }
}

function main(args: readonly string[]): void {
  let options: BenchOptions | "help";
  try {
    options = benchOptions(args);
  } catch (problem) {
    if (!(problem instanceof BadOption)) throw problem;
    console.error(problem.message);
    process.exitCode = 2;
    return;
  }
  if (options === "help") {
    process.stdout.write(HELP);
    return;
  }
  const chosen = options;
  run(chosen, args).then(
    (report) => {
      if (chosen.json) console.log(JSON.stringify(report, null, 2));
    },
    (failure: unknown) => {
      console.error(failure);
      process.exitCode = 1;
    },
  );
}

main(process.argv.slice(2));
