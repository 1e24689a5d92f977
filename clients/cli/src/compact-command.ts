import type { Command } from "commander";
import { EXIT } from "./exit-codes";
import { type Session, withClient } from "./session";
import { type GlobalOptions, positiveNumber } from "./settings";
import { writeJson } from "./write-json";

/** compact */
export function addCompactCommand(program: Command, session: Session): void {
  program
    .command("compact")
    .description("give up history: what was before a revision can no longer be read or watched")
    .argument("<revision>", "the oldest revision that is kept", positiveNumber)
    .addHelpText(
      "after",
      "\nExample\n  quorate compact 1000\n\nNodes also do so by themselves: see --history-revisions and --history-ms of a node.",
    )
    .action(async (revision: number, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async ({ kv }) => {
        await kv.compact(revision);
        if (options.json) await writeJson(session, { revision });
        else await session.terminal.out(`compacted up to revision ${revision}\n`);
        return EXIT.ok;
      });
    });
}
