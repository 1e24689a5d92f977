import {
  FailPoints,
  FilteredSnapshotSource,
  guardLogStore,
  guardSnapshotSource,
  guardStateStore,
  guardTransport,
  type ImageInterference,
  type Network,
} from "@quorate/services/faults";
import { type ByteService, LeaderDirectory } from "@quorate/services/forward";
import {
  DEFAULT_LIMITS,
  type MembershipState,
  NO_MEMBERS,
  PRIORITY_DEFAULT,
  StateMachine,
} from "@quorate/services/kv";
import {
  MemoryLogDisk,
  MemoryStateDisk,
  openMemoryLogStore,
  openMemoryStateStore,
} from "@quorate/services/memory";
import { HEARTBEAT_TICKS, sha256Digest, softwareVersion, ticksOf } from "@quorate/services/node";
import type { MemberId } from "@quorate/services/raft";
import { Replica, type StoreFailure, type Transport } from "@quorate/services/replica";
import {
  AlarmBoard,
  CallCounters,
  LeaderWait,
  leaderWaitMsMax,
  NodeService,
  WRITE_ORDER_MS_MAX,
  WriteOrder,
} from "@quorate/services/rpc";
import { type WatchHub, watchReplica } from "@quorate/services/watch";
import { type ClusterFrame, type Host, linkedChannels, type MemoryDisks } from "./host";
import { ListeningServer } from "./listening-server";
import { MemoryChannels } from "./memory-channels";
import { MemoryEndpoint } from "./memory-endpoint";
import { MemorySnapshots } from "./memory-snapshots";
import { PauseGate } from "./pause-gate";
import { PausedService } from "./paused-service";
import { TestClusterError } from "./test-cluster-error";

/** Beside what all hosts share: the network in memory, and the way to the other nodes' services. */
export interface MemoryFrame extends ClusterFrame {
  readonly network: Network;
  /** By any address of a node; null while nothing listens there. */
  endpointAt(address: string): MemoryEndpoint | null;
  /** Those that the cluster began with. */
  readonly founders: MembershipState;
  /** Where a node is reached now, a founder or not; null where there is none of that id. */
  addressOf(id: MemberId): string | null;
  /** null while the node is down. */
  replicaOf(id: MemberId): Replica | null;
  /** Who leads the highest term among those that run; null for nobody. */
  leader(): Replica | null;
  readonly images: ImageInterference;
}

