import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodePorts, reservePorts } from "@quorate/services/launcher";
import { Etcd3 } from "etcd3";
import type { MemberCounters, Probe } from "./contender";
import type { Driver } from "./driver";
import { etcdDriver } from "./drivers/etcd";
import { PROGRAM } from "./etcd-program";
import { usageOf } from "./process-usage";

const SETTLE_MS_MAX = 60_000;

/** Member ids, in the order of their ports. */
const MEMBERS = ["e1", "e2", "e3"] as const;

interface Member {
  readonly id: string;
  readonly address: string;
  readonly child: ChildProcess;
  readonly admin: Etcd3;
}

/** Three members of etcd on this machine, with the settings that it has by default, in a directory and on ports of their own. */
export class EtcdCluster {
  readonly #directory: string;
  readonly #members: readonly Member[];
  readonly #release: () => Promise<void>;
  readonly #onExit = () => this.#kill();

  private constructor(directory: string, basePort: number, release: () => Promise<void>) {
    this.#directory = directory;
    this.#release = release;
    const places = MEMBERS.map((id, at) => {
      const { client, peer } = nodePorts(basePort, at + 1);
      return { id, address: `127.0.0.1:${client}`, peerUrl: `http://127.0.0.1:${peer}` };
    });
    const cluster = places.map(({ id, peerUrl }) => `${id}=${peerUrl}`).join(",");
    this.#members = places.map(({ id, address, peerUrl }) => ({
      id,
      address,
      child: this.#spawn(id, [
        ...["--name", id, "--data-dir", join(directory, id)],
        ...["--listen-client-urls", `http://${address}`, "--advertise-client-urls", `http://${address}`],
        ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
        ...["--initial-cluster", cluster, "--initial-cluster-state", "new"],
        ...["--logger", "zap", "--log-level", "error"],
      ]),
      admin: new Etcd3({ hosts: address }),
    }));
    // Whatever ends this process, what it started does not stay behind.
    process.once("exit", this.#onExit);
  }

  /** Its data lies where BenchCluster's does, so on the same disk. */
  static async start(): Promise<EtcdCluster> {
    const { basePort, release } = await reservePorts(MEMBERS.length);
    const cluster = new EtcdCluster(mkdtempSync(join(tmpdir(), "quorate-bench-etcd-")), basePort, release);
    try {
      await cluster.leader();
      return cluster;
    } catch (failure) {
      const log = cluster.#log();
      await cluster.stop();
      throw new Error(`etcd does not start${log === "" ? "" : `: ${log}`}`, { cause: failure });
    }
  }

  /** Where the members serve clients, as host:port. */
  get addresses(): readonly string[] {
    return this.#members.map(({ address }) => address);
  }

  /** The running processes by member. */
  pids(): ReadonlyMap<string, number> {
    const running = this.#members.filter(({ child }) => child.exitCode === null && child.signalCode === null);
    return new Map(running.map(({ id, child }) => [id, child.pid as number]));
  }

  /** The member that leads. */
  async leader(): Promise<Pick<Member, "id" | "address">> {
    return this.#until("a leader of etcd", async () => {
      for (const member of this.#members) {
        const { header, leader } = await member.admin.maintenance.status();
        if (leader !== "0" && header.member_id === leader) return member;
      }
      return undefined;
    });
  }

  /** A client of one member: npm etcd3 spreads its calls over hosts, and the leader answers soonest. */
  async driver(): Promise<Driver> {
    return etcdDriver(new Etcd3({ hosts: (await this.leader()).address }));
  }

  async level(): Promise<void> {
    await this.#until("all members of etcd level", async () => {
      const statuses = await Promise.all(this.#members.map(({ admin }) => admin.maintenance.status()));
      return new Set(statuses.map(({ raftAppliedIndex }) => raftAppliedIndex)).size === 1 || undefined;
    });
  }

  async probe(): Promise<Probe> {
    const { id: leader } = await this.leader();
    const members = this.#members.map(async ({ id, address }) => [id, await countersAt(address)] as const);
    return {
      leader,
      processes: Object.fromEntries([...this.pids()].map(([id, pid]) => [id, usageOf(pid)])),
      members: Object.fromEntries(await Promise.all(members)),
    };
  }

  async stop(): Promise<void> {
    process.off("exit", this.#onExit);
    for (const { admin } of this.#members) admin.close();
    const running = this.#members.filter(({ id }) => this.pids().has(id));
    const ended = running.map(
      ({ child }) => new Promise<void>((resolve) => child.once("exit", () => resolve())),
    );
    this.#kill();
    await Promise.all(ended);
    rmSync(this.#directory, { recursive: true, force: true });
    await this.#release();
  }

  #spawn(id: string, args: readonly string[]): ChildProcess {
    const log = openSync(this.#logPath(id), "a");
    try {
      return spawn(PROGRAM, args, { stdio: ["ignore", log, log] });
    } finally {
      closeSync(log);
    }
  }

  #kill(): void {
    for (const { child } of this.#members) child.kill("SIGKILL");
  }

  #logPath(id: string): string {
    return join(this.#directory, `${id}.log`);
  }

  #log(): string {
    return MEMBERS.map((id) => readFileSync(this.#logPath(id), "utf8"))
      .join("\n")
      .trim();
  }

  async #until<T>(what: string, condition: () => Promise<T | undefined>): Promise<T> {
    const deadlineMs = performance.now() + SETTLE_MS_MAX;
    for (;;) {
      if (this.pids().size < MEMBERS.length) throw new Error("a member of etcd has ended");
      // A member that is starting refuses: it is asked again.
      const seen = await condition().catch(() => undefined);
      if (seen !== undefined) return seen;
      if (performance.now() > deadlineMs) throw new Error(`waited ${SETTLE_MS_MAX} ms in vain: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** etcd syncs its log, and the database that holds its state. */
async function countersAt(address: string): Promise<MemberCounters> {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  const count = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  return {
    syncs:
      count("etcd_disk_wal_fsync_duration_seconds_count") +
      count("etcd_disk_backend_commit_duration_seconds_count"),
    entriesSynced: null,
  };
}
