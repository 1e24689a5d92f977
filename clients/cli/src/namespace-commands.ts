import Table from "cli-table3";
import type { Command } from "commander";
import { EXIT } from "./exit-codes";
import { keysText } from "./record-output";
import { type Session, withClient } from "./session";
import { freshness, type GlobalOptions, positiveNumber } from "./settings";
import { writeJson } from "./write-json";

interface QuotaFlags extends GlobalOptions {
  readonly keysMax?: number;
  readonly bytesMax?: number;
}

/** namespace create, quota, delete, list */
export function addNamespaceCommand(program: Command, session: Session): void {
  const namespace = program
    .command("namespace")
    .description("create, list and delete namespaces: key spaces that share nothing")
    .addHelpText(
      "after",
      `
Examples
  quorate namespace create orders --keys-max 100000
  quorate namespace quota orders --bytes-max 50000000
  quorate namespace list
  quorate -n orders put greeting hello
  quorate namespace delete orders`,
    );
  withQuota(namespace.command("create"))
    .description("create an empty namespace")
    .argument("<name>", "1 to 64 letters, digits, dots, underscores and hyphens")
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<QuotaFlags>();
      await withClient(session, options, async ({ namespaces }) => {
        const created = await namespaces.create(name, quotaOf(options));
        if (options.json) await writeJson(session, created);
        else await session.terminal.out(`created ${created.name}\n`);
        return EXIT.ok;
      });
    });
  withQuota(namespace.command("quota"))
    .description("bound what a namespace may hold; a bound that is not given is taken away")
    .argument("<name>")
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<QuotaFlags>();
      await withClient(session, options, async ({ namespaces }) => {
        await namespaces.setQuota(name, quotaOf(options));
        if (options.json) await writeJson(session, { name, ...quotaOf(options) });
        else await session.terminal.out("ok\n");
        return EXIT.ok;
      });
    });
  namespace
    .command("delete")
    .description("delete a namespace with all its keys, leases and sessions")
    .argument("<name>")
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async ({ namespaces }) => {
        const { deleted } = await namespaces.delete(name);
        if (options.json) await writeJson(session, { name, deleted });
        else await session.terminal.out(`deleted ${name} with ${keysText(deleted)}\n`);
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
        const table = new Table({
          head: ["name", "keys", "of at most", "bytes", "of at most"],
          style: { head: [], border: [] },
        });
        for (const { name, keys, keysMax, bytes, bytesMax } of list) {
          table.push([name, keys, boundText(keysMax), bytes, boundText(bytesMax)]);
        }
        await session.terminal.out(`${table.toString()}\n`);
        return EXIT.ok;
      });
    });
}

function withQuota(command: Command): Command {
  return command
    .option("--keys-max <count>", "the most keys it may hold", positiveNumber)
    .option("--bytes-max <bytes>", "the most bytes its keys and newest values may be", positiveNumber);
}

function quotaOf({ keysMax, bytesMax }: QuotaFlags): { keysMax?: number; bytesMax?: number } {
  return { ...(keysMax === undefined ? {} : { keysMax }), ...(bytesMax === undefined ? {} : { bytesMax }) };
}

function boundText(bound: number): string {
  return bound === 0 ? "" : String(bound);
}
