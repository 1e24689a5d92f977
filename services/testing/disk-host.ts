import {
  FailPoints,
  FilteredTransport,
  guardLogStore,
  guardStateStore,
  guardTransport,
  type Interference,
} from "@quorate/services/faults";
import { DEFAULT_LIMITS } from "@quorate/services/kv";
import { Node, type NodeConfig, type NodeSeams } from "@quorate/services/node";
import type { MemberId } from "@quorate/services/raft";
import type { Replica, StoreFailure } from "@quorate/services/replica";
import type { MemberAddresses } from "@quorate/services/rpc";
import { type ClusterFrame, type Host, linkedChannels } from "./host";
import { PauseGate } from "./pause-gate";
import { PausedService } from "./paused-service";
import { TestClusterError } from "./test-cluster-error";

/** Beside what all hosts share: where they keep their data, and what troubles their network. */
export interface DiskFrame extends ClusterFrame {
  /** Sorted by id. */
  readonly members: readonly MemberAddresses[];
  readonly interference: Interference;
  dataDir(id: MemberId): string;
}

/** A node as in production, with LevelDB and gRPC, inside this process. */
export class DiskHost implements Host {
  readonly disks = null;
  readonly gate = new PauseGate();
  readonly failPoints = new FailPoints({ onCrash: () => void this.kill() });
  failure: StoreFailure | null = null;
  private node: Node | null = null;
  private ending: Promise<void> = Promise.resolve();
  private isBootstrapped = false;

  constructor(
    readonly id: MemberId,
    private readonly frame: DiskFrame,
  ) {}

  get address(): string {
    return this.own.clientAddress;
  }

  get replica(): Replica | null {
    return this.node?.replica ?? null;
  }

  async start(): Promise<void> {
    await this.ending;
    this.failure = null;
    const { frame, id, own } = this;
    const config: NodeConfig = {
      id,
      clusterId: frame.clusterId,
      members: frame.members,
      dataDir: frame.dataDir(id),
      bootstrap: !this.isBootstrapped,
      profile: frame.profile,
      forwarding: true,
      logLevel: "silent",
      listenClient: own.clientAddress,
      listenPeer: own.peerAddress,
      limits: DEFAULT_LIMITS,
      history: frame.history,
      drainMs: 0,
    };
    const onFailure = (failure: StoreFailure): void => {
      this.failure ??= failure;
      void this.kill();
    };
    const outcome = await Node.open(config, frame.log, onFailure, this.seams());
    if (outcome.kind === "refused") throw new TestClusterError(`${id} does not start: ${outcome.message}`);
    this.isBootstrapped = true;
    this.node = outcome.node;
  }

  kill(): Promise<void> {
    const { node } = this;
    this.node = null;
    this.gate.drop();
    if (node !== null) this.ending = node.kill();
    return this.ending;
  }

  private seams(): NodeSeams {
    const { frame, id, gate, failPoints } = this;
    return {
      log: (store) => guardLogStore(store, failPoints),
      state: (store) => guardStateStore(store, failPoints),
      transport: (transport) => {
        const filtered = new FilteredTransport(transport, frame.interference);
        return guardTransport({ send: (messages) => gate.pass(() => filtered.send(messages)) }, failPoints);
      },
      channels: (channels) => linkedChannels(frame, id, channels),
      service: (service) => new PausedService(service, gate),
      // What comes from peers waits in the inbox for the next turn.
      scheduler: { afterThisTurn: (run) => frame.time.after(0, () => gate.pass(run)) },
      tick: (tick) => () => {
        if (!gate.isPaused) tick();
      },
    };
  }

  private get own(): MemberAddresses {
    const own = this.frame.members.find(({ id }) => id === this.id);
    if (own === undefined) throw new TestClusterError(`${this.id} is no member`);
    return own;
  }
}
