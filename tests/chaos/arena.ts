import type { Kv, Quorate } from "@quorate/client";
import type { Exit } from "../support/child";
import type { TestCluster } from "../support/cluster";
import { eventually } from "../support/eventually";
import type { Direction, PeerLinks } from "../support/peer-links";
import type { SavedBackup } from "./backup-file";
import { FaultMissed } from "./fault";
import type { Starts } from "./starts";

/** What a node exits with when it must not go on with its disk (EX_SOFTWARE of sysexits.h). */
export const STORE_FAILURE_EXIT_CODE = 70;

/** What a node exits with that was removed from the cluster. */
export const REMOVED_EXIT_CODE = 3;

/** What a node exits with that has no data though it should. */
export const REFUSED_EXIT_CODE = 2;

/** How long a cluster that nothing is wrong with may be without a leader that all follow. */
export const SETTLE_MS_MAX = 30_000;

const OPERATOR_CALL_MS_MAX = 30_000;

/** How long a process may take that is to end by itself, or that was asked to. */
const END_MS_MAX = 30_000;

/** A process that ended though nobody asked it to. */
export interface Crash {
  /** Such as "n1" or "gateway1". */
  readonly name: string;
  readonly exit: Exit;
}

/** A cluster under attack: its processes, whose ends are told apart into wanted and unwanted ones, and its links. */
export class Arena {
  readonly cluster: TestCluster;
  readonly links: PeerLinks;
  readonly electionTimeoutMs: number;
  readonly starts: Starts;
  readonly crashes: Crash[] = [];
  /** Each is checked against a cluster that is restored from it when the run is over. */
  readonly backups: SavedBackup[] = [];
  /** With no more patience than a caller has, and no other node to turn to. */
  readonly #direct = new Map<string, Kv>();
  #operator: Quorate | null = null;
  /** The nodes whose process may end. */
  readonly #mayEnd = new Set<number>();
  #isOver = false;

  constructor(cluster: TestCluster, links: PeerLinks, electionTimeoutMs: number, starts: Starts) {
    this.cluster = cluster;
    this.links = links;
    this.electionTimeoutMs = electionTimeoutMs;
    this.starts = starts;
    for (const node of cluster.numbers) this.#watch(node);
    for (const gateway of this.gateways) {
      void cluster.gatewayEnded(gateway).then((exit) => this.#ended(`gateway${gateway}`, exit));
    }
  }

  get nodes(): readonly number[] {
    return this.cluster.numbers;
  }

  /** The numbers that no member has at present. */
  get spares(): readonly number[] {
    const { nodes, spares } = this.cluster.topology;
    return Array.from({ length: nodes + spares }, (_, at) => at + 1).filter(
      (number) => !this.nodes.includes(number),
    );
  }

  /** Every directed pair of members. */
  get directions(): readonly Direction[] {
    const { nodes } = this;
    return this.links.directions.filter(({ from, to }) => nodes.includes(from) && nodes.includes(to));
  }

  /** The directions from or to the member. */
  directionsOf(node: number): readonly Direction[] {
    return this.directions.filter(({ from, to }) => from === node || to === node);
  }

  /** One client for the whole run, however the members change. */
  get operator(): Quorate {
    this.#operator ??= this.cluster.client(undefined, { deadlineMs: OPERATOR_CALL_MS_MAX });
    return this.#operator;
  }

  /** Keys and values through one address only, whoever is there; one connection an address. */
  directKv(address: string, deadlineMs: number): Kv {
    const name = `${address} ${deadlineMs}`;
    const known = this.#direct.get(name);
    if (known !== undefined) return known;
    const { kv } = this.cluster.client(address, { deadlineMs });
    this.#direct.set(name, kv);
    return kv;
  }

  get gateways(): readonly number[] {
    return Array.from({ length: this.cluster.topology.gateways }, (_, at) => at + 1);
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

  /** Ends a node with SIGTERM. @throws FaultMissed when it does not end in time, or not with exit code 0 */
  async terminate(node: number, endMsMax = END_MS_MAX): Promise<void> {
    this.#mayEnd.add(node);
    const ended = await within(endMsMax, this.cluster.terminate(node));
    if (ended === null) throw new FaultMissed(`n${node} runs on ${endMsMax} ms after it was asked to end`);
    const { value: code } = ended;
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

  /** A node without data joins, and answers; as a voter it votes later, when it has caught up. */
  async join(node: number, part: "voter" | "learner" = "voter"): Promise<void> {
    const via = await this.leader();
    this.cluster.wipe(node);
    this.#mayEnd.delete(node);
    const joining = this.cluster.join(node, via, ["--join-as", part]);
    this.#watch(node);
    await joining;
  }

  /** Waits until these vote and nobody else, and no learner is left. */
  async voting(nodes: readonly number[]): Promise<void> {
    const wanted = nodes.map((node) => `n${node}`).sort();
    await eventually(
      `${wanted.join(", ")} vote`,
      async () => {
        const { voters, votersOutgoing, learners } = await this.cluster.status(await this.leader());
        return votersOutgoing.length + learners.length === 0 && voters.join() === wanted.join();
      },
      { deadlineMs: SETTLE_MS_MAX },
    );
  }

  /** Removes a member that runs, which has to end. */
  async remove(node: number): Promise<void> {
    const leaving = this.leaving(node);
    await this.operator.cluster.removeMember(`n${node}`);
    await leaving();
  }

  /** To be called before a member is removed. @returns waits until its process has ended as one that was removed */
  leaving(node: number): () => Promise<void> {
    const end = this.endOf(node);
    return async () => {
      const ended = await within(END_MS_MAX, end);
      if (ended === null) throw new FaultMissed(`n${node} runs on though it was removed`);
      const { code } = ended.value;
      if (code !== REMOVED_EXIT_CODE)
        throw new FaultMissed(`n${node} ended with ${code}, not ${REMOVED_EXIT_CODE}, when it was removed`);
      this.cluster.leave(node);
    };
  }

  /** Starts a node of which it is expected that it ends by itself. @returns null when it runs on */
  async launchInVain(node: number, endMsMax = END_MS_MAX): Promise<Exit | null> {
    this.cluster.launch(node);
    return (await within(endMsMax, this.endOf(node)))?.value ?? null;
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
      if (!this.#mayEnd.has(node)) this.#ended(`n${node}`, exit);
    });
  }

  #ended(name: string, exit: Exit): void {
    if (!this.#isOver) this.crashes.push({ name, exit });
  }
}

/** What was waited for; null when it has not come by then. */
async function within<T>(ms: number, awaited: Promise<T>): Promise<{ readonly value: T } | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([awaited.then((value) => ({ value })), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A node for the report. */
export function named(node: number, leader: number): string {
  return node === leader ? `n${node}, the leader` : `n${node}`;
}
