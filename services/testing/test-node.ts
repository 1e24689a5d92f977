import type { Kv, NodeStatus, Quorate } from "@quorate/client";
import type { FailPoints } from "@quorate/services/faults";
import type { Host, MemoryDisks } from "./host";
import type { NodeLife } from "./node-life";
import { TestClusterError } from "./test-cluster-error";

/** What a node needs of its cluster. */
export interface NodeHome {
  readonly life: NodeLife;
  client(
    endpoints: readonly string[],
    options: TestClientOptions & { readonly followMembers?: boolean },
  ): Quorate;
}

/** How a client in a test is made. */
export interface TestClientOptions {
  /** The namespace of calls that name none; "default" by default. */
  readonly namespace?: string;
  /** How long a call may take with all its retries, in milliseconds; 5,000 by default. */
  readonly deadlineMs?: number;
}

/** One node of a cluster in a test. */
export class TestNode {
  readonly #host: Host;
  readonly #home: NodeHome;
  #client: Quorate | null = null;
  #isRemoved = false;

  /** Nodes are made by their cluster. */
  constructor(
    /** From 1. */
    readonly number: number,
    host: Host,
    home: NodeHome,
  ) {
    this.#host = host;
    this.#home = home;
  }

  /** Whether its cluster has removed it. */
  get isRemoved(): boolean {
    return this.#isRemoved;
  }

  /** For its cluster, once it has removed it. */
  remove(): void {
    this.#isRemoved = true;
  }

  /** Such as "n1". */
  get id(): string {
    return this.#host.id;
  }

  /** host:port of its client services. */
  get address(): string {
    return this.#host.address;
  }

  /** Whether it runs, be it paused. */
  get isUp(): boolean {
    return this.#host.replica !== null;
  }

  get isPaused(): boolean {
    return this.#host.gate.isPaused;
  }

  /** Whether it believes that it leads: of two that do, the one of the later term does. */
  get isLeader(): boolean {
    return this.#host.replica?.isLeader === true;
  }

  /** Why it went down by itself, such as a store that failed; null when it did not. */
  get failure(): Error | null {
    return this.#host.failure;
  }

  /** Where its stores and its transport can be made to fail, to crash the node or to wait. They outlive its crashes. */
  get failPoints(): FailPoints {
    return this.#host.failPoints;
  }

  /** Its disks, to be looked into or spoiled. @throws TestClusterError unless the cluster is in memory */
  get disks(): MemoryDisks {
    const { disks } = this.#host;
    if (disks === null)
      throw new TestClusterError("only nodes in memory have disks that a test can look into");
    return disks;
  }

  /** A new client whose calls go to this node alone; what belongs to the leader is passed on by the node. */
  client(options: TestClientOptions = {}): Quorate {
    return this.#home.client([this.address], { ...options, followMembers: false });
  }

  /** Keys and values through this node. */
  get kv(): Kv {
    this.#client ??= this.client();
    return this.#client.kv;
  }

  /** The answer of its Status call. */
  status(): Promise<NodeStatus> {
    this.#client ??= this.client();
    return this.#client.cluster.status({ address: this.address });
  }

  /** Kills it as a crash would: no call under way is answered; in memory what was not synced is gone. */
  kill(): Promise<void> {
    return this.#home.life.kill();
  }

  /**
   * Starts it again with what its disk holds; kills it before where it still runs.
   *
   * @throws TestClusterError once the cluster is closed
   */
  restart(): Promise<void> {
    return this.#home.life.restart();
  }

  /** Stops it in the middle of whatever it does, as SIGSTOP would: it neither answers nor refuses. */
  pause(): void {
    if (!this.isUp) throw new TestClusterError(`${this.id} is down: restart it before it is paused`);
    this.#host.gate.pause();
  }

  /** Lets a paused node go on, with all that has come meanwhile. */
  resume(): void {
    this.#host.gate.resume();
  }
}
