import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import {
  type ClusterDescription,
  type MemberDescription,
  type Profile,
  readDescription,
} from "./cluster-file";
import { LauncherFault } from "./fault";
import { NODES_MAX, nodePorts } from "./ports";

/** What a cluster is to be; what is left out is as it was when the cluster was made, or the default. */
export interface DescriptionOptions {
  /** How many nodes; 3 by default. */
  readonly nodes?: number;
  /** The gateway's port, from which the others follow; 7400 by default. */
  readonly basePort?: number;
  readonly profile?: Profile;
  /** Whether a gateway is started; by default it is. */
  readonly gateway?: boolean;
  /** A backup file that a new cluster begins with. */
  readonly restore?: string;
}

const NODES_DEFAULT = 3;
const BASE_PORT_DEFAULT = 7400;

/** @throws LauncherFault when the directory holds a cluster of another size, or any where a backup is to be restored */
export function describe(dataDir: string, options: DescriptionOptions): ClusterDescription {
  const kept = readDescription(dataDir);
  if (kept !== null && options.nodes !== undefined && options.nodes !== kept.members.length) {
    throw new LauncherFault(
      `--nodes ${options.nodes}: the cluster in ${dataDir} has ${kept.members.length} nodes; start it with --nodes ${kept.members.length}, or choose another --data-dir`,
    );
  }
  const restore = restoredFrom(dataDir, kept, options.restore);
  const basePort = options.basePort ?? kept?.basePort ?? BASE_PORT_DEFAULT;
  const members =
    kept === null
      ? Array.from({ length: options.nodes ?? NODES_DEFAULT }, (_, at) => memberOf(basePort, at + 1))
      : kept.members.map((member) => ({ ...member, ...addressesOf(basePort, numberOf(member)) }));
  return {
    format: 1,
    clusterId: kept?.clusterId ?? freshClusterId(),
    basePort,
    profile: options.profile ?? kept?.profile ?? "default",
    gateway: options.gateway ?? kept?.gateway ?? true,
    bootstrapped: kept?.bootstrapped ?? false,
    members,
    ...(restore === null ? {} : { restore }),
  };
}

/** The backup that the cluster begins with; null once it has begun, or for none. */
function restoredFrom(
  dataDir: string,
  kept: ClusterDescription | null,
  restore: string | undefined,
): string | null {
  if (restore === undefined) return kept?.restore ?? null;
  const path = resolve(restore);
  if (kept === null || (!kept.bootstrapped && kept.restore === path)) return path;
  throw new LauncherFault(
    `--restore ${restore}: ${dataDir} holds a cluster already: choose an empty --data-dir`,
  );
}

export function freshClusterId(): string {
  return randomBytes(8).toString("hex");
}

/** A member that is to join: with a number that none has or had here, as long as there are any. */
export function nextMember(
  description: ClusterDescription,
  isUsed: (id: string) => boolean,
): MemberDescription {
  const numbers = Array.from({ length: NODES_MAX }, (_, at) => at + 1);
  const last = Math.max(0, ...description.members.map(numberOf));
  const free = numbers.filter((number) => !isUsed(idOf(number)) && !description.members.some(has(number)));
  const number = free.find((candidate) => candidate > last) ?? free[0];
  if (number === undefined) {
    throw new LauncherFault(
      `there is room for ${NODES_MAX} nodes: remove the data directory of one that was removed from the cluster`,
    );
  }
  return { ...memberOf(description.basePort, number), joined: true };
}

function memberOf(basePort: number, number: number): MemberDescription {
  return { id: idOf(number), ...addressesOf(basePort, number) };
}

function addressesOf(basePort: number, number: number): Omit<MemberDescription, "id"> {
  const { client, peer, http } = nodePorts(basePort, number);
  return {
    clientAddress: `127.0.0.1:${client}`,
    peerAddress: `127.0.0.1:${peer}`,
    httpAddress: `127.0.0.1:${http}`,
  };
}

function idOf(number: number): string {
  return `n${number}`;
}

function numberOf({ id }: MemberDescription): number {
  return Number(id.slice(1));
}

function has(number: number): (member: MemberDescription) => boolean {
  return ({ id }) => id === idOf(number);
}

/** A port with what it is for. */
export interface PortUse {
  readonly port: number;
  readonly use: string;
}

/** Every port of a cluster. */
export function portUses(description: ClusterDescription): readonly PortUse[] {
  const ofMembers = memberPortUses(description.members);
  return description.gateway ? [{ port: description.basePort, use: "the gateway" }, ...ofMembers] : ofMembers;
}

export function memberPortUses(members: readonly MemberDescription[]): readonly PortUse[] {
  return members.flatMap(({ id, clientAddress, peerAddress, httpAddress }) => [
    { port: portOf(clientAddress), use: `clients of ${id}` },
    { port: portOf(peerAddress), use: `peers of ${id}` },
    { port: portOf(httpAddress), use: `metrics and health of ${id}` },
  ]);
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}
