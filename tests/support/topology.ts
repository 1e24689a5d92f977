import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Surroundings } from "./child";

const root = checkoutOf(__dirname);
const NODE_PROGRAM = resolve(root, "services/dist/programs/node.js");
const GATEWAY_PROGRAM = resolve(root, "services/dist/programs/gateway.js");

const START_MS_MAX_DEFAULT = 180_000;

type ProfileName = "fast" | "default" | "wan";

/** What a test cluster is made of. Nodes and gateways are numbered from 1. */
export interface ClusterOptions {
  /** 3 by default. */
  readonly nodes?: number;
  /** Numbers after those of the nodes, for nodes that join later; 0 by default. */
  readonly spares?: number;
  /** 0 by default. */
  readonly gateways?: number;
  /** "fast" by default. */
  readonly profile?: ProfileName | ((node: number) => ProfileName);
  /** Whether nodes forward what they cannot do themselves; on by default. */
  readonly forwarding?: "on" | "off" | ((node: number) => "on" | "off");
  /** "info" by default. */
  readonly logLevel?: string;
  /** More arguments for a node's process, such as `["--config", FILE]`. */
  readonly nodeArgs?: (node: number) => readonly string[];
  /** Flags of Node itself for a node's process. */
  readonly nodeFlags?: (node: number) => readonly string[];
  /** What a node's process is started within, given its data directory. */
  readonly surroundings?: (node: number, dataDir: string) => Surroundings;
  /** How long a node may take until it answers; 180,000 ms by default. */
  readonly startMsMax?: number;
  /** More arguments for a gateway's process. */
  readonly gatewayArgs?: readonly string[];
  /** Where node `from` believes node `to`'s peer service to be, given its true port; that port on this host by default. */
  readonly peerAddress?: (from: number, to: number, peerPort: number) => string;
}

/** Who listens where, and with which arguments each process is started. */
export class Topology {
  readonly nodes: number;
  /** Numbers after those of the nodes. */
  readonly spares: number;
  readonly gateways: number;
  /** How long a node may take until it answers. */
  readonly startMsMax: number;
  readonly #options: ClusterOptions;
  readonly #basePort: number;
  readonly #clusterId = `test-${randomBytes(6).toString("hex")}`;

  constructor(options: ClusterOptions, basePort: number) {
    this.nodes = options.nodes ?? 3;
    this.spares = options.spares ?? 0;
    this.gateways = options.gateways ?? 0;
    this.startMsMax = options.startMsMax ?? START_MS_MAX_DEFAULT;
    this.#options = options;
    this.#basePort = basePort;
  }

  /** The offsets in a block of ports that the processes listen on. */
  static portOffsets(options: ClusterOptions): number[] {
    const count = (options.nodes ?? 3) + (options.spares ?? 0);
    const nodes = Array.from({ length: count }, (_, at) => at + 1);
    const gateways = Array.from({ length: options.gateways ?? 0 }, (_, at) => at + 1);
    return [
      ...nodes.flatMap((node) => [node, 20 + node, 40 + node]),
      ...gateways.map((gateway) => gatewayOffset(gateway)),
    ];
  }

  /** The host:port of a node's client services. */
  clientAddress(node: number): string {
    return `127.0.0.1:${this.#basePort + node}`;
  }

  /** The port of a node's peer service. */
  peerPort(node: number): number {
    return this.#basePort + 20 + node;
  }

  /** The host:port of a node's peer service. */
  peerAddress(node: number): string {
    return `127.0.0.1:${this.peerPort(node)}`;
  }

  /** The host:port of a node's metrics and health over HTTP. */
  httpAddress(node: number): string {
    return `127.0.0.1:${this.#basePort + 40 + node}`;
  }

  gatewayAddress(gateway: number): string {
    return `127.0.0.1:${this.#basePort + gatewayOffset(gateway)}`;
  }

  /** Arguments of a node of the cluster's beginning. @param bootstrap whether the node may create its data directory */
  nodeArgv(node: number, dataDir: string, bootstrap: boolean): string[] {
    return this.#argv(node, dataDir, [
      "--cluster-id",
      this.#clusterId,
      "--members",
      this.#members(),
      ...(bootstrap ? ["--bootstrap"] : []),
    ]);
  }

  /** Arguments of a node that joins the cluster, and of one that joined. @param via a node to ask */
  joinerArgv(node: number, dataDir: string, via: number, more: readonly string[]): string[] {
    return this.#argv(node, dataDir, [
      "--join",
      this.clientAddress(via),
      "--advertise-client",
      this.clientAddress(node),
      "--advertise-peer",
      this.peerAddress(node),
      ...more,
    ]);
  }

  #argv(node: number, dataDir: string, more: readonly string[]): string[] {
    const { forwarding = "on", profile = "fast", logLevel = "info", nodeArgs, nodeFlags } = this.#options;
    return [
      ...(nodeFlags?.(node) ?? []),
      NODE_PROGRAM,
      "--id",
      `n${node}`,
      "--data-dir",
      dataDir,
      "--profile",
      typeof profile === "string" ? profile : profile(node),
      "--forwarding",
      typeof forwarding === "string" ? forwarding : forwarding(node),
      "--log-level",
      logLevel,
      "--listen-metrics",
      this.httpAddress(node),
      ...this.#peerRoutes(node),
      ...more,
      ...(nodeArgs?.(node) ?? []),
    ];
  }

  /** What a node's process is started within. */
  surroundings(node: number, dataDir: string): Surroundings {
    return this.#options.surroundings?.(node, dataDir) ?? {};
  }

  gatewayArgv(gateway: number): string[] {
    const nodes = this.#numbers().map((node) => this.clientAddress(node));
    return [
      GATEWAY_PROGRAM,
      "--listen",
      this.gatewayAddress(gateway),
      "--nodes",
      nodes.join(","),
      ...(this.#options.gatewayArgs ?? []),
    ];
  }

  #members(): string {
    return this.#numbers()
      .map((node) => `n${node}=${this.clientAddress(node)}/${this.peerAddress(node)}`)
      .join(",");
  }

  #peerRoutes(from: number): string[] {
    const { peerAddress } = this.#options;
    if (peerAddress === undefined) return [];
    const all = Array.from({ length: this.nodes + this.spares }, (_, at) => at + 1);
    const others = all.filter((to) => to !== from);
    const routes = others.map((to) => `n${to}=${peerAddress(from, to, this.peerPort(to))}`);
    return routes.length === 0 ? [] : ["--peer-routes", routes.join(",")];
  }

  #numbers(): number[] {
    return Array.from({ length: this.nodes }, (_, at) => at + 1);
  }
}

function gatewayOffset(gateway: number): number {
  return gateway === 1 ? 0 : 60 + gateway;
}

/** The directory with the lock file: tests run from their sources, programs of the tests from what was built. */
function checkoutOf(directory: string): string {
  if (existsSync(join(directory, "package-lock.json"))) return directory;
  const above = dirname(directory);
  if (above === directory) throw new Error("these tests do not lie in a checkout");
  return checkoutOf(above);
}
