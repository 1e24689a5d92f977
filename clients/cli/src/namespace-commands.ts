import Table from "cli-table3";
import type { Command } from "commander";
import { EXIT } from "./exit-codes";
import { type Session, withClient } from "./session";
import { freshness, type GlobalOptions } from "./settings";
import { writeJson } from "./write-json";

/** namespace create, list */
export function addNamespaceCommand(program: Command, session: Session): void {
  const namespace = program
    .command("namespace")
    .description("create and list namespaces: key spaces that share nothing")
    .addHelpText(
      "after",
      `
Examples
  quorate namespace create orders
  quorate namespace list
  quorate -n orders put greeting hello`,
    );
  namespace
    .command("create")
    .description("create an empty namespace")
    .argument("<name>", "1 to 64 letters, digits, dots, underscores and hyphens")
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async ({ namespaces }) => {
        const created = await namespaces.create(name);
        if (options.json) await writeJson(session, created);
        else await session.terminal.out(`created ${created.name}\n`);
        return EXIT.ok;
      });
    });
  namespace
    .command("list")
    .description("list the namespaces with how much they hold")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async ({ namespaces }) => {
        const list = await namespaces.list(freshness(options));
        if (options.json) {
          for (const found of list) await writeJson(session, found);
          return EXIT.ok;
        }
        const table = new Table({ head: ["name", "keys", "bytes"], style: { head: [], border: [] } });
        for (const { name, keys, bytes } of list) table.push([name, keys, bytes]);
        await session.terminal.out(`${table.toString()}\n`);
        return EXIT.ok;
      });
    });
}
