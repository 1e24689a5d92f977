import { connect } from "@quorate/client";
import {
  basePort,
  LauncherFault,
  LocalCluster,
  nodeCount,
  PROFILES,
  type Profile,
  startLocalCluster,
} from "@quorate/services/launcher";
import Table from "cli-table3";
import { type Command, Option } from "commander";
import { EXIT } from "./exit-codes";
import { guarded, type Session } from "./session";
import type { GlobalOptions } from "./settings";
import { reportMember } from "./status-command";
import { writeJson } from "./write-json";

interface PlaceFlags extends GlobalOptions {
  readonly dataDir: string;
}

interface StartFlags extends PlaceFlags {
  readonly nodes?: number;
  readonly basePort?: number;
  readonly profile?: Profile;
}

/** What is shown of one process. */
interface ProcessReport {
  readonly name: string;
  readonly address: string;
  readonly pid: number | null;
  readonly role: string | null;
  readonly health: string | null;
  readonly term: number | null;
  readonly revision: number | null;
  readonly log: string;
}

/** cluster start, stop, status, kill, restart */
export function addClusterCommand(program: Command, session: Session): void {
  const cluster = program
    .command("cluster")
    .description("start and stop nodes on this machine, in the background")
    .addHelpText(
      "after",
      `
Examples
  quorate cluster start                     three nodes and a gateway, data and logs in ./data
  quorate cluster status
  quorate cluster kill n1                   as a crash would (SIGKILL)
  quorate cluster restart n1
  quorate cluster stop`,
    );
  addStart(cluster, session);
  addStop(cluster, session);
  addStatus(cluster, session);
  addKill(cluster, session);
  addRestart(cluster, session);
}

function addStart(cluster: Command, session: Session): void {
  addPlace(cluster.command("start"))
    .description(
      "start nodes and a gateway in the background; a cluster that was stopped comes back with its data",
    )
    .addOption(new Option("--nodes <count>", "how many nodes (default: 3)").argParser(nodeCount))
    .addOption(
      new Option("--base-port <port>", "the gateway's port; the others follow (default: 7400)").argParser(
        basePort,
      ),
    )
    .addOption(
      new Option("--profile <profile>", "the timing of elections (default: default)").choices(PROFILES),
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<StartFlags>();
      await guarded(session, options, async () => {
        const { nodes, basePort: port, profile, dataDir } = options;
        const started = await startLocalCluster({
          dataDir,
          detached: true,
          ...(nodes === undefined ? {} : { nodes }),
          ...(port === undefined ? {} : { basePort: port }),
          ...(profile === undefined ? {} : { profile }),
        });
        const reports = await reportProcesses(started);
        if (options.json) await writeJson(session, { clusterId: started.clusterId, processes: reports });
        else
          await session.terminal.out(
            `${processTable(reports)}\nstopped by: quorate cluster stop${placeHint(dataDir)}\n`,
          );
        return EXIT.ok;
      });
    });
}

function addStop(cluster: Command, session: Session): void {
  addPlace(cluster.command("stop"))
    .description("stop the gateway and all nodes gracefully, or one of them")
    .argument("[name]", "gateway, n1, n2, …")
    .action(async (name: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<PlaceFlags>();
      await guarded(session, options, async () => {
        const found = openCluster(options);
        if (name !== undefined) await found.stopProcess(name);
        else if (!(await found.stopLauncher())) throw new LauncherFault("the launcher did not stop in time");
        else await found.stop();
        return report(session, options, `stopped ${name ?? "all"}`, { stopped: name ?? "all" });
      });
    });
}

function addStatus(cluster: Command, session: Session): void {
  addPlace(cluster.command("status"))
    .description("show the processes of the cluster")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<PlaceFlags>();
      await guarded(session, options, async () => {
        const found = openCluster(options);
        const reports = await reportProcesses(found);
        if (options.json) await writeJson(session, { clusterId: found.clusterId, processes: reports });
        else await session.terminal.out(`${processTable(reports)}\n`);
        return EXIT.ok;
      });
    });
}

function addKill(cluster: Command, session: Session): void {
  addPlace(cluster.command("kill"))
    .description("end a node as a crash would (SIGKILL)")
    .argument("<name>", "gateway, n1, n2, …")
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<PlaceFlags>();
      await guarded(session, options, async () => {
        await openCluster(options).killProcess(name);
        return report(session, options, `killed ${name}`, { killed: name });
      });
    });
}

function addRestart(cluster: Command, session: Session): void {
  addPlace(cluster.command("restart"))
    .description("start a node again, having stopped it gracefully if it runs")
    .argument("<name>", "gateway, n1, n2, …")
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<PlaceFlags>();
      await guarded(session, options, async () => {
        const found = openCluster(options);
        await found.stopProcess(name);
        const hasMajority = await found.startProcess(name);
        const lack = hasMajority ? "" : "; nothing is served until a majority of the nodes runs";
        return report(session, options, `restarted ${name}${lack}`, { restarted: name, hasMajority });
      });
    });
}

const DATA_DIR_DEFAULT = "./data";

function placeHint(dataDir: string): string {
  return dataDir === DATA_DIR_DEFAULT ? "" : ` --data-dir ${dataDir}`;
}

function addPlace(command: Command): Command {
  return command.option("--data-dir <directory>", "where the cluster is kept", DATA_DIR_DEFAULT);
}

function openCluster(options: PlaceFlags): LocalCluster {
  const found = LocalCluster.open(options.dataDir, { detached: true });
  if (found === null) {
    throw new LauncherFault(
      `there is no cluster in ${options.dataDir}: name another with --data-dir, or start one`,
    );
  }
  return found;
}

async function report(
  session: Session,
  options: PlaceFlags,
  line: string,
  fields: object,
): Promise<typeof EXIT.ok> {
  if (options.json) await writeJson(session, fields);
  else await session.terminal.out(`${line}\n`);
  return EXIT.ok;
}

async function reportProcesses(cluster: LocalCluster): Promise<readonly ProcessReport[]> {
  const client = connect(cluster.endpoints);
  try {
    return await Promise.all(
      cluster.processes().map(async ({ name, address, pid, logPath }) => {
        const isNode = cluster.members.some(({ id }) => id === name);
        const status = isNode && pid !== null ? (await reportMember(client, name, address)).status : null;
        return {
          name,
          address,
          pid,
          role: status?.role ?? null,
          health: status?.health ?? null,
          term: status?.term ?? null,
          revision: status?.revision ?? null,
          log: logPath,
        };
      }),
    );
  } finally {
    await client.close();
  }
}

function processTable(reports: readonly ProcessReport[]): string {
  const table = new Table({
    head: ["name", "address", "process", "role", "health", "term", "revision", "log"],
    style: { head: [], border: [] },
  });
  for (const { name, address, pid, role, health, term, revision, log } of reports) {
    table.push([
      name,
      address,
      pid ?? "not running",
      role ?? "",
      health ?? "",
      term ?? "",
      revision ?? "",
      log,
    ]);
  }
  return table.toString();
}
