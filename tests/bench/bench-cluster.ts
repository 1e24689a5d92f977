import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type NodeStatus, type Quorate } from "@quorate/client";
import { GATEWAY, LocalCluster, type Profile, reservePorts } from "@quorate/services/launcher";
import type { Via } from "./options";

const SETTLE_MS_MAX = 60_000;

/** So long that a stall shows as a latency, not as a failure. */
const DEADLINE_MS = 30_000;

/** Three nodes and a gateway on this machine, in a directory and on ports of their own. */
export class BenchCluster {
  readonly directory: string;
  readonly #cluster: LocalCluster;
  readonly #release: () => Promise<void>;
  readonly #admin: Quorate;

  private constructor(cluster: LocalCluster, directory: string, release: () => Promise<void>) {
    this.#cluster = cluster;
    this.directory = directory;
    this.#release = release;
    this.#admin = connect(this.addresses.join(","));
  }

  /** @param nodeArguments more of them for each node */
  static async start(profile: Profile, nodeArguments: readonly string[] = []): Promise<BenchCluster> {
    const { basePort, release } = await reservePorts(3);
    const directory = mkdtempSync(join(tmpdir(), "quorate-bench-"));
    const cluster = LocalCluster.describe({ dataDir: directory, nodes: 3, basePort, profile, nodeArguments });
    const bench = new BenchCluster(cluster, directory, release);
    try {
      await cluster.start();
      return bench;
    } catch (failure) {
      await bench.stop();
      throw failure;
    }
  }

  get members(): LocalCluster["members"] {
    return this.#cluster.members;
  }

  get memberIds(): readonly string[] {
    return this.#cluster.members.map(({ id }) => id);
  }

  /** Where the nodes serve clients. */
  get addresses(): readonly string[] {
    return this.#cluster.members.map(({ clientAddress }) => clientAddress);
  }

  /** The running processes by name: members and the gateway. */
  pids(): ReadonlyMap<string, number> {
    const running = this.#cluster
      .processes()
      .flatMap(({ name, pid }) => (pid === null ? [] : [[name, pid] as const]));
    return new Map(running);
  }

  /** A client that talks to the leader, a follower or the gateway first. */
  async client(via: Via): Promise<Quorate> {
    return connect({ endpoints: await this.#endpoints(via), deadlineMs: DEADLINE_MS });
  }

  /** Where the leader, a follower or the gateway serves clients. */
  async addressFor(via: Via): Promise<string> {
    return (await this.#endpoints(via))[0] as string;
  }

  async statuses(): Promise<readonly NodeStatus[]> {
    return Promise.all(this.addresses.map((address) => this.#admin.cluster.status({ address })));
  }

  async leader(): Promise<NodeStatus> {
    return this.#until("a leader", async () => (await this.statuses()).find(({ role }) => role === "leader"));
  }

  /** Waits until all nodes have applied everything. */
  async level(): Promise<void> {
    await this.#until("all nodes level", async () => {
      const indexes = (await this.statuses()).map(({ appliedIndex }) => appliedIndex);
      return new Set(indexes).size === 1 || undefined;
    });
  }

  /**
   * Kills all nodes, starts them again and resolves with the time from the start to the first successful linearizable
   * read of `key`, in milliseconds.
   */
  async timeRestart(key: string): Promise<number> {
    await Promise.all(this.memberIds.map((id) => this.#cluster.killProcess(id)));
    const startedAtMs = performance.now();
    await Promise.all(this.memberIds.map((id) => this.#cluster.startProcess(id, { untilReady: false })));
    const client = connect({ endpoints: this.addresses, deadlineMs: SETTLE_MS_MAX });
    try {
      const record = await client.kv.get(key);
      const tookMs = performance.now() - startedAtMs;
      if (record === undefined) throw new Error(`"${key}" is gone after the restart`);
      return tookMs;
    } finally {
      await client.close();
    }
  }

  async stop(): Promise<void> {
    await this.#admin.close();
    await Promise.all([GATEWAY, ...this.memberIds].map((name) => this.#cluster.killProcess(name)));
    rmSync(this.directory, { recursive: true, force: true });
    await this.#release();
  }

  async #endpoints(via: Via): Promise<readonly string[]> {
    if (via === "gateway") return [this.#cluster.gatewayAddress as string];
    const { memberId } = await this.leader();
    const leader = this.#cluster.addressOf(memberId);
    const followers = this.addresses.filter((address) => address !== leader);
    return via === "leader" ? [leader, ...followers] : [...followers, leader];
  }

  async #until<T>(what: string, condition: () => Promise<T | undefined>): Promise<T> {
    const deadlineMs = performance.now() + SETTLE_MS_MAX;
    for (;;) {
      // A node that is starting refuses: it is asked again.
      const seen = await condition().catch(() => undefined);
      if (seen !== undefined) return seen;
      if (performance.now() > deadlineMs) throw new Error(`waited ${SETTLE_MS_MAX} ms in vain: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
