import { type Kv, Quorate } from "@quorate/client";
import type { Direction, ImageFilter, NetworkFilter } from "@quorate/services/faults";
import { type Random, seededRandom } from "@quorate/services/std";
import { ClientTimers } from "./client-timers";
import type { ClusterRoom } from "./cluster-room";
import { verifyConsistency } from "./consistency";
import type { Host } from "./host";
import { NodeLife } from "./node-life";
import { TestClusterError } from "./test-cluster-error";
import { type TestClientOptions, TestNode } from "./test-node";

/** How long the harness waits for the cluster to come to something: an election, agreement. */
const WAIT_MS = 10_000;

/** A node by its number from 1, its id or itself. */
export type NodeName = number | string | TestNode;

/** How long to wait. */
export interface WaitOptions {
  /** In milliseconds, of the cluster's clock; 10,000 by default. */
  readonly deadlineMs?: number;
}

/** A cluster inside a test. */
export class TestCluster {
  readonly #nodes: TestNode[];
  readonly #room: ClusterRoom;
  readonly #random: Random;
  readonly #lives: NodeLife[];
  readonly #clientTimers: ClientTimers;
  readonly #clients = new Set<Quorate>();
  readonly #filters = new Set<() => void>();
  #client: Quorate | null = null;
  #closing: Promise<void> | null = null;

  /** Clusters are made by `startCluster`. */
  constructor(
    room: ClusterRoom,
    /** What all chance in the cluster comes from: start another with it, and chance will be the same. */
    readonly seed: number,
  ) {
    this.#room = room;
    this.#random = seededRandom(seed).fork();
    this.#clientTimers = new ClientTimers(room.time);
    this.#lives = room.hosts.map((host) => new NodeLife(host));
    this.#nodes = room.hosts.map((host, at) => this.#nodeOf(at + 1, host));
  }

  /** In the order of their numbers, without those that were removed. */
  get nodes(): readonly TestNode[] {
    return this.#nodes.filter(({ isRemoved }) => !isRemoved);
  }

  /**
   * Starts one more node, which joins the cluster with the state of another; resolves when it takes part.
   *
   * @param as "voter" (the default): it is made one as soon as it has caught up; or "learner"
   */
  async addNode({
    as = "voter",
    deadlineMs = WAIT_MS,
  }: WaitOptions & { readonly as?: "voter" | "learner" } = {}): Promise<TestNode> {
    this.#checkOpen();
    const leader = await this.leader({ deadlineMs });
    const host = this.#room.addHost();
    this.#lives.push(new NodeLife(host));
    const node = this.#nodeOf(this.#room.hosts.length, host);
    this.#nodes.push(node);
    await this.advanceUntil(host.join(as), { deadlineMs });
    await this.#untilMember(leader, as === "voter" ? "voters" : "learners", node, deadlineMs);
    this.#client = null;
    return node;
  }

  /** Removes a node from the cluster, the leader too, and ends it. */
  async removeNode(name: NodeName, { deadlineMs = WAIT_MS }: WaitOptions = {}): Promise<void> {
    const node = this.node(name);
    await this.leader({ deadlineMs });
    await this.advanceUntil(this.#ownClient.cluster.removeMember(node.id), { deadlineMs });
    node.remove();
    // Another one, that knows the nodes as they are now.
    this.#client = null;
    await this.kill(node);
  }

  /** Keys and values of the cluster, through a client of its own. */
  get kv(): Kv {
    return this.#ownClient.kv;
  }

  /** A new client of the whole cluster: `@quorate/client` as it is. It is closed with the cluster. */
  client(options: TestClientOptions = {}): Quorate {
    return this.#connect(
      this.nodes.map(({ address }) => address),
      options,
    );
  }

  /**
   * Opens gRPC on ports of 127.0.0.1, so that other processes and bare gRPC clients reach the nodes too.
   *
   * @returns the endpoints, host:port each
   */
  async listen(): Promise<readonly string[]> {
    this.#checkOpen();
    await this.#room.listen();
    return this.endpoints;
  }

  /** host:port of each node. @throws TestClusterError in memory before `listen()`, since nothing has a port then */
  get endpoints(): readonly string[] {
    if (!this.#room.isListening) {
      throw new TestClusterError("the cluster has no ports yet: call await cluster.listen() first");
    }
    return this.nodes.map(({ address }) => address);
  }

  /** A node by its number from 1, or its id. @throws TestClusterError where there is no such node */
  node(name: NodeName): TestNode {
    if (name instanceof TestNode) return name;
    const found = this.nodes.find(({ number, id }) => number === name || id === name);
    if (found === undefined) {
      throw new TestClusterError(
        `there is no node ${name}: there are ${this.nodes.map(({ number }) => number).join(", ")}`,
      );
    }
    return found;
  }

