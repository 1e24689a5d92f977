import type { KvRecord, Quorate } from "@quorate/client";
import type { Command } from "commander";
import { EXIT } from "./exit-codes";
import { recordFields } from "./record-output";
import { type Session, withClient } from "./session";
import { type GlobalOptions, int64 } from "./settings";
import { writeJson } from "./write-json";

/** incr, decr, append, prepend */
export function addChangeCommands(program: Command, session: Session): void {
  addCounter(
    program,
    session,
    "incr",
    "add to a number (1 by default) and write the new one; a missing key counts from 0",
    1n,
  );
  addCounter(program, session, "decr", "take from a number (1 by default) and write the new one", -1n);
  addExtension(program, session, "append", "add to the end of a value, or create it");
  addExtension(program, session, "prepend", "add to the start of a value, or create it");
}

function addCounter(
  program: Command,
  session: Session,
  name: string,
  description: string,
  sign: 1n | -1n,
): void {
  program
    .command(name)
    .description(description)
    .argument("<key>")
    .argument("[by]", "a whole number (default: 1)", int64)
    .addHelpText("after", `\nExamples\n  quorate ${name} visits\n  quorate ${name} visits 10`)
    .action(async (key: string, by: bigint | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async ({ kv }) => {
        const value = await kv.increment(key, sign * (by ?? 1n));
        // As text in JSON too, for most readers of JSON lose digits beyond 2^53.
        if (options.json) await writeJson(session, { value: value.toString() });
        else await session.terminal.out(`${value}\n`);
        return EXIT.ok;
      });
    });
}

function addExtension(
  program: Command,
  session: Session,
  name: "append" | "prepend",
  description: string,
): void {
  program
    .command(name)
    .description(description)
    .argument("<key>")
    .argument("<value>")
    .addHelpText("after", `\nExample\n  quorate ${name} log "one more"`)
    .action(async (key: string, value: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async (client) => {
        const record = await extend(client, name, key, value);
        if (options.json) await writeJson(session, record === undefined ? null : recordFields(record));
        else await session.terminal.out(`ok, ${record?.bytes.length ?? 0} bytes\n`);
        return EXIT.ok;
      });
    });
}

function extend(
  { kv }: Quorate,
  name: "append" | "prepend",
  key: string,
  value: string,
): Promise<KvRecord | undefined> {
  return name === "append" ? kv.append(key, value) : kv.prepend(key, value);
}
