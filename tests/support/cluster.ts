import { rmSync } from "node:fs";
import { type ClientOptions, connect, type Quorate } from "@quorate/client";
import {
  type ClusterServiceClient,
  ClusterServiceDefinition,
  type KvServiceClient,
  KvServiceDefinition,
  Role,
} from "@quorate/client/generated";
import type { Channel } from "nice-grpc";
import { BareEndpoint, bareClients } from "./bare";
import { Child, type Exit } from "./child";
import { eventually, NeverWill, type Patience } from "./eventually";
import { PortBlock } from "./port-block";
import { type NodeStatus, statusView } from "./status-view";
import { type ClusterOptions, Topology } from "./topology";
import { Workplace } from "./workplace";

const START_ATTEMPTS_MAX = 5;
const LOG_TAIL_LINES = 60;
const CLIENT_MS_MAX = 60_000;
const STATUS_MS_MAX = 60_000;
/** Where a node may not answer at all, and is asked again. */
const STATUS_ATTEMPT_MS_MAX = 5000;

/** Starts a cluster of real processes in a directory and on ports of its own; resolves when it has a leader. */
export async function startTestCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  for (let attempt = 1; ; attempt += 1) {
    const ports = await PortBlock.claim(Topology.portOffsets(options));
    const cluster = new TestCluster(options, ports);
    try {
      await cluster.start();
      return cluster;
    } catch (failure) {
      const logs = cluster.allLogs();
      await cluster.stop();
      // Somebody who claims no blocks took a port between our look and the start of the process.
      if (logs.includes("EADDRINUSE") && attempt < START_ATTEMPTS_MAX) continue;
      throw new Error(`the cluster did not start\n${logs}`, { cause: failure });
    }
  }
}

/** Real processes of one cluster. Nodes and gateways are numbered from 1: node 1 is the member "n1". */
export class TestCluster {
  readonly topology: Topology;
  readonly #workplace = new Workplace();
  readonly #ports: PortBlock;
  readonly #nodes = new Map<number, Child>();
  readonly #gateways = new Map<number, Child>();
  readonly #paused = new Set<number>();
  readonly #members: Set<number>;
  readonly #joiners = new Map<number, number>();
  readonly #endpoints = new Map<string, BareEndpoint>();
  readonly #clients: Quorate[] = [];
  #stopping: Promise<void> | null = null;

  /** Made by `startTestCluster`. */
  constructor(options: ClusterOptions, ports: PortBlock) {
    this.#ports = ports;
    this.topology = new Topology(options, ports.base);
    this.#members = new Set(Array.from({ length: this.topology.nodes }, (_, at) => at + 1));
  }

  /**
   * Starts a spare node, which joins the cluster through the node `via`, and waits until it answers.
   *
   * @param more arguments, such as `["--join-as", "learner"]`
   */
  async join(node: number, via: number, more: readonly string[] = []): Promise<void> {
    const argv = this.topology.joinerArgv(node, this.dataDir(node), via, more);
    this.#nodes.set(
      node,
      new Child(this.#workplace, `n${node}`, argv, this.topology.surroundings(node, this.dataDir(node))),
    );
    this.#joiners.set(node, via);
    this.#members.add(node);
    await this.#answering(node, {});
  }

  /** Removes all data of a node that has ended, as a new disk would. */
  wipe(node: number): void {
    rmSync(this.dataDir(node), { recursive: true, force: true });
  }

  /** The node takes part no longer, as far as this harness waits for nodes. */
  leave(node: number): void {
    this.#members.delete(node);
  }

