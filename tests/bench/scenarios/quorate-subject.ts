import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type NodeStatus, type Quorate } from "@quorate/client";
import { LocalCluster, type Profile, reservePorts } from "@quorate/services/launcher";
import { servesHealth } from "./probe";
import type { Subject, SubjectClient } from "./subject";
import { until } from "./wait";

const HEALTH_OF = { up: "", led: "quorate.kv.v1.KvService" } as const;

/** Nodes of this checkout. */
export class QuorateSubject implements Subject {
  readonly store = "quorate";
  readonly profile: Profile;
  readonly directory: string;
  readonly #cluster: LocalCluster;
  readonly #release: () => Promise<void>;
  readonly #admin: Quorate;

  private constructor(cluster: LocalCluster, profile: Profile, release: () => Promise<void>) {
    this.#cluster = cluster;
    this.profile = profile;
    this.directory = cluster.dataDir;
    this.#release = release;
    this.#admin = connect(this.#addresses.join(","));
  }

  static async make(nodes: number, profile: Profile): Promise<QuorateSubject> {
    const { basePort, release } = await reservePorts(nodes);
    const dataDir = mkdtempSync(join(tmpdir(), "quorate-bench-"));
    const cluster = LocalCluster.describe({ dataDir, nodes, basePort, profile, gateway: false });
    return new QuorateSubject(cluster, profile, release);
  }

  get nodes(): readonly string[] {
    return this.#cluster.members.map(({ id }) => id);
  }

  async spawn(node: string): Promise<void> {
    await this.#cluster.startProcess(node, { untilReady: false });
  }

  async answers(node: string, how: "up" | "led", signal?: AbortSignal): Promise<void> {
    await servesHealth(this.#cluster.addressOf(node), HEALTH_OF[how], signal);
  }

  async kill(node: string): Promise<void> {
    await this.#cluster.killProcess(node);
  }

  leader(): Promise<string> {
    return until("a leader", async () => {
      const statuses = await this.#statuses();
      const leader = statuses.find(({ role }) => role === "leader");
      return statuses.every(({ leaderId }) => leaderId === leader?.memberId) ? leader?.memberId : undefined;
    });
  }

  async level(): Promise<void> {
    await until("all nodes level", async () => {
      const indexes = (await this.#statuses()).map(({ appliedIndex }) => appliedIndex);
      return new Set(indexes).size === 1 || undefined;
    });
  }

  pid(node: string): number {
    const pid = this.#cluster.processes().find(({ name }) => name === node)?.pid;
    if (typeof pid !== "number") throw new Error(`${node} does not run`);
    return pid;
  }

  dataDir(node: string): string {
    return this.#cluster.dataDirOf(node);
  }

  async connect(node?: string): Promise<SubjectClient> {
    const address = this.#cluster.addressOf(node ?? (await this.leader()));
    return new QuorateClient([address, ...this.#addresses.filter((other) => other !== address)]);
  }

  connectToAll(): Promise<SubjectClient> {
    return this.connect();
  }

  async stop(): Promise<void> {
    await this.#admin.close();
    await Promise.all(this.nodes.map((node) => this.kill(node)));
    rmSync(this.directory, { recursive: true, force: true });
    await this.#release();
  }

  get #addresses(): readonly string[] {
    return this.#cluster.members.map(({ clientAddress }) => clientAddress);
  }

  #statuses(): Promise<readonly NodeStatus[]> {
    return Promise.all(this.#addresses.map((address) => this.#admin.cluster.status({ address })));
  }
}

class QuorateClient implements SubjectClient {
  readonly #client: Quorate;

  constructor(endpoints: readonly string[]) {
    this.#client = connect({ endpoints });
  }

  put(key: string, value: Uint8Array): Promise<unknown> {
    return this.#client.kv.put(key, value);
  }

  get(key: string): Promise<unknown> {
    return this.#client.kv.get(key);
  }

  async watch(prefix: string, onPut: (value: Uint8Array) => void): Promise<void> {
    const watch = this.#client.kv.watch({ prefix });
    const read = async () => {
      for await (const event of watch) if (event.kind === "put") onPut(event.record.bytes);
    };
    void read();
    await watch.opened();
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}