/** How long a node goes on that was removed, as a real one does, in election timeouts. */
const LINGER_TIMEOUTS = 3;

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
  readonly disks: MemoryDisks;
  failure: StoreFailure | null = null;
  private readonly storeId: string;
  private running: Running | null = null;
  private server: ListeningServer | null = null;

  constructor(
    readonly id: MemberId,
    private readonly frame: MemoryFrame,
    founders: MembershipState = NO_MEMBERS,
  ) {
    this.disks = { log: new MemoryLogDisk(), state: new MemoryStateDisk(undefined, undefined, founders) };
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

  /** As a real node does: it is taken in as a learner, brings the state of another, and goes on from there. */
  async join(as: "voter" | "learner"): Promise<void> {
    const { frame, id, disks } = this;
    const leader = frame.leader();
    if (leader === null) throw new TestClusterError(`${id} cannot join: the cluster has no leader`);
    const outcome = await leader.changeMembership({
      kind: "add",
      memberId: id,
      clientAddress: this.address,
      peerAddress: peerAddressOf(id),
      priority: PRIORITY_DEFAULT,
      promoteWhenCaughtUp: as === "voter",
      replaces: null,
    });
    if (outcome.kind !== "changed") throw new TestClusterError(`${id} cannot join: ${outcome.kind}`);
    const image = leader.state.freeze();
    const state = openMemoryStateStore(disks.state);
    const log = openMemoryLogStore(disks.log);
    try {
      const receiver = await state.receive(image.header);
      for await (const chunk of image.chunks(null)) await receiver.put(chunk);
      await receiver.complete();
      await log.reset((await state.install(receiver)).applied);
    } finally {
      image.close();
      await Promise.all([state.close(), log.close()]);
    }
    await this.start();
  }

  async start(): Promise<void> {
    const { frame, id, storeId } = this;
    this.failure = null;
    const log = openMemoryLogStore(this.disks.log);
    const state = openMemoryStateStore(this.disks.state);
    const { applied } = state.opened;
    if (log.term(applied.index) !== applied.term) await log.reset(applied);
    const { time, profile } = frame;
    const { tickMs, electionTicks } = ticksOf(profile);
    const transport = new LateTransport();
    const replica = new Replica({
      id,
      storeId,
      timing: { heartbeatTicks: HEARTBEAT_TICKS, electionTicks },
      log: guardLogStore(log, this.failPoints),
      state: guardStateStore(state, this.failPoints),
      machineOf: (resident) => new StateMachine(resident),
      addresses: { clientAddress: this.address, peerAddress: peerAddressOf(id) },
      snapshots: guardSnapshotSource(
        new FilteredSnapshotSource(
          new MemorySnapshots((from) => frame.replicaOf(from), time),
          id,
          frame.images,
        ),
        this.failPoints,
      ),
      logKeeping: frame.logKeeping,
      transport: guardTransport(transport, this.failPoints),
      clock: { monotonicMs: () => time.nowMs(), wallMs: () => time.wallMs() },
      scheduler: {
        afterThisTurn: (run) => time.after(0, () => this.gate.pass(run)),
        // A virtual clock stands still until the test moves it, and followers would wait for that to hear of a commit.
        afterMs: (delayMs, run) =>
          time.after(time.kind === "virtual" ? 0 : delayMs, () => this.gate.pass(run)),
      },
      random: frame.random.fork(),
      // Nor is a read to wait for the next heartbeat there.
      readsAsk: time.kind === "virtual" ? "all" : "quorum",
      history: frame.history,
    });
    const watches = watchReplica(replica, { noLeaderMs: 2 * profile.electionTimeoutMs });
    const { directory, service, endpoint } = this.serve(replica, watches);
    const inner = frame.network.attach({
      id,
      storeId,
      addresses: { clientAddress: this.address, peerAddress: peerAddressOf(id) },
      get membership() {
        return replica.membership;
      },
      receive: (messages) => this.gate.pass(() => replica.receive(messages)),
      reportUnreachable: (peer) => this.gate.pass(() => replica.reportUnreachable(peer)),
      reportReset: (peer) => this.gate.pass(() => replica.reportReset(peer)),
      memberStore: (member) => replica.memberStore(member),
      noteIntroduction: (introduction) => replica.noteIntroduction(introduction),
      removed: () => this.leave(),
    });
    transport.inner = { send: (messages) => this.gate.pass(() => inner.send(messages)) };
    const stopTicking = time.every(tickMs, () => {
      if (this.gate.isPaused) return;
      replica.tick();
      if (replica.status().raft.leaderId === null) frame.network.greet(this.id);
      watches.tick(time.nowMs());
    });
    this.running = { replica, watches, directory, endpoint, service, stopTicking };
    replica.reportStarted();
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

  /** This node names the members by the addresses that they have now. */
  learnAddresses(): void {
    const { running } = this;
    running?.directory.setAddresses(this.clientAddresses(running.replica));
  }

  private clientAddresses(replica: Replica): readonly (readonly [MemberId, string])[] {
    return replica.membership.members.map(({ memberId, clientAddress }) => [
      memberId,
      this.frame.addressOf(memberId) ?? clientAddress,
    ]);
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
    const directory = new LeaderDirectory(this.clientAddresses(replica));
    const timer = {
      wallMs: () => time.wallMs(),
      after: (delayMs: number, run: () => void) => time.after(delayMs, run),
    };
    const leaderWait = new LeaderWait({
      ...timer,
      waitMsMax: leaderWaitMsMax(frame.profile.electionTimeoutMs),
    });
    const writeOrder = new WriteOrder({ ...timer, waitMsMax: WRITE_ORDER_MS_MAX });
    const counters = new CallCounters();
    const clock = { monotonicMs: () => time.nowMs(), wallMs: () => time.wallMs() };
    const startedAtMs = time.nowMs();
    const channels = new MemoryChannels(id, (address) => frame.endpointAt(address), time);
    const context = {
      clusterId: frame.clusterId,
      memberId: id,
      storeId: this.storeId,
      softwareVersion: softwareVersion(),
      // They are where the cluster has recorded them.
      get members() {
        return replica.membership.members.map(({ memberId, clientAddress, peerAddress }) => ({
          id: memberId,
          clientAddress: frame.addressOf(memberId) ?? clientAddress,
          peerAddress,
        }));
      },
      replica,
      watches,
      directory,
      leaderWait,
      writeOrder,
      limits: DEFAULT_LIMITS,
      digest: sha256Digest,
      counters,
      facts: {
        uptimeMs: () => time.nowMs() - startedAtMs,
        memoryBytes: () => process.memoryUsage.rss(),
        diskBytes: () => Promise.resolve(0),
        diskFreeBytes: () => null,
        hasFailed: () => this.failure !== null,
      },
      alarms: new AlarmBoard({ replica, verification: null, clock }),
      verification: null,
      administration: {
        backup: null,
        dropClient: (address: string) => this.server?.dropClient(address) ?? false,
        setLogLevel: () => "silent" as const,
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
        writeOrder.clear();
        if (leaderId !== null) leaderWait.release();
        this.server?.setLeaderKnown(leaderId !== null);
      },
      membershipChanged: () => directory.setAddresses(this.clientAddresses(replica)),
      // A test looks at any node, and where its clock stands still no tick comes that a follower would wait for.
      isWaiting: () => true,
      removed: () => this.leave(),
      failed: (failure) => this.onFailure(replica, failure),
    });
    directory.replaceLeader(replica.leader.id, replica.leader.term);
    return { directory, service, endpoint };
  }

  /** The cluster has removed it: it ends by itself, and answers first whoever asked for that. */
  private leave(): void {
    const { running } = this;
    const { time, profile } = this.frame;
    time.after(LINGER_TIMEOUTS * profile.electionTimeoutMs, () => {
      if (this.running === running) void this.kill();
    });
  }

  /** A node whose store failed ends, as its process would. */
  private onFailure(replica: Replica, failure: StoreFailure): void {
    if (this.running?.replica !== replica) return;
    this.failure = failure;
    void this.kill();
  }
}

function peerAddressOf(id: MemberId): string {
  return `${id}.memory:2`;
}

/** A replica needs its transport, and the network needs the replica. */
class LateTransport implements Transport {
  inner: Transport | null = null;

  send(messages: Parameters<Transport["send"]>[0]): void {
    this.inner?.send(messages);
  }
}
