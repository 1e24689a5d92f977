import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Interference, type NetworkControls } from "@quorate/services/faults";
import { nodePorts, type PortReservation, reservePorts } from "@quorate/services/launcher";
import { compareStrings, seededRandom } from "@quorate/services/std";
import { CallLinks } from "./call-links";
import type { ClusterRoom } from "./cluster-room";
import type { ClusterTime } from "./cluster-time";
import { type DiskFrame, DiskHost } from "./disk-host";
import type { CheckedOptions } from "./options";

/** Nodes as in production, on LevelDB in a temporary directory and gRPC on ports of this machine. */
export class DiskRoom implements ClusterRoom {
  readonly connect = null;
  readonly isListening = true;
  readonly hosts: readonly DiskHost[];
  readonly networks: readonly [NetworkControls, ...NetworkControls[]];
  readonly cuts: Interference;
  private readonly links: CallLinks;

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
    const members = Array.from({ length: options.nodes }, (_, at) => {
      const { client, peer } = nodePorts(ports.basePort, at + 1);
      return { id: `n${at + 1}`, clientAddress: `127.0.0.1:${client}`, peerAddress: `127.0.0.1:${peer}` };
    });
    const frame: DiskFrame = {
      clusterId: `test-${options.seed}`,
      ids: members.map(({ id }) => id).toSorted(),
      time,
      random,
      profile: options.profile,
      history: options.history,
      links: this.links,
      log: options.log,
      members: members.toSorted((left, right) => compareStrings(left.id, right.id)),
      interference: this.cuts,
      dataDir: (id) => join(directory, id),
      memberAt: (address) => members.find(({ clientAddress }) => clientAddress === address)?.id ?? null,
    };
    this.hosts = members.map(({ id }) => new DiskHost(id, frame));
  }

  static async open(options: CheckedOptions, time: ClusterTime): Promise<DiskRoom> {
    const ports = await reservePorts(options.nodes);
    const directory = await mkdtemp(join(tmpdir(), "quorate-testing-"));
    const room = new DiskRoom(options, time, directory, ports);
    // All are waited for, so that what did open can be closed.
    const opened = await Promise.allSettled(room.hosts.map((host) => host.start()));
    const failed = opened.find((outcome) => outcome.status === "rejected");
    if (failed === undefined) return room;
    await room.close();
    throw failed.reason;
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
