import type { NodeAlarm, NodeStatus, Quorate } from "@quorate/client";
import { type Cell, tableOf } from "./table";
import { duration, size } from "./units";

/** How long a node may take to answer before it is shown as unreachable. */
const NODE_MS_MAX = 1500;

/** A member with its status, or why it gave none. */
export interface MemberReport {
  readonly memberId: string;
  readonly address: string;
  readonly status: NodeStatus | null;
  readonly failure: string | null;
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

/** Whether nothing asks for an operator: every node answers, is healthy and raises no alarm. */
export function isWell(reports: readonly MemberReport[]): boolean {
  return reports.every(({ status }) => status?.health === "healthy" && status.alarms.length === 0);
}

const HEAD = [
  "node",
  "address",
  "role",
  "health",
  "term",
  "applied",
  "last",
  "snapshot",
  "revision",
  "lag",
  "memory",
  "disk",
  "free",
  "uptime",
] as const;

/** The reports for people: a table, and what there is to say besides. */
export function statusText(reports: readonly MemberReport[]): string {
  const rows = reports.map(({ memberId, address, status }): readonly Cell[] =>
    status === null
      ? [memberId, address, { content: "unreachable", colSpan: HEAD.length - 2 }]
      : [
          memberId,
          address,
          status.role,
          status.health,
          status.term,
          status.appliedIndex,
          status.lastIndex,
          status.snapshotIndex,
          status.revision,
          status.lag,
          size(status.memoryBytes),
          size(status.diskBytes),
          size(status.diskFreeBytes),
          duration(status.uptimeMs),
        ],
  );
  return [tableOf(HEAD, rows), ...alarmsOf(reports).map(alarmLine), ...progressLines(reports)].join("\n");
}

/** Every alarm once, whichever nodes know of it. */
export function alarmsOf(reports: readonly MemberReport[]): readonly NodeAlarm[] {
  const alarms = new Map<string, NodeAlarm>();
  for (const alarm of reports.flatMap(({ status }) => status?.alarms ?? [])) {
    const name = `${alarm.kind} ${alarm.memberId}`;
    if (!alarms.has(name)) alarms.set(name, alarm);
  }
  return [...alarms.values()];
}

function alarmLine({ kind, memberId, message, sinceMs }: NodeAlarm): string {
  return `ALARM ${kind} ${memberId === "" ? "of the cluster" : memberId} since ${new Date(sinceMs).toISOString()}: ${message}`;
}

/** What is under way, and how the comparison of the replicas stands. */
function progressLines(reports: readonly MemberReport[]): readonly string[] {
  return reports.flatMap(({ memberId, status }) => {
    if (status === null) return [];
    const lines: string[] = [];
    const { receiving, verification } = status;
    if (receiving !== undefined) {
      lines.push(
        `${memberId} receives the state of ${receiving.fromMemberId} at index ${receiving.index}: ${size(receiving.bytes)} so far`,
      );
    }
    if (status.votersOutgoing.length > 0 && status.role === "leader") {
      lines.push(
        `the members are changing: ${status.votersOutgoing.join(", ")} and ${status.voters.join(", ")} both have to agree`,
      );
    }
    for (const peer of status.peers) {
      if (!status.learners.includes(peer.memberId)) continue;
      lines.push(
        `${peer.memberId} is a learner with ${peer.catchUpPercent.toFixed(0)} % of the log, ${peer.lag} entries behind`,
      );
    }
    if (status.role === "leader" && verification !== undefined) {
      const { round, agreedRound, diverged } = verification;
      if (diverged.length > 0) lines.push(`compared: ${diverged.join(", ")} differed in round ${round}`);
      // A new leader has yet to compare anything.
      else if (agreedRound > 0) lines.push(`compared: all replicas agreed in round ${agreedRound}`);
    }
    return lines;
  });
}
