import type { KvEvent, KvRecord } from "@quorate/client";
import { type Command, Option } from "commander";
import { EXIT, UsageFault } from "./exit-codes";
import { recordFields, visible } from "./record-output";
import { type Session, withClient } from "./session";
import { type GlobalOptions, positiveNumber, wholeNumber } from "./settings";
import { writeJson } from "./write-json";

interface WatchFlags extends GlobalOptions {
  readonly prefix?: boolean;
  readonly from?: number;
  readonly current?: boolean;
  readonly previous?: boolean;
  readonly only?: "puts" | "deletes";
  readonly count?: number;
}

/** watch */
export function addWatchCommand(program: Command, session: Session): void {
  program
    .command("watch")
    .description("tell changes as they happen, each once, until Ctrl-C; survives the loss of nodes")
    .argument("[key]", "the key; all keys of the namespace without it")
    .option("--prefix", "all keys that begin with it")
    .option("--from <revision>", "from this past revision on", wholeNumber)
    .option("--current", "what is there first, then changes")
    .option("--previous", "with the value before each change")
    .addOption(new Option("--only <kind>", "only these changes").choices(["puts", "deletes"]))
    .option("--count <events>", "end after so many", positiveNumber)
    .addHelpText(
      "after",
      `
Examples
  quorate watch config
  quorate watch user/ --prefix --current
  quorate watch --from 120 --json`,
    )
    .action(async (key: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<WatchFlags>();
      await withClient(session, options, async ({ kv }) => {
        if (options.prefix === true && key === undefined)
          throw new UsageFault("--prefix needs a key: without one all keys are watched");
        if (options.current === true && options.from !== undefined)
          throw new UsageFault("--current does not go with --from: it tells what is there now");
        const interrupted = new AbortController();
        const interrupt = (): void => interrupted.abort();
        process.once("SIGINT", interrupt);
        try {
          const { only, count = Number.POSITIVE_INFINITY } = options;
          const watch = kv.watch(key === undefined || options.prefix === true ? { prefix: key ?? "" } : key, {
            signal: interrupted.signal,
            currentState: options.current ?? false,
            previous: options.previous ?? false,
            puts: only !== "deletes",
            deletes: only !== "puts",
            ...(options.from === undefined ? {} : { fromRevision: options.from }),
          });
          let told = 0;
          for await (const event of watch) {
            if (options.json) await writeJson(session, eventFields(event));
            else await session.terminal.out(`${lineOf(event)}\n`);
            told += 1;
            if (told >= count) break;
          }
          return EXIT.ok;
        } finally {
          process.removeListener("SIGINT", interrupt);
        }
      });
    });
}

/** An event for programs. */
function eventFields(event: KvEvent): Record<string, unknown> {
  switch (event.kind) {
    case "current":
      return { kind: event.kind, ...recordFields(event.record) };
    case "synced":
      return { kind: event.kind, revision: event.revision };
    case "truncated":
      return originFields(event);
    case "put":
      return { ...originFields(event), ...recordFields(event.record), ...previousFields(event.previous) };
    case "delete":
      return { ...originFields(event), key: visible(event.keyBytes), ...previousFields(event.previous) };
  }
}

function originFields({
  kind,
  revision,
  cause,
  requestId,
  time,
}: Extract<KvEvent, { cause: unknown }>): Record<string, unknown> {
  return {
    kind,
    revision,
    cause,
    ...(requestId === undefined ? {} : { requestId }),
    time: time.toISOString(),
  };
}

function previousFields(previous: KvRecord | undefined): Record<string, unknown> {
  return previous === undefined ? {} : { previous: recordFields(previous) };
}

/** An event for people. */
function lineOf(event: KvEvent): string {
  switch (event.kind) {
    case "current":
      return `=\t${visible(event.record.keyBytes)}\t${visible(event.record.bytes)}`;
    case "synced":
      return `--\tat revision ${event.revision}; changes follow`;
    case "truncated":
      return `${event.revision}\t${event.cause}`;
    case "put":
      return `${event.revision}\t${event.cause}\t${visible(event.keyBytes)}\t${visible(event.record.bytes)}${was(event.previous)}`;
    case "delete":
      return `${event.revision}\t${event.cause}\t${visible(event.keyBytes)}${was(event.previous)}`;
  }
}

function was(previous: KvRecord | undefined): string {
  return previous === undefined ? "" : `\twas ${visible(previous.bytes)}`;
}
