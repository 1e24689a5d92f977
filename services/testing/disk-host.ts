import {
  FailPoints,
  FilteredSnapshotSource,
  FilteredTransport,
  guardLogStore,
  guardSnapshotSource,
  guardStateStore,
  guardTransport,
  type ImageInterference,
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
  /** Those that the cluster began with, sorted by id. */
  readonly founders: readonly MemberAddresses[];
  /** Of any node, a founder or not. */
  addresses(id: MemberId): MemberAddresses;
  /** Client addresses of nodes that run. */
  running(): readonly string[];
  /** null: replicas are never compared by themselves. */
  readonly verifyIntervalMs: number | null;
  readonly images: ImageInterference;
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
  private hasData = false;

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

  start(): Promise<void> {
    return this.open(this.hasData ? { kind: "open" } : { kind: "bootstrap" });
  }

  join(as: "voter" | "learner"): Promise<void> {
    return this.open({ kind: "join", seeds: this.frame.running(), as });
  }

  private async open(start: NodeConfig["start"]): Promise<void> {
    await this.ending;
    this.failure = null;
    const { frame, id, own } = this;
    const isFounder = frame.founders.some((founder) => founder.id === id);
    const config: NodeConfig = {
      id,
      clusterId: frame.clusterId,
      members: isFounder ? frame.founders : [],
      dataDir: frame.dataDir(id),
      start,
      advertiseClient: own.clientAddress,
      advertisePeer: own.peerAddress,
      peerRoutes: new Map(),
      listenMetrics: null,
      tracing: false,
      logKeeping: frame.logKeeping,
      snapshotsSendingMax: 4,
      verifyIntervalMs: frame.verifyIntervalMs,
      freeBytesMin: 0,
      joinTimeoutMs: 10_000,
      profile: frame.profile,
      forwarding: true,
      leaseReads: false,
      logLevel: "silent",
      listenClient: own.clientAddress,
      listenPeer: own.peerAddress,
      limits: DEFAULT_LIMITS,
      history: frame.history,
      // Of a node that was removed only: every other one is killed.
      drainMs: 1000,
    };
    const owner = {
      failed: (failure: StoreFailure): void => {
        this.failure ??= failure;
        void this.kill();
      },
      removed: (): void => this.leave(),
    };
    const outcome = await Node.open(config, frame.log, owner, this.seams());
    if (outcome.kind === "refused") throw new TestClusterError(`${id} does not start: ${outcome.message}`);
    if (outcome.kind === "aborted") throw new TestClusterError(`${id} does not start: it was told to stop`);
    this.hasData = true;
    this.node = outcome.node;
  }

  kill(): Promise<void> {
    const { node } = this;
    this.node = null;
    this.gate.drop();
    if (node !== null) this.ending = node.kill();
    return this.ending;
  }

  /** The cluster has removed it: it ends by itself, and answers first whoever asked for that. */
  private leave(): void {
    const { node } = this;
    this.node = null;
    if (node !== null) this.ending = node.close();
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
      snapshots: (source) =>
        guardSnapshotSource(new FilteredSnapshotSource(source, id, frame.images), failPoints),
      channels: (channels) => linkedChannels(frame, id, channels),
      service: (service) => new PausedService(service, gate),
      // What comes from peers waits in the inbox for the next turn.
      scheduler: {
        afterThisTurn: (run) => frame.time.after(0, () => gate.pass(run)),
        afterMs: (delayMs, run) => frame.time.after(delayMs, () => gate.pass(run)),
      },
      tick: (tick) => () => {
        if (!gate.isPaused) tick();
      },
    };
  }

  private get own(): MemberAddresses {
    return this.frame.addresses(this.id);
  }
}
