import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Direction,
  ImageInterference,
  Interference,
  type NetworkControls,
} from "@quorate/services/faults";
import { NODES_MAX, nodePorts, type PortReservation, reservePorts } from "@quorate/services/launcher";
import type { MemberAddresses } from "@quorate/services/rpc";
import { compareStrings, seededRandom } from "@quorate/services/std";
import { CallLinks } from "./call-links";
import type { ClusterRoom } from "./cluster-room";
import type { ClusterTime } from "./cluster-time";
import { type DiskFrame, DiskHost } from "./disk-host";
import type { CheckedOptions } from "./options";
import { TestClusterError } from "./test-cluster-error";

/** Ports that are kept for nodes which join later. */
const SPARE_NODES = 6;

/** Nodes as in production, on LevelDB in a temporary directory and gRPC on ports of this machine. */
export class DiskRoom implements ClusterRoom {
  readonly connect = null;
  readonly isListening = true;
  readonly hosts: DiskHost[];
  readonly images: ImageInterference;
  readonly networks: readonly [NetworkControls, ...NetworkControls[]];
  readonly cuts: Interference;
  private readonly links: CallLinks;
  private readonly frame: DiskFrame;
  private readonly hostsMax: number;

  private constructor(
    options: CheckedOptions,
    readonly time: ClusterTime,
    private readonly directory: string,
    private readonly ports: PortReservation,
  ) {
    const random = seededRandom(options.seed);
    this.cuts = new Interference({ timers: time, random: random.fork() });
    this.networks = [this.cuts];
    this.links = new CallLinks((direction) => this.cuts.isCut(direction));
    const isCut = (direction: Direction): boolean => this.cuts.isCut(direction);
    this.images = new ImageInterference({ timers: time, random: random.fork(), isCut });
    const members = Array.from({ length: options.nodes }, (_, at) => addressesOf(ports, at + 1));
    const frame: DiskFrame = {
      clusterId: `test-${options.seed}`,
      time,
      random,
      profile: options.profile,
      history: options.history,
      links: this.links,
      log: options.log,
      logKeeping: options.logKeeping,
      verifyIntervalMs: null,
      founders: members.toSorted((left, right) => compareStrings(left.id, right.id)),
      addresses: (id) => addressesOf(ports, Number(id.slice(1))),
      running: () => this.hosts.flatMap(({ replica, address }) => (replica === null ? [] : [address])),
      images: this.images,
      interference: this.cuts,
      dataDir: (id) => join(directory, id),
      memberAt: (address) => this.hosts.find((host) => host.address === address)?.id ?? null,
    };
    this.frame = frame;
    this.hostsMax = Math.min(NODES_MAX, options.nodes + SPARE_NODES);
    this.hosts = members.map(({ id }) => new DiskHost(id, frame));
  }

  static async open(options: CheckedOptions, time: ClusterTime): Promise<DiskRoom> {
    const ports = await reservePorts(Math.min(NODES_MAX, options.nodes + SPARE_NODES));
    const directory = await mkdtemp(join(tmpdir(), "quorate-testing-"));
    const room = new DiskRoom(options, time, directory, ports);
    // All are waited for, so that what did open can be closed.
    const opened = await Promise.allSettled(room.hosts.map((host) => host.start()));
    const failed = opened.find((outcome) => outcome.status === "rejected");
    if (failed === undefined) return room;
    await room.close();
    throw failed.reason;
  }

  addHost(): DiskHost {
    if (this.hosts.length >= this.hostsMax) {
      throw new TestClusterError(`no port is left for another node: ${this.hosts.length} have been started`);
    }
    const host = new DiskHost(`n${this.hosts.length + 1}`, this.frame);
    this.hosts.push(host);
    return host;
  }

  async listen(): Promise<void> {}

  cutsChanged(): void {
    this.links.cutsChanged();
  }

  async close(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.kill()));
    this.time.close();
    await this.ports.release();
    await rm(this.directory, { recursive: true, force: true });
  }
}

function addressesOf(ports: PortReservation, number: number): MemberAddresses {
  const { client, peer } = nodePorts(ports.basePort, number);
  return { id: `n${number}`, clientAddress: `127.0.0.1:${client}`, peerAddress: `127.0.0.1:${peer}` };
}
