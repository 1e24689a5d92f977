import type { KeyRange } from "@quorate/client";
import type { Command } from "commander";
import { EXIT, UsageFault } from "./exit-codes";
import { recordFields, visible } from "./record-output";
import { type Session, withClient } from "./session";
import { freshness, type GlobalOptions, positiveNumber, wholeNumber } from "./settings";
import { writeJson } from "./write-json";

interface RangeFlags extends GlobalOptions {
  readonly start?: string;
  readonly end?: string;
  readonly revision?: number;
}

interface ScanFlags extends RangeFlags {
  readonly limit?: number;
  readonly reverse?: boolean;
  readonly keysOnly?: boolean;
}

/** scan, count */
export function addListingCommands(program: Command, session: Session): void {
  addRangeOptions(program.command("scan"))
    .description("list keys and values in order of the keys, all at one revision")
    .option("--limit <count>", "at most this many", positiveNumber)
    .option("--reverse", "from the largest key down")
    .option("--keys-only", "leave the values out")
    .addHelpText(
      "after",
      `
Examples
  quorate scan                              all keys
  quorate scan user/                        the keys that begin with user/
  quorate scan --start a --end c --limit 10
  quorate scan user/ --json                 one JSON object a line

Keys and values are separated by a tab; control characters are shown as in JSON, bytes that are not UTF-8 as 0x….`,
    )
    .action(async (prefix: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<ScanFlags>();
      await withClient(session, options, async ({ kv }) => {
        const { reverse = false, keysOnly = false, limit, revision } = options;
        const records = kv.scan(rangeOf(prefix, options), {
          ...freshness(options),
          reverse,
          keysOnly,
          ...(limit === undefined ? {} : { limit }),
          ...(revision === undefined ? {} : { revision }),
        });
        for await (const record of records) {
          if (options.json) await writeJson(session, recordFields(record, keysOnly));
          else if (keysOnly) await session.terminal.out(`${visible(record.keyBytes)}\n`);
          else await session.terminal.out(`${visible(record.keyBytes)}\t${visible(record.bytes)}\n`);
        }
        return EXIT.ok;
      });
    });
  addRangeOptions(program.command("count"))
    .description("count keys")
    .addHelpText("after", "\nExamples\n  quorate count\n  quorate count user/")
    .action(async (prefix: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<RangeFlags>();
      await withClient(session, options, async ({ kv }) => {
        const { revision } = options;
        const count = await kv.count(rangeOf(prefix, options), {
          ...freshness(options),
          ...(revision === undefined ? {} : { revision }),
        });
        if (options.json) await writeJson(session, { count });
        else await session.terminal.out(`${count}\n`);
        return EXIT.ok;
      });
    });
}

function addRangeOptions(command: Command): Command {
  return command
    .argument("[prefix]", "only keys that begin with this")
    .option("--start <key>", "from this key on")
    .option("--end <key>", "up to this key, without it")
    .option("--revision <revision>", "as it was at this revision", wholeNumber);
}

function rangeOf(prefix: string | undefined, { start, end }: RangeFlags): KeyRange {
  if (prefix === undefined)
    return { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
  if (start !== undefined || end !== undefined)
    throw new UsageFault("give a prefix, or --start and --end, not both");
  return { prefix };
}