  /** The node that leads and can reach a majority; waits until there is one. */
  async leader({ deadlineMs = WAIT_MS }: WaitOptions = {}): Promise<TestNode> {
    const needed = Math.floor(this.#voters / 2) + 1;
    return this.#room.time.until(
      () => {
        const running = this.#running();
        if (running.length < needed) {
          throw new TestClusterError(
            `${this.#whatRuns(running.length)}, and a leader needs ${needed}: restart or resume one first`,
          );
        }
        return this.#leaderNow(needed);
      },
      { deadlineMs, late: () => `no node came to lead within ${deadlineMs} ms: ${this.#describe()}` },
    );
  }

  /** Calls `run` with a node drawn among those that run. @throws TestClusterError when none does */
  async onRandomNode<T>(run: (node: TestNode) => T | Promise<T>): Promise<T> {
    const running = this.#running();
    const node = running[this.#random.below(Math.max(1, running.length))];
    if (node === undefined) throw this.#nothingRuns();
    return run(node);
  }

  /** Calls `run` with each node that runs, all at once; the results in the order of the nodes. */
  async onAllNodes<T>(run: (node: TestNode) => T | Promise<T>): Promise<T[]> {
    const running = this.#running();
    if (running.length === 0) throw this.#nothingRuns();
    return Promise.all(running.map(async (node) => run(node)));
  }

  /**
   * Waits until all nodes that run have applied the same entries, and compares what they hold: counts, then each key with
   * its value and versions, namespace by namespace.
   *
   * @throws ConsistencyError that names the node and the key; TestClusterError when they do not come to the same entries
   */
  async verifyConsistency({ deadlineMs = WAIT_MS }: WaitOptions = {}): Promise<void> {
    const hosts = this.#running().map(({ number }) => this.#room.hosts[number - 1] as Host);
    if (hosts.length === 0) throw this.#nothingRuns();
    await verifyConsistency(hosts, this.#room.time, deadlineMs);
  }

  /** Kills a node as a crash would; in memory what it had not synced is gone. */
  kill(name: NodeName): Promise<void> {
    return this.node(name).kill();
  }

  /** Starts a node again with what its disk holds. */
  restart(name: NodeName): Promise<void> {
    return this.node(name).restart();
  }

  /** Stops a node in the middle of whatever it does. */
  pause(name: NodeName): void {
    this.node(name).pause();
  }

  /** Lets a paused node go on. */
  resume(name: NodeName): void {
    this.node(name).resume();
  }

  /** Cuts the network between groups of nodes; a node in no group reaches all. Takes the place of an earlier partition. */
  partition(...groups: readonly (readonly NodeName[])[]): void {
    const members = groups.map((names) => names.map((name) => this.node(name).id));
    for (const network of this.#room.networks) network.partition(...members);
    this.#room.cutsChanged();
  }

  /** Cuts a node off from all others; clients still reach it. */
  isolate(name: NodeName): void {
    const { id } = this.node(name);
    for (const network of this.#room.networks) network.isolate(id);
    this.#room.cutsChanged();
  }

  /** Cuts one direction between two nodes. */
  cut(way: { readonly from: NodeName; readonly to: NodeName }): void {
    const direction: Direction = { from: this.node(way.from).id, to: this.node(way.to).id };
    for (const network of this.#room.networks) network.cut(direction);
    this.#room.cutsChanged();
  }

  /** Undoes partition, isolate and cut. */
  heal(): void {
    for (const network of this.#room.networks) network.heal();
  }

  /** Has messages between nodes pass through a filter. Returns how to take it away again. */
  addFilter(filter: NetworkFilter): () => void {
    const [network] = this.#room.networks;
    const remove = network.add(filter);
    this.#filters.add(remove);
    return () => {
      this.#filters.delete(remove);
      remove();
    };
  }

  /** Has images of the state on their way between nodes pass through a filter. Returns how to take it away again. */
  addImageFilter(filter: ImageFilter): () => void {
    const remove = this.#room.images.add(filter);
    this.#filters.add(remove);
    return () => {
      this.#filters.delete(remove);
      remove();
    };
  }

  /** Takes all filters away. Cuts stay until `heal()`. */
  clearFilters(): void {
    for (const remove of this.#filters) remove();
    this.#filters.clear();
  }

  /** Lets `ms` of virtual time go by, with all that is due meanwhile in its order. @throws TestClusterError on real time */
  advance(ms: number): Promise<void> {
    return this.#room.time.advance(ms);
  }

  /**
   * Lets time go by until `work` has settled, and gives its result: for calls that need an election, a timeout or a delayed
   * message while the clock is virtual. On real time it just waits.
   */
  async advanceUntil<T>(work: Promise<T>, { deadlineMs = WAIT_MS }: WaitOptions = {}): Promise<T> {
    let hasSettled = false;
    const settled = (): void => {
      hasSettled = true;
    };
    work.then(settled, settled);
    await this.#room.time.until(() => (hasSettled ? true : null), {
      deadlineMs,
      late: () => `what was waited for did not come about within ${deadlineMs} ms: ${this.#describe()}`,
    });
    return work;
  }

  /** Milliseconds of the cluster's clock. */
  get nowMs(): number {
    return this.#room.time.nowMs();
  }

  /** Ends the nodes and all clients, and removes what they leave. Safe twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Closes the cluster at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.all(this.#lives.map((life) => life.close()));
    const closeClients = () => Promise.allSettled([...this.#clients].map((client) => client.close()));
    // Sessions that are ended over gRPC need nodes that answer; in memory they go with the nodes.
    if (this.#room.connect === null) await closeClients();
    await this.#room.close();
    this.#clientTimers.end();
    await closeClients();
  }

  get #ownClient(): Quorate {
    this.#client ??= this.client();
    return this.#client;
  }

  #connect(
    endpoints: readonly string[],
    options: TestClientOptions & { readonly followMembers?: boolean },
  ): Quorate {
    this.#checkOpen();
    const { time, connect } = this.#room;
    const timing = {
      nowMs: () => time.nowMs(),
      schedule: (delayMs: number, task: () => void) => this.#clientTimers.schedule(delayMs, task),
      random: () => this.#random.float(),
    };
    const client = new Quorate({ ...options, endpoints }, connect === null ? {} : { connect, timing });
    this.#clients.add(client);
    return client;
  }

  #nodeOf(number: number, host: Host): TestNode {
    return new TestNode(number, host, {
      client: (endpoints, options) => this.#connect(endpoints, options),
      life: this.#lives[number - 1] as NodeLife,
    });
  }

  /** How many voters there are, as the node knows that has applied most changes of that. */
  get #voters(): number {
    const memberships = this.#running().flatMap(
      ({ number }) => this.#room.hosts[number - 1]?.replica?.membership ?? [],
    );
    const [latest] = memberships.sort((left, right) => right.epoch - left.epoch);
    return latest?.configuration.voters.length ?? this.nodes.length;
  }

  async #untilMember(
    leader: TestNode,
    part: "voters" | "learners",
    node: TestNode,
    deadlineMs: number,
  ): Promise<void> {
    const all = [leader, node].map(({ number }) => this.#room.hosts[number - 1]);
    await this.#room.time.until(
      () =>
        all.every((host) => host?.replica?.membership.configuration[part].includes(node.id)) ? true : null,
      { deadlineMs, late: () => `${node.id} is not among the ${part} within ${deadlineMs} ms` },
    );
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw new TestClusterError("the cluster is closed");
  }

  #running(): readonly TestNode[] {
    return this.nodes.filter(({ isUp, isPaused }) => isUp && !isPaused);
  }

  /** Of those that lead and reach a majority both ways the one of the latest term. */
  #leaderNow(needed: number): TestNode | null {
    const running = this.#running();
    const leaders = running.filter(
      (node) => node.isLeader && running.filter((other) => this.#isJoined(node, other)).length >= needed,
    );
    return leaders.reduce<TestNode | null>(
      (best, node) => (best === null || this.#term(node) > this.#term(best) ? node : best),
      null,
    );
  }

  #isJoined({ id: from }: TestNode, { id: to }: TestNode): boolean {
    const { cuts } = this.#room;
    return from === to || !(cuts.isCut({ from, to }) || cuts.isCut({ from: to, to: from }));
  }

  #term({ number }: TestNode): number {
    return this.#room.hosts[number - 1]?.replica?.leader.term ?? 0;
  }

  #nothingRuns(): TestClusterError {
    return new TestClusterError(`${this.#whatRuns(0)}: restart or resume one first`);
  }

  #whatRuns(running: number): string {
    const count = this.nodes.length;
    if (running > 0) return `only ${running} of ${count} nodes run`;
    return this.nodes.some(({ isUp }) => isUp) ? "no node runs: some are paused" : "all nodes are down";
  }

  #describe(): string {
    return this.nodes
      .map((node) => {
        if (!node.isUp) return `${node.id} is down`;
        if (node.isPaused) return `${node.id} is paused`;
        return `${node.id} is ${node.isLeader ? "leader" : "not leader"} in term ${this.#term(node)}`;
      })
      .join(", ");
  }
}
