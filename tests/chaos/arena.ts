import type { Exit } from "../support/child";
import type { TestCluster } from "../support/cluster";
import { eventually } from "../support/eventually";
import type { PeerLinks } from "../support/peer-links";
import { FaultMissed } from "./fault";

/** What a node exits with when it must not go on with its disk (EX_SOFTWARE of sysexits.h). */
export const STORE_FAILURE_EXIT_CODE = 70;

/** How long a cluster that nothing is wrong with may be without a leader that all follow. */
const SETTLE_MS_MAX = 30_000;

/** A node process that ended though nobody asked it to. */
export interface Crash {
  readonly node: number;
  readonly exit: Exit;
}

/** A cluster under attack: its processes, whose ends are told apart into wanted and unwanted ones, and its links. */
export class Arena {
  readonly cluster: TestCluster;
  readonly links: PeerLinks;
  readonly electionTimeoutMs: number;
  readonly crashes: Crash[] = [];
  /** The nodes whose process may end. */
  readonly #mayEnd = new Set<number>();
  #isOver = false;

  constructor(cluster: TestCluster, links: PeerLinks, electionTimeoutMs: number) {
    this.cluster = cluster;
    this.links = links;
    this.electionTimeoutMs = electionTimeoutMs;
    for (const node of cluster.numbers) this.#watch(node);
  }

  get nodes(): readonly number[] {
    return this.cluster.numbers;
  }

  /** The leader once all live nodes follow it. */
  leader(): Promise<number> {
    return this.cluster.leader({ deadlineMs: SETTLE_MS_MAX });
  }

  /** The other nodes, in the order of their numbers. */
  without(...excluded: readonly number[]): readonly number[] {
    return this.nodes.filter((node) => !excluded.includes(node));
  }

  /** Kills these nodes at once. */
  async kill(...nodes: readonly number[]): Promise<void> {
    for (const node of nodes) this.#mayEnd.add(node);
    await Promise.all(nodes.map((node) => this.cluster.kill(node)));
  }

  /** Ends a node with SIGTERM. @throws FaultMissed when it does not end with exit code 0 */
  async terminate(node: number): Promise<void> {
    this.#mayEnd.add(node);
    const code = await this.cluster.terminate(node);
    if (code !== 0) throw new FaultMissed(`n${node} ended with ${code}, not 0, when it was asked to`);
  }

  /** Starts nodes that have ended, and does not wait for them. */
  launch(...nodes: readonly number[]): void {
    for (const node of nodes) {
      this.#mayEnd.delete(node);
      this.cluster.launch(node);
      this.#watch(node);
    }
  }

  /** Starts a node of which it is expected that it ends by itself. */
  launchInVain(node: number): Promise<Exit> {
    this.cluster.launch(node);
    return this.endOf(node);
  }

  /** How a node ends that is about to end by itself. */
  endOf(node: number): Promise<Exit> {
    this.#mayEnd.add(node);
    return this.cluster.ended(node);
  }

  /** Waits until the node answers. */
  async answering(node: number): Promise<void> {
    await eventually(`n${node} answers`, () => this.cluster.status(node, 1000), {
      deadlineMs: SETTLE_MS_MAX,
    });
  }

  /** From now on processes end because the run is over. */
  finish(): void {
    this.#isOver = true;
  }

  #watch(node: number): void {
    void this.cluster.ended(node).then((exit) => {
      if (!this.#isOver && !this.#mayEnd.has(node)) this.crashes.push({ node, exit });
    });
  }
}

/** A node for the report. */
export function named(node: number, leader: number): string {
  return node === leader ? `n${node}, the leader` : `n${node}`;
}
