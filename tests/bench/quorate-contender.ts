import type { BenchCluster } from "./bench-cluster";
import type { Contender, Probe } from "./contender";
import type { Driver } from "./driver";
import { typedDriver } from "./drivers/typed";
import { unaryDriver } from "./drivers/unary";
import type { KeySpace } from "./key-space";
import { generatorHere, type LoadGenerator } from "./load-generator";
import type { Via } from "./options";
import { usageOf } from "./process-usage";
import type { Route, Workload } from "./workload";

const WAYS = {
  leader: { client: "typed", via: "leader" },
  follower: { client: "typed", via: "follower" },
  gateway: { client: "typed", via: "gateway" },
  unary: { client: "unary", via: "leader" },
  "unary-follower": { client: "unary", via: "follower" },
  "unary-gateway": { client: "unary", via: "gateway" },
} as const satisfies Record<Route, { readonly client: "typed" | "unary"; readonly via: Via }>;

/** The cluster of this repository, as one that is measured. */
export class QuorateContender implements Contender {
  readonly name: "quorate" | "few-keys";
  readonly #cluster: BenchCluster;

  constructor(cluster: BenchCluster, name: "quorate" | "few-keys" = "quorate") {
    this.name = name;
    this.#cluster = cluster;
  }

  async driver(route: Route): Promise<Driver> {
    const { client, via } = WAYS[route];
    return client === "typed"
      ? typedDriver(await this.#cluster.client(via))
      : unaryDriver(await this.#cluster.addressFor(via));
  }

  canRun(_: Workload): boolean {
    return true;
  }

  async generator(workload: Workload, space: KeySpace, seed: number): Promise<LoadGenerator> {
    return generatorHere(await this.driver(workload.route), workload, space, seed);
  }

  level(): Promise<void> {
    return this.#cluster.level();
  }

  async probe(): Promise<Probe> {
    const statuses = await this.#cluster.statuses();
    return {
      leader: statuses.find(({ role }) => role === "leader")?.memberId ?? "none",
      processes: Object.fromEntries([...this.#cluster.pids()].map(([name, pid]) => [name, usageOf(pid)])),
      members: Object.fromEntries(
        statuses.map(({ memberId, logSyncs, logEntriesSynced }) => [
          memberId,
          { syncs: logSyncs, entriesSynced: logEntriesSynced },
        ]),
      ),
    };
  }
}
