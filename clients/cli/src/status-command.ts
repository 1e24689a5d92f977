import type { NodeStatus, Quorate } from "@quorate/client";
import Table from "cli-table3";
import type { Command } from "commander";
import { EXIT } from "./exit-codes";
import { type Session, withClient } from "./session";
import type { GlobalOptions } from "./settings";
import { writeJson } from "./write-json";

/** How long a node may take to answer before it is shown as unreachable. */
const NODE_MS_MAX = 1500;

/** A member with its status, or why it gave none. */
export interface MemberReport {
  readonly memberId: string;
  readonly address: string;
  readonly status: NodeStatus | null;
  readonly failure: string | null;
}

/** status */
export function addStatusCommand(program: Command, session: Session): void {
  program
    .command("status")
    .description("show each node's role, progress and resources; exit code 1 when a node cannot be reached")
    .addHelpText("after", "\nExamples\n  quorate status\n  quorate status --json")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async (client) => {
        const reports = await reportMembers(client);
        if (options.json) await writeJson(session, { members: reports });
        else await session.terminal.out(`${statusTable(reports)}\n`);
        return reports.every(({ status }) => status !== null) ? EXIT.ok : EXIT.failed;
      });
    });
}

/** Asks each member itself, so that one that is down hides no other. */
export async function reportMembers(client: Quorate): Promise<readonly MemberReport[]> {
  const members = await client.cluster.members();
  return Promise.all(
    members.map(({ memberId, clientAddress }) => reportMember(client, memberId, clientAddress)),
  );
}

/** Asks one member at its address. */
export async function reportMember(
  client: Quorate,
  memberId: string,
  address: string,
): Promise<MemberReport> {
  try {
    const status = await client.cluster.status({ address, deadlineMs: NODE_MS_MAX });
    return { memberId, address, status, failure: null };
  } catch (error) {
    return { memberId, address, status: null, failure: (error as Error).message };
  }
}

/** The reports as a table for people. */
export function statusTable(reports: readonly MemberReport[]): string {
  const table = new Table({
    head: [
      "node",
      "address",
      "role",
      "health",
      "term",
      "applied",
      "last",
      "revision",
      "lag",
      "memory",
      "disk",
      "uptime",
    ],
    style: { head: [], border: [] },
  });
  for (const { memberId, address, status } of reports) {
    if (status === null) {
      table.push([memberId, address, { content: "unreachable", colSpan: 10 }]);
      continue;
    }
    table.push([
      memberId,
      address,
      status.role,
      status.health,
      status.term,
      status.appliedIndex,
      status.lastIndex,
      status.revision,
      status.lag,
      size(status.memoryBytes),
      size(status.diskBytes),
      duration(status.uptimeMs),
    ]);
  }
  return table.toString();
}

/** A size in the unit that suits it. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KiB`;
  return bytes < 1024 ** 3
    ? `${(bytes / 1024 ** 2).toFixed(1)} MiB`
    : `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}

/** A time in the two largest units that it has. */
export function duration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
