import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { verifyBackupFile } from "./backup-file";
import {
  type ClusterDescription,
  LAUNCHER_NAME,
  type MemberDescription,
  readDescription,
  readProcess,
  removeProcess,
  writeDescription,
  writeProcess,
} from "./cluster-file";
import {
  type DescriptionOptions,
  describe,
  freshClusterId,
  memberPortUses,
  nextMember,
  portUses,
} from "./description";
import { LauncherFault } from "./fault";
import { assertPortsFree } from "./ports";
import {
  hasEnded,
  identify,
  isRunning,
  type Owner,
  type Program,
  type RunningProcess,
  signal,
  start,
} from "./process";
import { lastSentence } from "./process-log";
import { gatewayProgram, memberDataDir, nodeProgram, processLogPath } from "./programs";
import { SERVICES, serves } from "./readiness";

/** How long a graceful stop may take before it is cut short. */
const STOP_MS_MAX = 15_000;

/** How long a killed process may take to be gone. */
const KILL_MS_MAX = 5000;

export const READY_MS_MAX = 30_000;

/** The name of the gateway among the processes of a cluster. */
export const GATEWAY = "gateway";

/** How a local cluster is started. */
export interface LocalClusterOptions extends DescriptionOptions {
  /** Where everything of the cluster is kept. */
  readonly dataDir: string;
  /** Whether the processes outlive the one that starts them. */
  readonly detached?: boolean;
  /** How long the cluster may take until it serves; 30,000 ms by default. */
  readonly readyMsMax?: number;
  /** Gives up starting when aborted. */
  readonly signal?: AbortSignal;
  /** More arguments for each node. */
  readonly nodeArguments?: readonly string[];
}

/** A process of a cluster. */
export interface ProcessStatus {
  /** "gateway" or the member's id. */
  readonly name: string;
  /** Where it serves clients. */
  readonly address: string;
  /** null while it does not run. */
  readonly pid: number | null;
  readonly logPath: string;
}

/** Nodes and a gateway as processes on this machine, kept track of in their data directory. */
export class LocalCluster {
  readonly dataDir: string;
  #description: ClusterDescription;
  readonly #options: Omit<LocalClusterOptions, "dataDir">;

  private constructor(
    dataDir: string,
    description: ClusterDescription,
    options: Omit<LocalClusterOptions, "dataDir">,
  ) {
    this.dataDir = dataDir;
    this.#description = description;
    this.#options = options;
  }

  /** The cluster of a data directory, running or not; null when there is none. */
  static open(dataDir: string, options: Omit<LocalClusterOptions, "dataDir"> = {}): LocalCluster | null {
    const path = resolve(dataDir);
    const description = readDescription(path);
    return description === null ? null : new LocalCluster(path, description, options);
  }

  /** The cluster of a data directory, described anew if there is none; nothing is started. */
  static describe(options: LocalClusterOptions): LocalCluster {
    const { dataDir, ...rest } = options;
    const path = resolve(dataDir);
    return new LocalCluster(path, describe(path, rest), rest);
  }

  get clusterId(): string {
    return this.#description.clusterId;
  }

  get members(): readonly MemberDescription[] {
    return this.#description.members;
  }

  /** The gateway's host:port; null without one. */
  get gatewayAddress(): string | null {
    return this.#description.gateway ? `127.0.0.1:${this.#description.basePort}` : null;
  }

  /** Where clients should go: the gateway if there is one, otherwise all nodes; "host:port[,host:port]". */
  get endpoints(): string {
    return this.gatewayAddress ?? this.members.map(({ clientAddress }) => clientAddress).join(",");
  }

  /** The client address of one member. */
  addressOf(memberId: string): string {
    return this.#member(memberId).clientAddress;
  }

