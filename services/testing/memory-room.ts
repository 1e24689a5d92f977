import { type Connect, QuorateError } from "@quorate/client";
import {
  type Direction,
  ImageInterference,
  Interference,
  Network,
  type NetworkControls,
} from "@quorate/services/faults";
import { foundingMembership } from "@quorate/services/kv";
import { type PortReservation, reservePorts } from "@quorate/services/launcher";
import { ticksOf } from "@quorate/services/node";
import type { Replica } from "@quorate/services/replica";
import { type Random, seededRandom } from "@quorate/services/std";
import { CallLinks } from "./call-links";
import type { ClusterRoom } from "./cluster-room";
import type { ClusterTime } from "./cluster-time";
import { MemoryConnection } from "./memory-connection";
import type { MemoryEndpoint } from "./memory-endpoint";
import { type MemoryFrame, MemoryHost } from "./memory-host";
import type { CheckedOptions } from "./options";

/** Nodes on memory, in one process, joined by a network in memory. */
export class MemoryRoom implements ClusterRoom {
  readonly hosts: MemoryHost[];
  readonly images: ImageInterference;
  readonly networks: readonly [NetworkControls, ...NetworkControls[]];
  readonly cuts: Interference;
  private readonly links: CallLinks;
  private readonly frame: MemoryFrame;
  private ports: PortReservation | null = null;
  private isClosed = false;

  private constructor(
    private readonly options: CheckedOptions,
    readonly time: ClusterTime,
    random: Random,
  ) {
    const network = new Network({ timers: time, random: random.fork() });
    this.cuts = new Interference({ timers: time, random: random.fork() });
    const isCut = (direction: Direction): boolean => this.cuts.isCut(direction);
    this.links = new CallLinks(isCut);
    this.images = new ImageInterference({ timers: time, random: random.fork(), isCut });
    this.networks = [network, this.cuts];
    const ids = Array.from({ length: options.nodes }, (_, at) => `n${at + 1}`);
    const frame: MemoryFrame = {
      clusterId: `test-${options.seed}`,
      time,
      random,
      profile: options.profile,
      history: options.history,
      links: this.links,
      log: options.log,
      network,
      logKeeping: options.logKeeping,
      images: this.images,
      founders: foundingMembership(
        ids.map((id) => ({ id, clientAddress: `${id}.memory:1`, peerAddress: `${id}.memory:2` })),
      ),
      addressOf: (id) => this.hosts.find((host) => host.id === id)?.address ?? null,
      replicaOf: (id) => this.hosts.find((host) => host.id === id)?.replica ?? null,
      leader: () => this.leader,
      memberAt: (address) => this.hostAt(address)?.id ?? null,
      endpointAt: (address) => this.endpointAt(address),
    };
    this.frame = frame;
    this.hosts = ids.map((id) => new MemoryHost(id, frame, frame.founders));
  }

  static async open(options: CheckedOptions, time: ClusterTime): Promise<MemoryRoom> {
    const room = new MemoryRoom(options, time, seededRandom(options.seed));
    for (const host of room.hosts) await host.start();
    room.campaignAtOnce();
    return room;
  }

  addHost(): MemoryHost {
    const host = new MemoryHost(`n${this.hosts.length + 1}`, this.frame);
    this.hosts.push(host);
    return host;
  }

  private get leader(): Replica | null {
    const leaders = this.hosts.flatMap(({ replica }) => (replica?.isLeader === true ? [replica] : []));
    return leaders.reduce<Replica | null>(
      (best, replica) => (best === null || replica.leader.term > best.leader.term ? replica : best),
      null,
    );
  }

  readonly connect: Connect = (address) =>
    new MemoryConnection(address, (at) => this.endpointOrWhy(at), this.time);

  get isListening(): boolean {
    return this.ports !== null;
  }

  async listen(): Promise<void> {
    if (this.ports !== null) return;
    this.ports = await reservePorts(this.hosts.length);
    const { basePort } = this.ports;
    await Promise.all(this.hosts.map((host, at) => host.listen(basePort + at + 1)));
    for (const host of this.hosts) host.learnAddresses();
  }

  cutsChanged(): void {
    this.links.cutsChanged();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await Promise.all(this.hosts.map((host) => host.kill()));
    this.time.close();
    await this.ports?.release();
  }

  /** Instead of waiting for the first election timeout: nobody has led yet, so nobody minds. */
  private campaignAtOnce(): void {
    const { replica } = this.hosts[0] as MemoryHost;
    const { electionTicks } = ticksOf(this.options.profile);
    for (let tick = 0; tick < 2 * electionTicks && replica?.status().raft.role === "follower"; tick += 1) {
      replica.tick();
    }
  }

  private hostAt(address: string): MemoryHost | null {
    const id = /^(n\d+)\.memory:1$/.exec(address)?.[1];
    return this.hosts.find((host) => host.id === id || host.address === address) ?? null;
  }

  private endpointAt(address: string): MemoryEndpoint | null {
    return this.hostAt(address)?.endpoint ?? null;
  }

  private endpointOrWhy(address: string): MemoryEndpoint | { readonly absent: string } {
    const areAllDown = this.hosts.every(({ endpoint }) => endpoint === null);
    const absent = areAllDown ? "all nodes are down: restart one first" : "nothing answers there";
    if (!this.isClosed) return this.endpointAt(address) ?? { absent };
    throw new QuorateError("the cluster is closed", { code: "CANCELLED", outcome: "not_applied" });
  }
}
