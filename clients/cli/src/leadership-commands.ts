import type { Command } from "commander";
import { EXIT } from "./exit-codes";
import { type Session, withClient } from "./session";
import type { GlobalOptions } from "./settings";
import { writeJson } from "./write-json";

/** cluster transfer, step-down */
export function addLeadershipCommands(cluster: Command, session: Session): void {
  cluster
    .command("transfer")
    .description("hand leadership to a voter, and wait until it leads")
    .argument("<id>", "who is to lead")
    .action(async (id: string, _: unknown, command: Command) => {
      await transfer(session, command, id);
    });
  cluster
    .command("step-down")
    .description("have the leader hand over to the most up-to-date other voter")
    .action(async (_: unknown, command: Command) => {
      await transfer(session, command, "");
    });
}

async function transfer(session: Session, command: Command, memberId: string): Promise<void> {
  const options = command.optsWithGlobals<GlobalOptions>();
  await withClient(session, options, async ({ cluster }) => {
    const { leaderId, term } = await cluster.transferLeadership(memberId);
    if (options.json) await writeJson(session, { leaderId, term });
    else await session.terminal.out(`${leaderId} leads in term ${term}\n`);
    return EXIT.ok;
  });
}
