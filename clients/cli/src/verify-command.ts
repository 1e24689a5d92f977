import { type ConsistencyReport, type Quorate, QuorateError, type RepairReport } from "@quorate/client";
import type { Command } from "commander";
import { EXIT, type ExitCode } from "./exit-codes";
import { withNotice } from "./notice";
import { keysText, visible } from "./record-output";
import { describe, endpointsOf, errorFields, type Session, withClient } from "./session";
import type { GlobalOptions } from "./settings";
import { tableOf } from "./table";
import { size } from "./units";
import { writeJson } from "./write-json";

/** How many of the keys that differ are shown to people. */
const KEYS_SHOWN_MAX = 20;

/** The client's own bound, which holds where no --deadline is given. */
const DEADLINE_SECONDS = 60;

/** What takes longer than is usual waits for somebody: for any node at all, or for members that are slow. */
const SILENCE_MS = 1500;
const COMPARING_MS = 3000;

interface VerifyFlags extends GlobalOptions {
  readonly repair?: boolean;
}

interface Repair {
  readonly memberId: string;
  readonly report: RepairReport;
}

/** verify */
export function addVerifyCommand(program: Command, session: Session): void {
  program
    .command("verify")
    .description(
      "compare all replicas at one log index; exit code 4 when they differ, 5 when a member did not answer",
    )
    .option("--repair", "have members that differ take the records of the majority, then compare again")
    .addHelpText("after", "\nExamples\n  quorate verify\n  quorate verify --repair\n  quorate verify --json")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<VerifyFlags>();
      await withClient(session, options, async (client) => {
        try {
          return await verify(session, client, options);
        } catch (thrown) {
          const error = QuorateError.from(thrown);
          if (error.reason !== "NO_MAJORITY") throw thrown;
          // Not a call that failed: the replicas were compared, and differ.
          session.terminal.err(
            options.json ? JSON.stringify({ error: errorFields(error) }) : describe(error),
          );
          return EXIT.inconsistent;
        }
      });
    });
}

async function verify(session: Session, client: Quorate, options: VerifyFlags): Promise<ExitCode> {
  await reach(session, client, options);
  const patience = options.deadline === undefined ? {} : { deadlineMs: options.deadline * 1000 };
  const compare = (): Promise<ConsistencyReport> => {
    const compared = client.cluster.verifyConsistency(patience);
    if (options.json) return compared;
    const line = `the replicas are being compared, by the leader; it may take ${patienceText(options)} (quorate status tells who does not answer) …`;
    return withNotice(session.terminal, { delayMs: COMPARING_MS, line }, compared);
  };
  const first = await compare();
  const wrong = first.members.filter(({ differs }) => differs);
  if (options.repair !== true || wrong.length === 0) {
    if (options.json) await writeJson(session, jsonOf(first));
    else await session.terminal.out(`${textOf(first)}\n`);
    return exitCodeOf(first);
  }
  if (!options.json) await session.terminal.out(`${textOf(first)}\n`);
  const repairs: Repair[] = [];
  for (const { memberId } of wrong) {
    const report = await client.cluster.repairMember(memberId, patience);
    repairs.push({ memberId, report });
    if (!options.json) await session.terminal.out(`${repairText(memberId, report)}\n`);
  }
  const second = await compare();
  if (options.json) await writeJson(session, { ...jsonOf(second), before: jsonOf(first), repairs });
  else await session.terminal.out(`${textOf(second)}\n`);
  return exitCodeOf(second);
}

/**
 * A comparison may take long, but that nobody is there is known soon; the members are told without a leader, too.
 *
 * @throws QuorateError that names all endpoints, where none answers within the deadline of a short call
 */
async function reach(session: Session, { cluster }: Quorate, options: VerifyFlags): Promise<void> {
  const endpoints = endpointsOf(session, options);
  try {
    const asked = cluster.members();
    const line = `waiting for an answer from ${endpoints} …`;
    const members = await (options.json
      ? asked
      : withNotice(session.terminal, { delayMs: SILENCE_MS, line }, asked));
    if (options.json || members.some(({ leader }) => leader)) return;
    session.terminal.err(
      `no leader is known at ${endpoints}: waiting for one, up to ${patienceText(options)} …`,
    );
  } catch (thrown) {
    const { code, reason, retryable, outcome, message } = QuorateError.from(thrown);
    throw new QuorateError(`no answer from ${endpoints}: ${message}`, {
      code,
      reason,
      retryable,
      outcome,
      cause: thrown,
    });
  }
}

function patienceText({ deadline = DEADLINE_SECONDS }: VerifyFlags): string {
  return `${deadline} s; --deadline SECONDS for another time`;
}

/** Whether too few members answered to say who is right, and nothing is known to differ. */
function isUndecided({ consistent, members }: ConsistencyReport): boolean {
  return !consistent && !members.some(({ differs }) => differs);
}

function exitCodeOf({ members }: ConsistencyReport): ExitCode {
  if (members.some(({ differs }) => differs)) return EXIT.inconsistent;
  return members.every(({ answered, agrees }) => answered && agrees) ? EXIT.ok : EXIT.unhealthy;
}

function jsonOf(report: ConsistencyReport): object {
  return {
    ...report,
    diverged: report.diverged.map(({ key, ...rest }) => ({ ...rest, key: visible(key) })),
  };
}

function textOf(report: ConsistencyReport): string {
  const { round, appliedIndex, consistent, members, diverged, divergedCount, bytesMoved } = report;
  const undecided = isUndecided(report);
  const table = tableOf(
    ["member", "keys", "root", ""],
    members.map((member) =>
      member.answered
        ? [member.memberId, member.keys, `${member.root.slice(0, 16)}…`, findingText(member)]
        : [member.memberId, "", "", member.differs ? "differs, and did not answer again" : "did not answer"],
    ),
  );
  if (undecided) {
    const what = `the replicas were not compared at log index ${appliedIndex} (round ${round})`;
    return `${table}\n${what}: too few members answered`;
  }
  const shown = diverged
    .slice(0, KEYS_SHOWN_MAX)
    .map(
      ({ memberId, namespace, key, difference }) =>
        `  ${memberId}  ${namespace}  ${visible(key)}  ${difference}`,
    );
  const more = divergedCount - shown.length;
  return [
    table,
    consistent
      ? `the replicas agree at log index ${appliedIndex} (round ${round})`
      : `THE REPLICAS DIFFER at log index ${appliedIndex} (round ${round}), in ${keysText(divergedCount)}:`,
    ...(consistent ? [] : [...shown, ...(more > 0 ? [`  … and ${more} more`] : [])]),
    ...(consistent
      ? []
      : [`${size(bytesMoved)} were moved to find them; quorate verify --repair puts them right`]),
  ].join("\n");
}

/** Of one that answered. */
function findingText({ agrees, differs }: ConsistencyReport["members"][number]): string {
  if (differs) return "differs";
  return agrees ? "agrees" : "not compared";
}

function repairText(memberId: string, { recordsRepaired, stateReplaced, bytesMoved }: RepairReport): string {
  const what = stateReplaced ? "took the whole state anew" : `had ${recordsRepaired} records put right`;
  return `${memberId} ${what}, ${size(bytesMoved)} moved`;
}
