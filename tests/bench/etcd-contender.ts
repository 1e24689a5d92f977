import type { Contender, Probe } from "./contender";
import type { Driver } from "./driver";
import type { EtcdCluster } from "./etcd-cluster";
import { EtcdGoGenerator, isKnownToGo } from "./etcd-go-generator";
import type { KeySpace } from "./key-space";
import { generatorHere, type LoadGenerator } from "./load-generator";
import type { Workload } from "./workload";

/** Three members of etcd, called at their leader through the npm client etcd3. */
export class EtcdContender implements Contender {
  readonly name: "etcd" | "etcd-go" = "etcd";
  protected readonly cluster: EtcdCluster;

  constructor(cluster: EtcdCluster) {
    this.cluster = cluster;
  }

  canRun(_: Workload): boolean {
    return true;
  }

  driver(): Promise<Driver> {
    return this.cluster.driver();
  }

  async generator(workload: Workload, space: KeySpace, seed: number): Promise<LoadGenerator> {
    return generatorHere(await this.driver(), workload, space, seed);
  }

  level(): Promise<void> {
    return this.cluster.level();
  }

  probe(): Promise<Probe> {
    return this.cluster.probe();
  }
}

/** The same members, called through etcd's own Go client by a process of its own. */
export class EtcdGoContender extends EtcdContender {
  override readonly name = "etcd-go";
  readonly #program: string;

  /** @param program what {@link builtEtcdGoDriver} made */
  constructor(cluster: EtcdCluster, program: string) {
    super(cluster);
    this.#program = program;
  }

  override canRun(workload: Workload): boolean {
    return isKnownToGo(workload);
  }

  override async generator(workload: Workload, space: KeySpace, seed: number): Promise<LoadGenerator> {
    const { address } = await this.cluster.leader();
    return EtcdGoGenerator.start(this.#program, address, workload, space, seed);
  }
}
