import {
  basePort,
  LauncherFault,
  LocalCluster,
  type LocalClusterOptions,
  nodeCount,
  PROFILES,
  type Profile,
  startLocalCluster,
} from "@quorate/services/launcher";
import { type Command, Option } from "commander";
import { EXIT } from "./exit-codes";
import { processTable, reportProcesses } from "./process-report";
import type { Session } from "./session";
import type { GlobalOptions } from "./settings";
import { writeJson } from "./write-json";

/** Where a cluster of this machine is kept. */
export interface PlaceFlags extends GlobalOptions {
  readonly dataDir: string;
}

/** How a cluster of this machine is started. */
export interface StartFlags extends PlaceFlags {
  readonly nodes?: number;
  readonly basePort?: number;
  readonly profile?: Profile;
}

const DATA_DIR_DEFAULT = "./data";

export function addPlace(command: Command): Command {
  return command.option("--data-dir <directory>", "where the cluster is kept", DATA_DIR_DEFAULT);
}

export function addStartFlags(command: Command): Command {
  return command
    .addOption(new Option("--nodes <count>", "how many nodes (default: 3)").argParser(nodeCount))
    .addOption(
      new Option("--base-port <port>", "the gateway's port; the others follow (default: 7400)").argParser(
        basePort,
      ),
    )
    .addOption(
      new Option("--profile <profile>", "the timing of elections (default: default)").choices(PROFILES),
    );
}

export function openCluster(options: PlaceFlags): LocalCluster {
  const found = LocalCluster.open(options.dataDir, { detached: true });
  if (found === null) {
    throw new LauncherFault(
      `there is no cluster in ${options.dataDir}: name another with --data-dir, or start one`,
    );
  }
  return found;
}

/** Starts a cluster in the background and shows its processes. */
export async function startAndShow(
  session: Session,
  options: StartFlags,
  more: Partial<LocalClusterOptions> = {},
): Promise<typeof EXIT.ok> {
  const { nodes, basePort: port, profile, dataDir } = options;
  const started = await startLocalCluster({
    dataDir,
    detached: true,
    ...(nodes === undefined ? {} : { nodes }),
    ...(port === undefined ? {} : { basePort: port }),
    ...(profile === undefined ? {} : { profile }),
    ...more,
  });
  const processes = await reportProcesses(started);
  const hint = dataDir === DATA_DIR_DEFAULT ? "" : ` --data-dir ${dataDir}`;
  return report(session, options, `${processTable(processes)}\nstopped by: quorate cluster stop${hint}`, {
    clusterId: started.clusterId,
    processes,
  });
}

/** Tells what was done: a line for people, an object for programs. */
export async function report(
  session: Session,
  options: GlobalOptions,
  line: string,
  fields: object,
): Promise<typeof EXIT.ok> {
  if (options.json) await writeJson(session, fields);
  else await session.terminal.out(`${line}\n`);
  return EXIT.ok;
}
