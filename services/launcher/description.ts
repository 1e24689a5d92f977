import { randomBytes } from "node:crypto";
import {
  type ClusterDescription,
  type MemberDescription,
  type Profile,
  readDescription,
} from "./cluster-file";
import { LauncherFault } from "./fault";
import { nodePorts } from "./ports";

/** What a cluster is to be; what is left out is as it was when the cluster was made, or the default. */
export interface DescriptionOptions {
  /** How many nodes; 3 by default. */
  readonly nodes?: number;
  /** The gateway's port, from which the others follow; 7400 by default. */
  readonly basePort?: number;
  readonly profile?: Profile;
  /** Whether a gateway is started; by default it is. */
  readonly gateway?: boolean;
}

const NODES_DEFAULT = 3;
const BASE_PORT_DEFAULT = 7400;

/** @throws LauncherFault when the directory holds a cluster of another size */
export function describe(dataDir: string, options: DescriptionOptions): ClusterDescription {
  const kept = readDescription(dataDir);
  if (kept !== null && options.nodes !== undefined && options.nodes !== kept.members.length) {
    throw new LauncherFault(
      `--nodes ${options.nodes}: the cluster in ${dataDir} has ${kept.members.length} nodes; start it with --nodes ${kept.members.length}, or choose another --data-dir`,
    );
  }
  const basePort = options.basePort ?? kept?.basePort ?? BASE_PORT_DEFAULT;
  const nodes = options.nodes ?? kept?.members.length ?? NODES_DEFAULT;
  return {
    format: 1,
    clusterId: kept?.clusterId ?? randomBytes(8).toString("hex"),
    basePort,
    profile: options.profile ?? kept?.profile ?? "default",
    gateway: options.gateway ?? kept?.gateway ?? true,
    bootstrapped: kept?.bootstrapped ?? false,
    members: Array.from({ length: nodes }, (_, at) => memberOf(basePort, at + 1)),
  };
}

function memberOf(basePort: number, number: number): MemberDescription {
  const { client, peer, http } = nodePorts(basePort, number);
  return {
    id: `n${number}`,
    clientAddress: `127.0.0.1:${client}`,
    peerAddress: `127.0.0.1:${peer}`,
    httpAddress: `127.0.0.1:${http}`,
  };
}

/** Every port of a cluster, with what it is for. */
export function portUses(
  description: ClusterDescription,
): readonly { readonly port: number; readonly use: string }[] {
  const ofMembers = description.members.flatMap(({ id, clientAddress, peerAddress, httpAddress }) => [
    { port: portOf(clientAddress), use: `clients of ${id}` },
    { port: portOf(peerAddress), use: `peers of ${id}` },
    { port: portOf(httpAddress), use: `health of ${id}` },
  ]);
  return description.gateway ? [{ port: description.basePort, use: "the gateway" }, ...ofMembers] : ofMembers;
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}
