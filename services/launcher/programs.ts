import { join } from "node:path";
import type { ClusterDescription, MemberDescription } from "./cluster-file";
import type { Program } from "./process";

/** Where a cluster keeps what its processes write. */
export function memberDataDir(dataDir: string, memberId: string): string {
  return join(dataDir, memberId);
}

export function processLogPath(dataDir: string, name: string): string {
  return join(dataDir, "logs", `${name}.log`);
}

/** A member as a program to start: it makes its data directory if this is its first start, or the cluster's. */
export function nodeProgram(
  dataDir: string,
  description: ClusterDescription,
  member: MemberDescription,
  more: readonly string[],
): Program {
  const { clusterId, members, profile } = description;
  const list = members.map(({ id, clientAddress, peerAddress }) => `${id}=${clientAddress}/${peerAddress}`);
  return {
    folder: "node",
    arguments: [
      ...["--id", member.id, "--cluster-id", clusterId, "--members", list.join(",")],
      ...["--data-dir", memberDataDir(dataDir, member.id), "--profile", profile],
      ...["--listen-metrics", member.httpAddress],
      ...firstStart(description, member),
      ...more,
    ],
    logPath: processLogPath(dataDir, member.id),
  };
}

export function gatewayProgram(
  dataDir: string,
  description: ClusterDescription,
  names: { readonly gateway: string; readonly address: string },
): Program {
  const nodes = description.members.map(({ clientAddress }) => clientAddress).join(",");
  return {
    folder: "gateway",
    arguments: ["--listen", names.address, "--nodes", nodes],
    logPath: processLogPath(dataDir, names.gateway),
  };
}

function firstStart(
  { bootstrapped, restore, members }: ClusterDescription,
  member: MemberDescription,
): string[] {
  if (member.joined === true) {
    // A node that joined before opens its directory and asks nobody, so this need not be taken back.
    const seeds = members.filter(({ id }) => id !== member.id).map(({ clientAddress }) => clientAddress);
    return seeds.length === 0 ? [] : ["--join", seeds.join(",")];
  }
  if (bootstrapped) return [];
  return ["--bootstrap", ...(restore === undefined ? [] : ["--restore", restore])];
}
