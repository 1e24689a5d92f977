import { LauncherFault } from "@quorate/services/launcher";
import type { Command } from "commander";
import { EXIT } from "./exit-codes";
import { addLeadershipCommands } from "./leadership-commands";
import { addLocalMemberCommands } from "./local-member-commands";
import {
  addPlace,
  addStartFlags,
  openCluster,
  type PlaceFlags,
  report,
  type StartFlags,
  startAndShow,
} from "./local-place";
import { addNodeCommands } from "./node-commands";
import { processTable, reportProcesses } from "./process-report";
import { guarded, type Session } from "./session";
import { writeJson } from "./write-json";

/** cluster start, stop, status, kill, restart, add, forget, force-new, and what is asked of the nodes of any cluster */
export function addClusterCommand(program: Command, session: Session): void {
  const cluster = program
    .command("cluster")
    .description(
      "start and stop nodes on this machine, in the background; tell the leader and the nodes what to do",
    )
    .addHelpText(
      "after",
      `
Examples
  quorate cluster start                     three nodes and a gateway, data and logs in ./data
  quorate cluster status
  quorate cluster kill n1                   as a crash would (SIGKILL)
  quorate cluster restart n1
  quorate cluster add                       one more node, which joins
  quorate cluster stop
  quorate cluster transfer n2               of the cluster that --endpoints names, as all that follow
  quorate cluster log-level debug --member n1
  quorate cluster stats --reset`,
    );
  addStart(cluster, session);
  addStop(cluster, session);
  addStatus(cluster, session);
  addKill(cluster, session);
  addRestart(cluster, session);
  addLocalMemberCommands(cluster, session);
  addLeadershipCommands(cluster, session);
  addNodeCommands(cluster, session);
}

function addStart(cluster: Command, session: Session): void {
  addStartFlags(addPlace(cluster.command("start")))
    .description(
      "start nodes and a gateway in the background; a cluster that was stopped comes back with its data",
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<StartFlags>();
      await guarded(session, options, () => startAndShow(session, options));
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