  /** The numbers of all nodes that take part, running or not. */
  get numbers(): readonly number[] {
    return [...this.#members].sort((left, right) => left - right);
  }

  /** The numbers of the nodes that run and are not paused. */
  get live(): readonly number[] {
    return this.numbers.filter(
      (node) => this.#nodes.get(node)?.isRunning === true && !this.#paused.has(node),
    );
  }

  /** The client address of a node. */
  address(node: number): string {
    return this.topology.clientAddress(node);
  }

  /** A node's client port, called without retries. One connection a node, kept over restarts. */
  node(node: number): BareEndpoint {
    return this.endpoint(this.address(node));
  }

  /** A gateway, called without retries. */
  gateway(gateway = 1): BareEndpoint {
    return this.endpoint(this.topology.gatewayAddress(gateway));
  }

  /** Any address, called without retries; one connection an address. */
  endpoint(address: string): BareEndpoint {
    const known = this.#endpoints.get(address);
    if (known !== undefined) return known;
    const endpoint = new BareEndpoint(address);
    this.#endpoints.set(address, endpoint);
    return endpoint;
  }

  /** A connection to a node that nobody else uses; closed by `stop()` at the latest. */
  freshEndpoint(node: number): BareEndpoint {
    const endpoint = new BareEndpoint(this.address(node));
    this.#endpoints.set(`fresh ${this.#endpoints.size}`, endpoint);
    return endpoint;
  }

  /** The nice-grpc channel to a node. */
  rawChannel(node: number): Channel {
    return this.node(node).channel();
  }

  /** The generated client of a node's KvService. */
  bareKv(node: number): KvServiceClient {
    return bareClients.create(KvServiceDefinition, this.rawChannel(node));
  }

  /** The generated client of a node's ClusterService. */
  bareAdmin(node: number): ClusterServiceClient {
    return bareClients.create(ClusterServiceDefinition, this.rawChannel(node));
  }

  /**
   * The typed client, closed by `stop()`. Its calls may take a minute unless the options say otherwise.
   *
   * @param endpoints a node's number, an address, or several; all nodes by default
   */
  client(
    endpoints: number | string | readonly (number | string)[] = this.numbers,
    options: Omit<ClientOptions, "endpoints"> = {},
  ): Quorate {
    const list = typeof endpoints === "object" ? endpoints : [endpoints];
    const addresses = list.map((endpoint) =>
      typeof endpoint === "number" ? this.address(endpoint) : endpoint,
    );
    // Who names one node means that node.
    const client = connect({
      deadlineMs: CLIENT_MS_MAX,
      ...(addresses.length === 1 ? { followMembers: false } : {}),
      ...options,
      endpoints: addresses,
    });
    this.#clients.push(client);
    return client;
  }

  /** What a node says of itself, asked once. */
  async status(node: number, deadlineMs = STATUS_MS_MAX): Promise<NodeStatus> {
    return statusView(await this.node(node).admin.call("status", {}, { deadlineMs }));
  }

  /** The leader's number, as soon as a majority of all nodes and every live node follow it in its term. */
  leader(patience: Patience = {}): Promise<number> {
    return eventually(
      `a leader among ${this.live.map((node) => `n${node}`).join(", ")}`,
      () => this.#agreedLeader(),
      patience,
    );
  }

  /** The live nodes that do not lead. */
  async followers(patience: Patience = {}): Promise<number[]> {
    const leader = await this.leader(patience);
    return this.live.filter((node) => node !== leader);
  }

  /**
   * Waits until all live nodes have the same revision and proves that they hold the same keys and values at it. A
   * difference at one revision can never go away, so it fails at once.
   */
  async agree(patience: Patience = {}): Promise<Agreement> {
    const nodes = this.live;
    return eventually(
      `n${nodes.join(", n")} agree`,
      async () => {
        const revisions = await Promise.all(nodes.map(async (node) => (await this.status(node)).revision));
        const [revision] = revisions;
        if (revision === undefined || new Set(revisions).size !== 1)
          throw new Error(`revisions ${revisions.join(", ")}`);
        const hashes = await Promise.all(
          nodes.map((node) => this.node(node).admin.call("hash", { revision: BigInt(revision) })),
        );
        const seen = hashes.map(
          ({ root, count }) => `${Buffer.from(root).toString("hex")} over ${count} keys`,
        );
        if (new Set(seen).size !== 1)
          throw new NeverWill(`at revision ${revision} the hashes are\n${seen.join("\n")}`);
        const [first] = hashes as [(typeof hashes)[number]];
        return { revision, root: Buffer.from(first.root).toString("hex"), count: Number(first.count) };
      },
      patience,
    );
  }

  /** Kills a node's process with SIGKILL and waits until it is gone. */
  async kill(node: number): Promise<void> {
    const child = this.#running(node);
    child.signal("SIGKILL");
    await child.ended;
    this.#paused.delete(node);
  }

  /** Kills all nodes at once. */
  async killAll(): Promise<void> {
    await Promise.all(
      this.numbers.filter((node) => this.#nodes.get(node)?.isRunning).map((node) => this.kill(node)),
    );
  }

  /** Asks a node to end with SIGTERM and waits for it. @returns its exit code, or null when a signal ended it */
  async terminate(node: number): Promise<number | null> {
    const child = this.#running(node);
    child.signal("SIGTERM");
    return (await child.ended).code;
  }

  /** How a node ended; waits for it. */
  ended(node: number): Promise<Exit> {
    return this.#child(node).ended;
  }

  /** How a gateway ended; waits for it. */
  gatewayEnded(gateway: number): Promise<Exit> {
    return this.#gateway(gateway).ended;
  }

  /** The process id of a gateway. */
  gatewayPid(gateway: number): number {
    return this.#gateway(gateway).pid;
  }

  /** All that a gateway wrote to its log. */
  gatewayLogs(gateway: number): string {
    return this.#gateway(gateway).log();
  }

  /** Starts a node that has ended, and waits until it answers. */
  async restart(node: number, patience: Patience = {}): Promise<void> {
    this.launch(node);
    await this.#answering(node, patience);
  }

  /** Starts a node that has ended, and does not wait. */
  launch(node: number): void {
    if (this.#nodes.get(node)?.isRunning === true) throw new Error(`n${node} runs already`);
    this.#spawnNode(node, false);
  }

  /** Starts all nodes that have ended and waits until there is a leader. */
  async restartAll(patience: Patience = {}): Promise<void> {
    const down = this.numbers.filter((node) => this.#nodes.get(node)?.isRunning !== true);
    for (const node of down) this.launch(node);
    await Promise.all(down.map((node) => this.#answering(node, patience)));
    await this.leader(patience);
  }

  /** Stops a node's process where it stands (SIGSTOP). */
  pause(node: number): void {
    this.#running(node).signal("SIGSTOP");
    this.#paused.add(node);
  }

  /** Lets a paused node go on (SIGCONT). */
  resume(node: number): void {
    this.#running(node).signal("SIGCONT");
    this.#paused.delete(node);
  }

  /** The process id of a node. */
  pid(node: number): number {
    return this.#running(node).pid;
  }

  /** Where a node keeps its data. */
  dataDir(node: number): string {
    return this.#workplace.at(`n${node}`);
  }

  /** A path for a file of the test's own that goes when the cluster goes. */
  scratch(name: string): string {
    return this.#workplace.at(name);
  }

  /** All that a node wrote to its log, over all its lives. */
  logs(node: number): string {
    return this.#nodes.get(node)?.log() ?? "";
  }

  /** The last lines of every process, for a failure's report. */
  allLogs(): string {
    return [...this.#nodes.values(), ...this.#gateways.values()]
      .map(
        (child) =>
          `--- ${child.name} (${stateOf(child)})\n${child.log().split("\n").slice(-LOG_TAIL_LINES).join("\n")}`,
      )
      .join("\n");
  }

  /** Starts everything; for `startTestCluster`. */
  async start(): Promise<void> {
    for (const node of this.numbers) this.#spawnNode(node, true);
    for (let gateway = 1; gateway <= this.topology.gateways; gateway += 1) this.#spawnGateway(gateway);
    await Promise.all(this.numbers.map((node) => this.#answering(node, {})));
    await this.leader();
    for (let gateway = 1; gateway <= this.topology.gateways; gateway += 1) {
      await eventually(`gateway ${gateway} answers`, () =>
        this.gateway(gateway).kv.call("count", {}, { deadlineMs: STATUS_ATTEMPT_MS_MAX }),
      );
    }
  }

  /** Kills all processes, closes all clients, and leaves neither files nor ports. Safe twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const children = [...this.#nodes.values(), ...this.#gateways.values()];
    await Promise.all(this.#clients.map((client) => client.close()));
    for (const endpoint of this.#endpoints.values()) endpoint.close();
    for (const child of children) child.signal("SIGKILL");
    await Promise.all(children.map((child) => child.ended));
    await this.#workplace.remove();
    await this.#ports.release();
  }

  #spawnNode(node: number, bootstrap: boolean): void {
    const via = this.#joiners.get(node);
    // Whom it asked when it joined may have left since.
    const seed = this.live.find((other) => other !== node) ?? via ?? node;
    const argv =
      via === undefined
        ? this.topology.nodeArgv(node, this.dataDir(node), bootstrap)
        : this.topology.joinerArgv(node, this.dataDir(node), seed, []);
    this.#nodes.set(
      node,
      new Child(this.#workplace, `n${node}`, argv, this.topology.surroundings(node, this.dataDir(node))),
    );
  }

  #spawnGateway(gateway: number): void {
    const argv = this.topology.gatewayArgv(gateway);
    this.#gateways.set(gateway, new Child(this.#workplace, `gateway${gateway}`, argv));
  }

  async #answering(node: number, patience: Patience): Promise<void> {
    await eventually(
      `n${node} answers`,
      () => {
        const { exit } = this.#child(node);
        if (exit !== null)
          throw new NeverWill(`n${node} ended (${stateOf(this.#child(node))})\n${this.logs(node)}`);
        return this.status(node, STATUS_ATTEMPT_MS_MAX);
      },
      { deadlineMs: this.topology.startMsMax, ...patience },
    );
  }

  async #agreedLeader(): Promise<number | undefined> {
    const views = await Promise.all(this.live.map((node) => this.status(node, STATUS_ATTEMPT_MS_MAX)));
    const leader = views.find(({ role }) => role === Role.LEADER);
    if (leader === undefined || views.length <= leader.voters.length / 2) return undefined;
    const followed = views.every(
      ({ term, leaderId }) => term === leader.term && leaderId === leader.memberId,
    );
    return followed ? Number(leader.memberId.slice(1)) : undefined;
  }

  #child(node: number): Child {
    const child = this.#nodes.get(node);
    if (child === undefined) throw new Error(`there is no node ${node}`);
    return child;
  }

  #gateway(gateway: number): Child {
    const child = this.#gateways.get(gateway);
    if (child === undefined) throw new Error(`there is no gateway ${gateway}`);
    return child;
  }

  #running(node: number): Child {
    const child = this.#child(node);
    if (!child.isRunning) throw new Error(`n${node} does not run`);
    return child;
  }
}

/** What all nodes hold. */
export interface Agreement {
  readonly revision: number;
  /** The Merkle root over all keys, in hexadecimal. */
  readonly root: string;
  readonly count: number;
}

function stateOf(child: Child): string {
  if (child.exit === null) return `runs as ${child.pid}`;
  return child.exit.signal === null ? `ended with code ${child.exit.code}` : `ended by ${child.exit.signal}`;
}
