import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodePorts, type Profile, reservePorts } from "@quorate/services/launcher";
import { Etcd3, type Watcher } from "etcd3";
import { PROGRAM } from "../etcd-program";
import { servesHealth } from "./probe";
import type { Subject, SubjectClient } from "./subject";
import { until } from "./wait";

/** Heartbeat interval and election timeout: those of this project's timings, which for "default" are etcd's own. */
const TIMING_MS = {
  default: [100, 1000],
  fast: [50, 250],
  wan: [500, 5000],
} as const satisfies Record<Profile, readonly [number, number]>;

/** The npm client waits for a dead member without end; what takes longer than this has failed. */
const CALL_MS_MAX = 10_000;

interface Member {
  readonly id: string;
  readonly address: string;
  readonly arguments: readonly string[];
  readonly admin: Etcd3;
}

/** Members of etcd, through the npm client etcd3. */
export class EtcdSubject implements Subject {
  readonly store = "etcd";
  readonly profile: Profile;
  readonly directory: string;
  readonly #members: readonly Member[];
  readonly #running = new Map<string, ChildProcess>();
  readonly #release: () => Promise<void>;
  readonly #onExit = () => this.#killAll();

  private constructor(
    directory: string,
    profile: Profile,
    basePort: number,
    nodes: number,
    release: () => Promise<void>,
  ) {
    this.directory = directory;
    this.profile = profile;
    this.#release = release;
    this.#members = membersOf(directory, profile, basePort, nodes);
    // Whatever ends this process, what it started does not stay behind.
    process.once("exit", this.#onExit);
  }

  static async make(nodes: number, profile: Profile): Promise<EtcdSubject> {
    const { basePort, release } = await reservePorts(nodes);
    const directory = mkdtempSync(join(tmpdir(), "quorate-bench-etcd-"));
    return new EtcdSubject(directory, profile, basePort, nodes, release);
  }

  get nodes(): readonly string[] {
    return this.#members.map(({ id }) => id);
  }

  async spawn(node: string): Promise<void> {
    const log = openSync(join(this.directory, `${node}.log`), "a");
    try {
      const child = spawn(PROGRAM, this.#member(node).arguments, { stdio: ["ignore", log, log] });
      this.#running.set(node, child);
      child.once("exit", () => this.#running.delete(node));
    } finally {
      closeSync(log);
    }
  }

  /** It serves nobody before it has a leader. */
  async answers(node: string, _how: "up" | "led", signal?: AbortSignal): Promise<void> {
    await servesHealth(this.#member(node).address, "", signal);
  }

  async kill(node: string): Promise<void> {
    const child = this.#running.get(node);
    if (child === undefined) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGKILL");
    await ended;
  }

  leader(): Promise<string> {
    return until("a leader of etcd", async () => {
      const statuses = await this.#statuses();
      const leaders = new Set(statuses.map(({ leader }) => leader));
      const at = statuses.findIndex(({ header, leader }) => header.member_id === leader);
      return leaders.size === 1 ? this.#members[at]?.id : undefined;
    });
  }

  async level(): Promise<void> {
    await until("all members of etcd level", async () => {
      const indexes = (await this.#statuses()).map(({ raftAppliedIndex }) => raftAppliedIndex);
      return new Set(indexes).size === 1 || undefined;
    });
  }

  pid(node: string): number {
    const pid = this.#running.get(node)?.pid;
    if (pid === undefined) throw new Error(`${node} does not run`);
    return pid;
  }

  dataDir(node: string): string {
    return join(this.directory, this.#member(node).id);
  }

  /** It spreads its calls over the hosts that it knows, and the leader answers soonest. */
  async connect(only?: string): Promise<SubjectClient> {
    return new EtcdClient([this.#member(only ?? (await this.leader())).address]);
  }

  async connectToAll(): Promise<SubjectClient> {
    return new EtcdClient(this.#members.map(({ address }) => address));
  }

  async stop(): Promise<void> {
    process.off("exit", this.#onExit);
    for (const { admin } of this.#members) admin.close();
    await Promise.all(this.nodes.map((node) => this.kill(node)));
    rmSync(this.directory, { recursive: true, force: true });
    await this.#release();
  }

  #member(node: string): Member {
    const member = this.#members.find(({ id }) => id === node);
    if (member === undefined) throw new Error(`there is no member ${node}`);
    return member;
  }

  #statuses() {
    return Promise.all(this.#members.map(({ admin }) => inTime(admin.maintenance.status())));
  }

  #killAll(): void {
    for (const child of this.#running.values()) child.kill("SIGKILL");
  }
}

function membersOf(directory: string, profile: Profile, basePort: number, nodes: number): readonly Member[] {
  const [heartbeatMs, electionMs] = TIMING_MS[profile];
  const places = Array.from({ length: nodes }, (_, at) => {
    const { client, peer } = nodePorts(basePort, at + 1);
    return { id: `e${at + 1}`, address: `127.0.0.1:${client}`, peerUrl: `http://127.0.0.1:${peer}` };
  });
  const cluster = places.map(({ id, peerUrl }) => `${id}=${peerUrl}`).join(",");
  return places.map(({ id, address, peerUrl }) => ({
    id,
    address,
    arguments: [
      ...["--name", id, "--data-dir", join(directory, id)],
      ...["--listen-client-urls", `http://${address}`, "--advertise-client-urls", `http://${address}`],
      ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
      ...["--initial-cluster", cluster, "--initial-cluster-state", "new"],
      ...["--heartbeat-interval", String(heartbeatMs), "--election-timeout", String(electionMs)],
      ...["--logger", "zap", "--log-level", "error"],
    ],
    admin: new Etcd3({ hosts: address }),
  }));
}

class EtcdClient implements SubjectClient {
  readonly #client: Etcd3;
  readonly #watchers: Watcher[] = [];

  constructor(hosts: readonly string[]) {
    this.#client = new Etcd3({ hosts: [...hosts] });
  }

  put(key: string, value: Uint8Array): Promise<unknown> {
    // A builder sends nothing before somebody waits for it.
    return inTime(this.#client.put(key).value(Buffer.from(value)).exec());
  }

  get(key: string): Promise<unknown> {
    return inTime(this.#client.get(key).buffer());
  }

  async watch(prefix: string, onPut: (value: Uint8Array) => void): Promise<void> {
    const watcher = await this.#client.watch().prefix(prefix).create();
    watcher.on("put", ({ value }) => onPut(value));
    this.#watchers.push(watcher);
  }

  async close(): Promise<void> {
    // A watch that is left open connects again for ever, and so the process would never end.
    await Promise.all(this.#watchers.map((watcher) => watcher.cancel()));
    this.#client.close();
  }
}

/** @throws Error when it takes too long */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${CALL_MS_MAX} ms`)), CALL_MS_MAX);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
