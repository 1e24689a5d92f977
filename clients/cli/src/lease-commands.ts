import type { LeaseInfo } from "@quorate/client";
import Table from "cli-table3";
import type { Command } from "commander";
import { EXIT } from "./exit-codes";
import { keysText, visible } from "./record-output";
import { type Session, withClient } from "./session";
import { freshness, type GlobalOptions, int64, milliseconds } from "./settings";
import { untilInterrupted } from "./until-interrupted";
import { writeJson } from "./write-json";

/** lease grant, keep-alive, revoke, ttl, list */
export function addLeaseCommand(program: Command, session: Session): void {
  const lease = program
    .command("lease")
    .description("leases: keys that are attached to one vanish together when it ends")
    .addHelpText(
      "after",
      `
Examples
  quorate lease grant 30s                   writes the id of the lease
  quorate put worker/7 here --lease 1
  quorate lease keep-alive 1                until Ctrl-C
  quorate lease ttl 1 --keys
  quorate lease revoke 1`,
    );
  lease
    .command("grant")
    .description("grant a lease that nobody keeps alive yet; writes its id")
    .argument("<ttl>", "how long it lives without being renewed, such as 500ms, 30s or 10m", milliseconds)
    .action(async (ttlMs: number, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async ({ leases }) => {
        const { id } = await leases.grant({ ttlMs, keepAlive: false, namespace: options.namespace });
        if (options.json) await writeJson(session, { id: id.toString(), ttlMs });
        else await session.terminal.out(`${id}\n`);
        return EXIT.ok;
      });
    });
  lease
    .command("keep-alive")
    .description("keep a lease alive until Ctrl-C; exit code 1 when it is lost")
    .argument("<id>", "the lease", int64)
    .action(async (id: bigint, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async ({ leases }) => {
        const kept = await leases.keepAlive(id, { namespace: options.namespace });
        // Before anybody is told, who may answer with a signal at once.
        const interrupted = untilInterrupted(kept.signal);
        if (!options.json) await session.terminal.out(`kept alive; it lives ${kept.ttlMs} ms without this\n`);
        const ended = await interrupted;
        kept.close();
        if (ended === "interrupted") return EXIT.ok;
        session.terminal.err(`lease ${id} is lost: ${(kept.signal.reason as Error).message}`);
        return EXIT.failed;
      });
    });
  lease
    .command("revoke")
    .description("end a lease and delete its keys")
    .argument("<id>", "the lease", int64)
    .action(async (id: bigint, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async ({ leases }) => {
        const { deleted } = await leases.revoke(id, { namespace: options.namespace });
        if (options.json) await writeJson(session, { id: id.toString(), deleted });
        else await session.terminal.out(`revoked, ${keysText(deleted)} deleted\n`);
        return EXIT.ok;
      });
    });
  lease
    .command("ttl")
    .description("how long a lease lives yet")
    .argument("<id>", "the lease", int64)
    .option("--keys", "name its keys too")
    .action(async (id: bigint, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { readonly keys?: boolean }>();
      await withClient(session, options, async ({ leases }) => {
        const { keys, ...info } = await leases.timeToLive(id, {
          ...freshness(options),
          namespace: options.namespace,
          keys: options.keys ?? false,
        });
        const names = keys.map(visible);
        if (options.json)
          await writeJson(session, { ...fieldsOf(info), ...(options.keys ? { keys: names } : {}) });
        else await session.terminal.out(`${[lineOf(info), ...names].join("\n")}\n`);
        return EXIT.ok;
      });
    });
  lease
    .command("list")
    .description("the leases of the namespace")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async ({ leases }) => {
        const list = await leases.list({ ...freshness(options), namespace: options.namespace });
        if (options.json) {
          for (const info of list) await writeJson(session, fieldsOf(info));
          return EXIT.ok;
        }
        const table = new Table({
          head: ["lease", "ttl ms", "left ms", "keys"],
          style: { head: [], border: [] },
        });
        for (const { id, ttlMs, remainingMs, keyCount } of list) {
          table.push([id.toString(), ttlMs, remainingMs, keyCount]);
        }
        await session.terminal.out(`${table.toString()}\n`);
        return EXIT.ok;
      });
    });
}

function fieldsOf({ id, ttlMs, remainingMs, keyCount }: LeaseInfo): Record<string, unknown> {
  return { id: id.toString(), ttlMs, remainingMs, keyCount };
}

function lineOf({ ttlMs, remainingMs, keyCount }: LeaseInfo): string {
  return `${remainingMs} of ${ttlMs} ms left, ${keysText(keyCount)}`;
}
