import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { EXIT, UsageFault } from "./exit-codes";
import { recordFields } from "./record-output";
import { type Session, withClient } from "./session";
import { freshness, type GlobalOptions, int64, wholeNumber } from "./settings";
import { writeJson } from "./write-json";

interface PutFlags extends GlobalOptions {
  readonly file?: string;
  readonly ifRevision?: number;
  readonly lease?: bigint;
}

interface GetFlags extends GlobalOptions {
  readonly revision?: number;
  readonly newline: boolean;
}

interface DelFlags extends GlobalOptions {
  readonly prefix?: boolean;
  readonly ifRevision?: number;
}

/** put, get, del, exists */
export function addKeyCommands(program: Command, session: Session): void {
  addPut(program, session);
  addGet(program, session);
  addDel(program, session);
  addExists(program, session);
}

function addPut(program: Command, session: Session): void {
  program
    .command("put")
    .description("write a value")
    .argument("<key>")
    .argument("[value]", "the value; - reads it from standard input")
    .option("--file <path>", "take the value from a file")
    .option(
      "--if-revision <revision>",
      "only if the key was last changed at this revision; 0: only if it is new",
      wholeNumber,
    )
    .option("--lease <id>", "attach the key to this lease", int64)
    .addHelpText(
      "after",
      `
Examples
  quorate put greeting hello
  quorate put logo --file logo.png
  echo -n hello | quorate put greeting -
  quorate put lock mine --if-revision 0     only if there is no such key
  quorate put -- key -5                     what begins with a dash comes after --`,
    )
    .action(async (key: string, value: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<PutFlags>();
      await withClient(session, options, async ({ kv }) => {
        const { revision } = await kv.put(key, await valueToPut(session, value, options.file), {
          ...(options.ifRevision === undefined ? {} : { expectedModRevision: options.ifRevision }),
          ...(options.lease === undefined ? {} : { leaseId: options.lease }),
        });
        if (options.json) await writeJson(session, { revision });
        else await session.terminal.out(`ok, revision ${revision}\n`);
        return EXIT.ok;
      });
    });
}

async function valueToPut(
  session: Session,
  value: string | undefined,
  file: string | undefined,
): Promise<string | Uint8Array> {
  if ((value === undefined) === (file === undefined))
    throw new UsageFault("give either a value or --file, and one of them");
  if (file !== undefined) return readFile(file);
  return value === "-" ? session.terminal.readInput() : (value as string);
}

function addGet(program: Command, session: Session): void {
  program
    .command("get")
    .description("read a value; exit code 3 when there is no such key")
    .argument("<key>")
    .option("--revision <revision>", "as it was at this revision", wholeNumber)
    .option("--no-newline", "write the value's bytes and nothing after them")
    .addHelpText(
      "after",
      `
Examples
  quorate get greeting
  quorate get logo --no-newline > logo.png
  quorate get greeting --json               with its revisions and version`,
    )
    .action(async (key: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GetFlags>();
      await withClient(session, options, async ({ kv }) => {
        const { revision } = options;
        const record = await kv.get(key, {
          ...freshness(options),
          ...(revision === undefined ? {} : { revision }),
        });
        if (record === undefined) {
          if (options.json) await writeJson(session, null);
          else session.terminal.err(`there is no key ${key}`);
          return EXIT.notFound;
        }
        if (options.json) {
          await writeJson(session, recordFields(record));
        } else {
          await session.terminal.out(record.bytes);
          if (options.newline) await session.terminal.out("\n");
        }
        return EXIT.ok;
      });
    });
}

function addDel(program: Command, session: Session): void {
  program
    .command("del")
    .description("delete keys; exit code 3 when there was none of them")
    .argument("<keys...>")
    .option("--prefix", "delete all keys that begin with what is given")
    .option("--if-revision <revision>", "only if the key was last changed at this revision", wholeNumber)
    .addHelpText(
      "after",
      `
Examples
  quorate del greeting
  quorate del a b c
  quorate del user/ --prefix                all keys that begin with user/, at most 10,000`,
    )
    .action(async (keys: string[], _: unknown, command: Command) => {
      const options = command.optsWithGlobals<DelFlags>();
      await withClient(session, options, async ({ kv }) => {
        const { ifRevision } = options;
        if (options.prefix === true && ifRevision !== undefined)
          throw new UsageFault("--if-revision does not go with --prefix");
        let deleted = 0;
        for (const key of keys) {
          if (options.prefix === true) {
            if (key === "") throw new UsageFault("an empty prefix would delete all keys: name one");
            deleted += (await kv.deleteRange({ prefix: key })).deleted;
          } else {
            const condition = ifRevision === undefined ? {} : { expectedModRevision: ifRevision };
            deleted += (await kv.delete(key, condition)).deleted ? 1 : 0;
          }
        }
        if (options.json) await writeJson(session, { deleted });
        else await session.terminal.out(`deleted ${deleted}\n`);
        return deleted > 0 ? EXIT.ok : EXIT.notFound;
      });
    });
}

function addExists(program: Command, session: Session): void {
  program
    .command("exists")
    .description("count how many of the keys exist; exit code 3 when none does")
    .argument("<keys...>")
    .addHelpText("after", "\nExamples\n  quorate exists greeting\n  quorate exists a b c")
    .action(async (keys: string[], _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async ({ kv }) => {
        const count = await kv.exists(keys, freshness(options));
        if (options.json) await writeJson(session, { count });
        else await session.terminal.out(`${count}\n`);
        return count > 0 ? EXIT.ok : EXIT.notFound;
      });
    });
}
