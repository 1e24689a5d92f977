import { connect } from "@quorate/client";
import type { LocalCluster } from "@quorate/services/launcher";
import { reportMember } from "./status-report";
import { tableOf } from "./table";

/** What is shown of one process. */
export interface ProcessReport {
  readonly name: string;
  readonly address: string;
  readonly pid: number | null;
  readonly role: string | null;
  readonly health: string | null;
  readonly term: number | null;
  readonly revision: number | null;
  readonly log: string;
}

export async function reportProcesses(cluster: LocalCluster): Promise<readonly ProcessReport[]> {
  const client = connect(cluster.endpoints);
  try {
    return await Promise.all(
      cluster.processes().map(async ({ name, address, pid, logPath }) => {
        const isNode = cluster.members.some(({ id }) => id === name);
        const status = isNode && pid !== null ? (await reportMember(client, name, address)).status : null;
        return {
          name,
          address,
          pid,
          role: status?.role ?? null,
          health: status?.health ?? null,
          term: status?.term ?? null,
          revision: status?.revision ?? null,
          log: logPath,
        };
      }),
    );
  } finally {
    await client.close();
  }
}

export function processTable(reports: readonly ProcessReport[]): string {
  return tableOf(
    ["name", "address", "process", "role", "health", "term", "revision", "log"],
    reports.map(({ name, address, pid, role, health, term, revision, log }) => [
      name,
      address,
      pid ?? "not running",
      role ?? "",
      health ?? "",
      term ?? "",
      revision ?? "",
      log,
    ]),
  );
}
