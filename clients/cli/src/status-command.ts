import type { Quorate } from "@quorate/client";
import { QuorateError } from "@quorate/client";
import type { Command } from "commander";
import { EXIT, type ExitCode, UsageFault } from "./exit-codes";
import { describe, type Session, withClient } from "./session";
import { type GlobalOptions, milliseconds, positiveNumber } from "./settings";
import { isWell, type MemberReport, reportMember, reportMembers, statusText } from "./status-report";
import { untilInterrupted } from "./until-interrupted";
import { writeJson } from "./write-json";

const INTERVAL_MS = 1000;

/** To the top left, and whatever is below what will be written away. */
const HOME = "\u001b[H";
const CLEAR_BELOW = "\u001b[J";
const CLEAR_LINE = "\u001b[K";
const CLEAR_ALL = "\u001b[2J";

interface StatusFlags extends GlobalOptions {
  readonly watch?: boolean;
  readonly interval?: number;
  readonly count?: number;
}

/** status */
export function addStatusCommand(program: Command, session: Session): void {
  program
    .command("status")
    .description("show each node's role, progress and resources; exit code 5 when one is not well")
    .option("--watch", "again and again, until Ctrl-C: in place on a terminal, else one below the other")
    .option("--interval <time>", "how often (default: 1s)", milliseconds)
    .option("--count <times>", "stop after so many", positiveNumber)
    .addHelpText(
      "after",
      `
Examples
  quorate status
  quorate status --watch
  quorate status --watch --interval 10s --json     one line each time

A node is well when it answers, knows a leader, and raises no alarm.`,
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<StatusFlags>();
      await withClient(session, options, async (client) => {
        if (options.watch === true) return watch(session, client, options);
        if (options.interval !== undefined) throw new UsageFault("--interval goes with --watch");
        if (options.count !== undefined) throw new UsageFault("--count goes with --watch");
        const reports = await reportMembers(client);
        if (options.json) await writeJson(session, { members: reports });
        else await session.terminal.out(`${statusText(reports)}\n`);
        return isWell(reports) ? EXIT.ok : EXIT.unhealthy;
      });
    });
}

/** Shows the status until Ctrl-C, whatever becomes of the nodes. */
async function watch(session: Session, client: Quorate, options: StatusFlags): Promise<ExitCode> {
  const { terminal } = session;
  const { interval = INTERVAL_MS, count = Number.POSITIVE_INFINITY } = options;
  const inPlace = terminal.isScreen && options.json !== true;
  const ended = new AbortController();
  const interrupted = untilInterrupted(ended.signal);
  let known: readonly MemberReport[] = [];
  let outcome: ExitCode = EXIT.ok;
  try {
    if (inPlace) await terminal.out(CLEAR_ALL);
    for (let round = 1; ; round += 1) {
      const shot = await Promise.race([shotOf(client, known), interrupted]);
      if (typeof shot === "string") return EXIT.ok;
      known = shot.reports;
      outcome = shot.failure === null && isWell(shot.reports) ? EXIT.ok : EXIT.unhealthy;
      const at = new Date().toISOString();
      if (options.json) await writeJson(session, { at, members: shot.reports, failure: shot.failure });
      else await terminal.out(screenOf(`${at}\n${textOf(shot)}\n`, inPlace));
      if (round >= count) return outcome;
      if ((await within(interval, interrupted)) !== "late") return EXIT.ok;
    }
  } finally {
    ended.abort();
  }
}

interface Shot {
  readonly reports: readonly MemberReport[];
  /** Why no node told who the members are. */
  readonly failure: string | null;
}

/** The members as they are told, or else those known before, each asked by itself. */
async function shotOf(client: Quorate, known: readonly MemberReport[]): Promise<Shot> {
  try {
    return { reports: await reportMembers(client), failure: null };
  } catch (thrown) {
    const failure = describe(QuorateError.from(thrown));
    const reports = await Promise.all(
      known.map(({ memberId, address }) => reportMember(client, memberId, address)),
    );
    return { reports, failure };
  }
}

function textOf({ reports, failure }: Shot): string {
  return [
    ...(reports.length === 0 ? [] : [statusText(reports)]),
    ...(failure === null ? [] : [failure]),
  ].join("\n");
}

/** On a screen each text is written over the one before. */
function screenOf(text: string, inPlace: boolean): string {
  return inPlace ? `${HOME}${text.replaceAll("\n", `${CLEAR_LINE}\n`)}${CLEAR_BELOW}` : text;
}

async function within<T>(delayMs: number, promise: Promise<T>): Promise<T | "late"> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(resolve, delayMs, "late");
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
