import {
  FailPoints,
  guardLogStore,
  guardStateStore,
  guardTransport,
  type Network,
} from "@quorate/services/faults";
import { type ByteService, LeaderDirectory } from "@quorate/services/forward";
import { DEFAULT_LIMITS, StateMachine } from "@quorate/services/kv";
import {
  MemoryLogDisk,
  MemoryStateDisk,
  openMemoryLogStore,
  openMemoryStateStore,
} from "@quorate/services/memory";
import { HEARTBEAT_TICKS, sha256Digest, softwareVersion, ticksOf } from "@quorate/services/node";
import { configurationOf, type MemberId } from "@quorate/services/raft";
import { Replica, type StoreFailure, type Transport } from "@quorate/services/replica";
import { CallCounters, type MemberAddresses, NodeService } from "@quorate/services/rpc";
import { type WatchHub, watchReplica } from "@quorate/services/watch";
import { type ClusterFrame, type Host, linkedChannels } from "./host";
import { ListeningServer } from "./listening-server";
import { MemoryChannels } from "./memory-channels";
import { MemoryEndpoint } from "./memory-endpoint";
import { PauseGate } from "./pause-gate";
import { PausedService } from "./paused-service";

/** Beside what all hosts share: the network in memory, and the way to the other nodes' services. */
export interface MemoryFrame extends ClusterFrame {
  readonly network: Network;
  /** By any address of a node; null while nothing listens there. */
  endpointAt(address: string): MemoryEndpoint | null;
  /** Of all nodes, as they are now. */
  members(): readonly MemberAddresses[];
}

interface Running {
  readonly replica: Replica;
  readonly watches: WatchHub;
  readonly directory: LeaderDirectory;
  readonly endpoint: MemoryEndpoint;
  readonly service: ByteService;
  readonly stopTicking: () => void;
}

/** A node whose disks are memory: they outlive a crash, as far as what was on them had been synced. */
export class MemoryHost implements Host {
  readonly gate = new PauseGate();
  readonly failPoints = new FailPoints({ onCrash: () => void this.kill() });
  readonly disks = { log: new MemoryLogDisk(), state: new MemoryStateDisk() };
  failure: StoreFailure | null = null;
  private readonly storeId: string;
  private running: Running | null = null;
  private server: ListeningServer | null = null;

  constructor(
    readonly id: MemberId,
    private readonly frame: MemoryFrame,
  ) {
    this.storeId = `store-${id}-${frame.random.nextUint32().toString(36)}`;
  }

  get address(): string {
    return this.server === null ? `${this.id}.memory:1` : `127.0.0.1:${this.server.port}`;
  }

  get replica(): Replica | null {
    return this.running?.replica ?? null;
  }

  get endpoint(): MemoryEndpoint | null {
    return this.running?.endpoint ?? null;
  }

  async start(): Promise<void> {
    const { frame, id, storeId } = this;
    this.failure = null;
    const log = openMemoryLogStore(this.disks.log);
    const state = openMemoryStateStore(this.disks.state);
    if (log.lastIndex() < state.opened.applied.index) await log.reset(state.opened.applied);
    const { time, profile } = frame;
    const { tickMs, electionTicks } = ticksOf(profile);
    const transport = new LateTransport();
    const replica = new Replica({
      id,
      storeId,
      configuration: configurationOf(frame.ids),
      timing: { heartbeatTicks: HEARTBEAT_TICKS, electionTicks },
      log: guardLogStore(log, this.failPoints),
      state: guardStateStore(state, this.failPoints),
      machine: new StateMachine(state.opened.resident),
      transport: guardTransport(transport, this.failPoints),
      clock: { monotonicMs: () => time.nowMs(), wallMs: () => time.wallMs() },
      scheduler: { afterThisTurn: (run) => time.after(0, () => this.gate.pass(run)) },
      random: frame.random.fork(),
      history: frame.history,
    });
    const watches = watchReplica(replica, { noLeaderMs: 2 * profile.electionTimeoutMs });
    const { directory, service, endpoint } = this.serve(replica, watches);
    const inner = frame.network.attach({
      id,
      storeId,
      addresses: null,
      get membership() {
        return replica.membership;
      },
      receive: (messages) => this.gate.pass(() => replica.receive(messages)),
      reportUnreachable: (peer) => this.gate.pass(() => replica.reportUnreachable(peer)),
      memberStore: (member) => replica.memberStore(member),
      noteIntroduction: (introduction) => replica.noteIntroduction(introduction),
      removed: () => undefined,
    });
    transport.inner = { send: (messages) => this.gate.pass(() => inner.send(messages)) };
    const stopTicking = time.every(tickMs, () => {
      if (this.gate.isPaused) return;
      replica.tick();
      watches.tick(time.nowMs());
    });
    this.running = { replica, watches, directory, endpoint, service, stopTicking };
    await this.openServer();
  }