  /** Where a member keeps its data. */
  dataDirOf(memberId: string): string {
    return memberDataDir(this.dataDir, this.#member(memberId).id);
  }

  /** The processes: the gateway first, then the members. */
  processes(): readonly ProcessStatus[] {
    return this.#names().map((name) => ({
      name,
      address: name === GATEWAY ? (this.gatewayAddress as string) : this.addressOf(name),
      pid: this.#pidOf(name),
      logPath: this.#logPath(name),
    }));
  }

  /**
   * Starts what does not run, and waits until all of it serves.
   *
   * @throws LauncherFault that says what is in the way; what was started is stopped again then
   */
  async start(): Promise<void> {
    this.#checkNothingRuns();
    await assertPortsFree(portUses(this.#description));
    await this.#checkBackup();
    writeDescription(this.dataDir, this.#description);
    try {
      for (const { id } of this.members) this.#spawn(id);
      await this.#untilReady(this.members.map(({ id }) => id));
      const { restore: _, ...description } = this.#description;
      this.#describe({ ...description, bootstrapped: true });
      if (this.#description.gateway) {
        this.#spawn(GATEWAY);
        await this.#untilReady([GATEWAY]);
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /**
   * Starts one process that does not run, and by default waits until it serves: with a majority of the members running,
   * until it knows a leader, else only until it takes calls.
   *
   * @returns whether a majority of the members runs
   */
  async startProcess(name: string, options: { readonly untilReady?: boolean } = {}): Promise<boolean> {
    this.#check(name);
    const pid = this.#pidOf(name);
    if (pid !== null) throw new LauncherFault(`${name} is running already: it is process ${pid}`);
    this.#spawn(name);
    const running = this.members.filter(({ id }) => this.#pidOf(id) !== null).length;
    const hasMajority = 2 * running > this.members.length;
    if (options.untilReady ?? true) await this.#untilReady([name], hasMajority ? "kv" : "process");
    return hasMajority;
  }

  /**
   * Starts one more node, which joins the cluster: a learner that becomes a voter as soon as it has caught up. Resolves
   * when it serves.
   *
   * @param as learner: it becomes a voter only when it is promoted
   * @throws LauncherFault; the cluster may have taken the member in already: it is kept, and starting it again goes on
   */
  async addNode(as: "voter" | "learner" = "voter"): Promise<MemberDescription> {
    if (!this.#description.bootstrapped) {
      throw new LauncherFault(`the cluster in ${this.dataDir} has not begun yet: start it first`);
    }
    const member = nextMember(this.#description, (id) => existsSync(memberDataDir(this.dataDir, id)));
    await assertPortsFree(memberPortUses([member]));
    this.#describe({ ...this.#description, members: [...this.#description.members, member] });
    this.#spawn(member.id, ["--join-as", as]);
    await this.#untilReady([member.id]);
    return member;
  }

  /**
   * Stops a node that the cluster has removed, and forgets it. Its data directory stays, and its id is not given to
   * another node as long as it does.
   */
  async forgetNode(memberId: string): Promise<void> {
    this.#member(memberId);
    await this.stopProcess(memberId);
    const members = this.#description.members.filter(({ id }) => id !== memberId);
    this.#describe({ ...this.#description, members });
  }

  /**
   * Goes on with one node that is left of a cluster whose other members are lost for ever: a new cluster, of that node
   * alone, with what it holds. Resolves when it serves.
   *
   * @throws LauncherFault while any process of the cluster runs
   */
  async forceNewCluster(memberId: string): Promise<void> {
    const member = this.#member(memberId);
    this.#checkNothingRuns();
    await assertPortsFree(memberPortUses([member]));
    const { joined: _, ...alone } = member;
    this.#describe({ ...this.#description, clusterId: freshClusterId(), members: [alone] });
    this.#spawn(memberId, ["--force-new-cluster", memberId]);
    await this.#untilReady([memberId]);
  }

  /** Stops one process gracefully; one that does not run is no error. */
  async stopProcess(name: string): Promise<void> {
    await this.#end(name, "SIGTERM", STOP_MS_MAX);
  }

  /** Ends one process as a crash would (SIGKILL); one that does not run is no error. */
  async killProcess(name: string): Promise<void> {
    await this.#end(name, "SIGKILL", KILL_MS_MAX);
  }

  /** Halts one process where it stands (SIGSTOP): it keeps its connections and answers nothing. */
  pauseProcess(name: string): void {
    this.#signal(name, "SIGSTOP");
  }

  /** Lets a halted process go on. */
  resumeProcess(name: string): void {
    this.#signal(name, "SIGCONT");
  }

  /** Stops the gateway, then the nodes, gracefully. Safe twice. */
  async stop(): Promise<void> {
    if (this.#description.gateway) await this.stopProcess(GATEWAY);
    await Promise.all(this.members.map(({ id }) => this.stopProcess(id)));
  }

  /** Keeps this process as the owner of the cluster: members that other commands start end with it. */
  claim(): void {
    writeProcess(this.dataDir, LAUNCHER_NAME, identify(process.pid));
  }

  /** Takes back the claim. */
  disclaim(): void {
    removeProcess(this.dataDir, LAUNCHER_NAME);
  }

  /** The process that runs this cluster in the foreground; null when none does. */
  launcherPid(): number | null {
    return this.#running(LAUNCHER_NAME)?.pid ?? null;
  }

  /** Asks the launcher in the foreground to stop the cluster. @returns whether it did in time; true without one */
  async stopLauncher(): Promise<boolean> {
    const launcher = this.#running(LAUNCHER_NAME);
    if (launcher === null) return true;
    signal(launcher.pid, "SIGTERM");
    return hasEnded(launcher, 2 * STOP_MS_MAX);
  }

  #describe(description: ClusterDescription): void {
    writeDescription(this.dataDir, description);
    this.#description = description;
  }

  /** Before anything is written: of a damaged backup nothing is to be left. */
  async #checkBackup(): Promise<void> {
    const { restore } = this.#description;
    if (restore === undefined) return;
    const { isSound, line } = await verifyBackupFile(restore);
    if (!isSound) throw new LauncherFault(line);
  }

  #checkNothingRuns(): void {
    const running = this.processes().filter(({ pid }) => pid !== null);
    if (running.length === 0) return;
    const names = running.map(({ name, pid }) => `${name} is process ${pid}`).join(", ");
    throw new LauncherFault(`the cluster in ${this.dataDir} is running already: ${names}`);
  }

  #names(): readonly string[] {
    return [...(this.#description.gateway ? [GATEWAY] : []), ...this.members.map(({ id }) => id)];
  }

  #check(name: string): void {
    if (this.#names().includes(name)) return;
    throw new LauncherFault(`there is no ${name} in this cluster: it has ${this.#names().join(", ")}`);
  }

  #member(memberId: string): MemberDescription {
    const member = this.members.find(({ id }) => id === memberId);
    if (member !== undefined) return member;
    const ids = this.members.map(({ id }) => id).join(", ");
    throw new LauncherFault(`there is no member ${memberId} in this cluster: it has ${ids}`);
  }

  #spawn(name: string, more: readonly string[] = []): void {
    const program = this.#program(name);
    const child = start({ ...program, arguments: [...program.arguments, ...more] }, this.#owner());
    if (child.pid === undefined) throw new LauncherFault(`${name} could not be started`);
    writeProcess(this.dataDir, name, identify(child.pid));
  }

  #owner(): Owner {
    if (this.#options.detached !== true) return { kind: "starter" };
    const pid = this.launcherPid();
    return pid === null ? { kind: "nobody" } : { kind: "process", pid };
  }

  #program(name: string): Program {
    if (name === GATEWAY) {
      const names = { gateway: GATEWAY, address: this.gatewayAddress as string };
      return gatewayProgram(this.dataDir, this.#description, names);
    }
    const more = this.#options.nodeArguments ?? [];
    return nodeProgram(this.dataDir, this.#description, this.#member(name), more);
  }

  #logPath(name: string): string {
    return processLogPath(this.dataDir, name);
  }

  #running(name: string): RunningProcess | null {
    const kept = readProcess(this.dataDir, name);
    return kept !== null && isRunning(kept) ? kept : null;
  }

  #pidOf(name: string): number | null {
    return this.#running(name)?.pid ?? null;
  }

  #signal(name: string, kind: NodeJS.Signals): void {
    this.#check(name);
    const pid = this.#pidOf(name);
    if (pid === null) throw new LauncherFault(`${name} is not running`);
    signal(pid, kind);
  }

  async #end(name: string, kind: "SIGTERM" | "SIGKILL", withinMs: number): Promise<void> {
    this.#check(name);
    const running = this.#running(name);
    if (running !== null) {
      signal(running.pid, kind);
      // A halted process takes a SIGTERM only when it goes on.
      if (kind === "SIGTERM") signal(running.pid, "SIGCONT");
      if (!(await hasEnded(running, withinMs))) {
        signal(running.pid, "SIGKILL");
        await hasEnded(running, KILL_MS_MAX);
      }
    }
    removeProcess(this.dataDir, name);
  }

  async #untilReady(names: readonly string[], service: keyof typeof SERVICES = "kv"): Promise<void> {
    const withinMs = this.#options.readyMsMax ?? READY_MS_MAX;
    await Promise.all(
      names.map(async (name) => {
        const address = name === GATEWAY ? (this.gatewayAddress as string) : this.addressOf(name);
        if (await serves(address, SERVICES[service], withinMs, () => this.#throwIfPointless(name))) return;
        const missing = service === "kv" ? "knows no leader" : "takes no calls";
        throw new LauncherFault(`${name} ${missing} after ${withinMs} ms: see ${this.#logPath(name)}`);
      }),
    );
  }

  #throwIfPointless(name: string): void {
    if (this.#options.signal?.aborted === true) throw new LauncherFault("interrupted while starting");
    if (this.#pidOf(name) !== null) return;
    const logPath = this.#logPath(name);
    const said = lastSentence(logPath);
    throw new LauncherFault(
      `${name} ended while it started: ${said === "" ? "it" : `"${said}"; it`} logs to ${logPath}`,
    );
  }
}

/** Starts nodes and a gateway on this machine, and resolves when they serve. */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  const cluster = LocalCluster.describe(options);
  await cluster.start();
  return cluster;
}
