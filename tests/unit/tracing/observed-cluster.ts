import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SILENT_LOG } from "@quorate/services/forward";
import { Gateway } from "@quorate/services/gateway";
import { nodePorts, type PortReservation, reservePorts } from "@quorate/services/launcher";
import { Node, type NodeConfig, nodeConfig } from "@quorate/services/node";
import { seededRandom } from "@quorate/services/std";
import { eventually } from "../../support/eventually";

export interface ObservedNode {
  readonly id: string;
  readonly node: Node;
  /** host:port of its client services. */
  readonly client: string;
  /** Of its metrics and health. */
  readonly url: string;
}

/** Three nodes and a gateway, as in production and all in this process, with metrics and, if asked for, spans. */
export class ObservedCluster {
  private constructor(
    private readonly directory: string,
    private readonly ports: PortReservation,
    readonly nodes: readonly ObservedNode[],
    private readonly gateway: Gateway,
    /** host:port of the gateway. */
    readonly gatewayAddress: string,
  ) {}

  static async open(tracing: "on" | "off"): Promise<ObservedCluster> {
    const directory = mkdtempSync(join(tmpdir(), "quorate-observed-"));
    const ports = await reservePorts(3);
    const numbers = [1, 2, 3];
    const members = numbers
      .map((number) => {
        const { client, peer } = nodePorts(ports.basePort, number);
        return `n${number}=127.0.0.1:${client}/127.0.0.1:${peer}`;
      })
      .join(",");
    const nodes = await Promise.all(
      numbers.map((number) => {
        const id = `n${number}`;
        const argv = [
          ...["--id", id, "--cluster-id", "observed", "--members", members, "--bootstrap"],
          ...["--data-dir", join(directory, id), "--profile", "default", "--log-level", "silent"],
          ...["--listen-metrics", "127.0.0.1:0", "--tracing", tracing, "--free-bytes-min", "0"],
        ];
        return openNode(configOf(argv));
      }),
    );
    const gateway = new Gateway({
      listen: `127.0.0.1:${ports.basePort}`,
      nodes: nodes.map(({ client }) => client),
      log: SILENT_LOG,
      random: seededRandom(1),
      // No attempt is made again because the machine is slow: each is seen.
      timing: { attemptTimeoutMs: 60_000 },
      tracing: tracing === "on",
    });
    const port = await gateway.open();
    return new ObservedCluster(directory, ports, nodes, gateway, `127.0.0.1:${port}`);
  }

  /** The node that leads, once all agree on it. */
  leader(): Promise<ObservedNode> {
    return eventually("one member leads and all know it", async () => {
      const known = new Set(this.nodes.map(({ node }) => node.replica.leader.id));
      const [leaderId] = known;
      return known.size === 1 ? this.nodes.find(({ id }) => id === leaderId) : undefined;
    });
  }

  /**
   * Does something while one member leads, and again where another came to lead meanwhile, as on a machine that stalls.
   *
   * @returns what came of it under one leader
   */
  async underOneLeader<T>(work: (leader: ObservedNode) => Promise<T>): Promise<T> {
    for (;;) {
      const leader = await this.leader();
      const { id, term } = leader.node.replica.leader;
      const result = await work(leader);
      const after = leader.node.replica.leader;
      if (after.id === id && after.term === term) return result;
    }
  }

  async close(): Promise<void> {
    await this.gateway.close(0);
    for (const { node } of this.nodes) await node.kill();
    await this.ports.release();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function configOf(argv: readonly string[]): NodeConfig {
  const outcome = nodeConfig(argv, {});
  if (outcome.kind !== "config") throw new Error(`no configuration: ${JSON.stringify(outcome)}`);
  return outcome.config;
}

async function openNode(config: NodeConfig): Promise<ObservedNode> {
  const opened = await Node.open(config, SILENT_LOG, {
    failed: (failure) => {
      throw failure;
    },
  });
  if (opened.kind !== "opened") throw new Error(`${config.id} does not start: ${JSON.stringify(opened)}`);
  const { client, metrics } = opened.served;
  return { id: config.id, node: opened.node, client, url: `http://${metrics}` };
}
