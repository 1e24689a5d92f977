// `npm start`: nodes and a gateway on this machine, in the foreground.
import { setTimeout as delay } from "node:timers/promises";
import { LauncherFault } from "./fault";
import { type LauncherFlags, readFlags } from "./flags";
import { LocalCluster } from "./local-cluster";

const WATCH_MS = 500;

async function run(flags: LauncherFlags): Promise<void> {
  const stopping = new AbortController();
  const cluster = LocalCluster.describe({ ...flags, signal: stopping.signal });
  // Terminals, shells and npm may each pass the same Ctrl-C on: the first one counts.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stopping.abort());
  console.log(`starting ${cluster.members.length} nodes and a gateway, data in ${cluster.dataDir} ...`);
  try {
    await cluster.start();
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    console.log("stopped");
    return;
  }
  try {
    cluster.claim();
    console.log(greeting(cluster));
    await watch(cluster, stopping.signal);
    console.log("stopping ...");
  } finally {
    await cluster.stop();
    cluster.disclaim();
  }
  console.log("stopped");
}

function greeting(cluster: LocalCluster): string {
  const [gateway, ...nodes] = cluster.processes();
  const quorate =
    cluster.endpoints === "127.0.0.1:7400" ? "npx quorate" : `npx quorate --endpoints ${cluster.endpoints}`;
  return [
    "",
    "Quorate is running.",
    "",
    `  gateway  ${gateway?.address}`,
    ...nodes.map(({ name, address }) => `  ${name.padEnd(7)}  ${address}`),
    "",
    "Try, in another terminal:",
    "",
    `  ${quorate} put greeting hello`,
    `  ${quorate} get greeting`,
    `  ${quorate} status`,
    "",
    "Ctrl-C stops it; the data stays.",
  ].join("\n");
}

/** Tells which processes end and come back, until it is aborted or, started by npm, npm is gone without a word. */
async function watch(cluster: LocalCluster, signal: AbortSignal): Promise<void> {
  const running = new Map(cluster.processes().map(({ name }) => [name, true]));
  const npmPid = process.env.npm_lifecycle_event === undefined ? null : process.ppid;
  while (!signal.aborted) {
    await delay(WATCH_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted || (npmPid !== null && process.ppid !== npmPid)) return;
    for (const { name, pid, logPath } of cluster.processes()) {
      const runs = pid !== null;
      if (running.get(name) === runs) continue;
      running.set(name, runs);
      const again = `npx quorate cluster restart ${name} --data-dir ${cluster.dataDir}`;
      console.log(
        runs ? `${name} is back` : `${name} has ended (log: ${logPath}); start it again with: ${again}`,
      );
    }
  }
}

function main(argv: readonly string[]): void {
  const outcome = readFlags(argv);
  switch (outcome.kind) {
    case "help":
      process.stdout.write(outcome.text);
      return;
    case "wrong":
      console.error(outcome.line);
      process.exitCode = 2;
      return;
    case "flags":
      run(outcome.flags).then(
        () => process.exit(0),
        (error: unknown) => {
          console.error(error instanceof LauncherFault ? error.message : error);
          process.exit(1);
        },
      );
  }
}

main(process.argv.slice(2));
