import type { Command } from "commander";
import { addPlace, openCluster, type PlaceFlags, report } from "./local-place";
import { guarded, type Session } from "./session";

/** cluster add, forget, force-new */
export function addLocalMemberCommands(cluster: Command, session: Session): void {
  addPlace(cluster.command("add"))
    .description("start one more node, which joins the cluster and votes as soon as it has caught up")
    .option("--learner", "it stays a learner until it is promoted")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<PlaceFlags & { readonly learner?: boolean }>();
      await guarded(session, options, async () => {
        const added = await openCluster(options).addNode(options.learner === true ? "learner" : "voter");
        return report(session, options, `${added.id} serves at ${added.clientAddress}`, { added });
      });
    });
  addPlace(cluster.command("forget"))
    .description("stop a node that was removed from the cluster, and start it no more; its data stays")
    .argument("<name>", "a node that `member remove` or `member replace` took out")
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<PlaceFlags>();
      await guarded(session, options, async () => {
        await openCluster(options).forgetNode(name);
        return report(session, options, `forgot ${name}`, { forgot: name });
      });
    });
  addPlace(cluster.command("force-new"))
    .description(
      "go on with one node as a new cluster, when most nodes are lost for ever; what the others alone had is lost",
    )
    .argument("<name>", "the node that has the most, see docs/operations/runbook.md")
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<PlaceFlags>();
      await guarded(session, options, async () => {
        const found = openCluster(options);
        await found.forceNewCluster(name);
        return report(session, options, `${name} goes on alone, as cluster ${found.clusterId}`, {
          clusterId: found.clusterId,
          member: name,
        });
      });
    });
}