  async kill(): Promise<void> {
    const { running } = this;
    if (running === null) return;
    this.running = null;
    this.frame.network.detach(this.id);
    running.stopTicking();
    running.endpoint.close();
    running.watches.close();
    this.gate.drop();
    this.disks.log.crash();
    this.disks.state.crash({ batchesLost: Number.POSITIVE_INFINITY });
    // Not waited for: at a fail point that ended the node its last write stands for ever.
    void running.replica.stop();
    await this.server?.close();
  }

  /** Serves gRPC too, now and after each restart. */
  async listen(port: number): Promise<void> {
    this.server ??= new ListeningServer(port, this.frame.log);
    await this.openServer();
  }

  /** This node names the others by the addresses that they have now. */
  learnAddresses(): void {
    for (const { id, clientAddress } of this.frame.members())
      this.running?.directory.learnMember(id, clientAddress);
  }

  private async openServer(): Promise<void> {
    const { server, running } = this;
    if (server === null || running === null) return;
    await server.open(running.service);
    server.setLeaderKnown(running.replica.leader.id !== null);
  }

  private serve(replica: Replica, watches: WatchHub): Pick<Running, "directory" | "service" | "endpoint"> {
    const { frame, id } = this;
    const { time } = frame;
    const directory = new LeaderDirectory(
      frame.members().map((member) => [member.id, member.clientAddress] as const),
    );
    const counters = new CallCounters();
    const startedAtMs = time.nowMs();
    const channels = new MemoryChannels(id, (address) => frame.endpointAt(address), time);
    const context = {
      clusterId: frame.clusterId,
      memberId: id,
      storeId: this.storeId,
      softwareVersion: softwareVersion(),
      get members() {
        return frame.members();
      },
      replica,
      watches,
      directory,
      limits: DEFAULT_LIMITS,
      digest: sha256Digest,
      counters,
      facts: {
        uptimeMs: () => time.nowMs() - startedAtMs,
        memoryBytes: () => process.memoryUsage.rss(),
        diskBytes: () => Promise.resolve(0),
        hasFailed: () => this.failure !== null,
      },
      log: frame.log,
      forwarding: true,
      clients: () => this.server?.connections ?? [],
      wallMs: () => time.wallMs(),
    };
    const service = new PausedService(
      new NodeService(context, linkedChannels(frame, id, channels)),
      this.gate,
    );
    const endpoint = new MemoryEndpoint({ service, time, gate: this.gate, counters, log: frame.log });
    replica.subscribe({
      leaderChanged: (leaderId, term) => {
        directory.replaceLeader(leaderId, term);
        this.server?.setLeaderKnown(leaderId !== null);
      },
      failed: (failure) => this.onFailure(replica, failure),
    });
    directory.replaceLeader(replica.leader.id, replica.leader.term);
    return { directory, service, endpoint };
  }

  /** A node whose store failed ends, as its process would. */
  private onFailure(replica: Replica, failure: StoreFailure): void {
    if (this.running?.replica !== replica) return;
    this.failure = failure;
    void this.kill();
  }
}

/** A replica needs its transport, and the network needs the replica. */
class LateTransport implements Transport {
  inner: Transport | null = null;

  send(messages: Parameters<Transport["send"]>[0]): void {
    this.inner?.send(messages);
  }
}
