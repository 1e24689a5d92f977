import { randomInt } from "node:crypto";
import {
  ByteChannels,
  ByteServer,
  Health,
  LeaderDirectory,
  MESSAGE_BYTES_MAX_DEFAULT,
  Reflection,
} from "#forward";
import { StateMachine } from "#kv";
import { leaseTermsOf } from "#raft";
import { Replica } from "#replica";
import {
  AlarmBoard,
  CallCounters,
  LeaderWait,
  leaderWaitMsMax,
  type NodeContext,
  NodeService,
  type PeerIdentity,
  PeerServer,
  PeerSnapshotSource,
  PeerTransport,
  PeerVerification,
  WRITE_ORDER_MS_MAX,
  WriteOrder,
} from "#rpc";
import { seededRandom } from "#std";
import type { OpenedStores } from "#storage";
import type { Verifier } from "#verification";
import { type WatchHub, watchReplica } from "#watch";
import { AddressBook } from "./address-book";
import { administration } from "./administration";
import type { NodeConfig } from "./config";
import { FreeSpaceWatch } from "./free-space";
import type { LeveledLog } from "./leveled-log";
import { Observation } from "./observation";
import { sha256Digest, systemClock, turnScheduler } from "./platform";
import { NodeFacts } from "./process-facts";
import { HEARTBEAT_TICKS, ticksOf } from "./profile";
import type { NodeSeams } from "./seams";
import { verifierOf } from "./verification";
import { softwareVersion } from "./version";

/** What a unary call gets that brings no deadline. */
const DEFAULT_DEADLINE_MS = 30_000;

/**
 * How much larger a request may be than its limit and still be answered in our own words; above it gRPC refuses it,
 * before it is read whole.
 */
const REQUEST_SLACK_BYTES = 64 * 1024;

/** What a node consists of. */
export interface NodeParts {
  readonly config: NodeConfig;
  readonly log: LeveledLog;
  readonly own: PeerIdentity;
  readonly stores: OpenedStores;
  readonly replica: Replica;
  readonly watches: WatchHub;
  readonly directory: LeaderDirectory;
  readonly leaderWait: LeaderWait;
  readonly writeOrder: WriteOrder;
  readonly addresses: AddressBook;
  readonly facts: NodeFacts;
  readonly freeSpace: FreeSpaceWatch;
  readonly alarms: AlarmBoard;
  readonly verifier: Verifier;
  readonly verificationPeers: PeerVerification;
  readonly observation: Observation;
  readonly counters: CallCounters;
  readonly health: Health;
  readonly reflection: Reflection;
  readonly channels: ByteChannels;
  readonly snapshots: PeerSnapshotSource;
  readonly transport: PeerTransport;
  readonly peerServer: PeerServer;
  readonly clientServer: ByteServer;
  readonly tick: () => void;
}

/** Who the node learns things from that its parts cannot settle by themselves. */
export interface NodeEvents {
  /** A peer says, in words, that this member was removed. */
  removed(why: string): void;
  /** A peer says, in words, that this member is bound to another data directory. */
  disowned(why: string): void;
}

/** Puts the parts of a node together. Nothing runs yet but the watch of the disk. */
export function assemble(
  config: NodeConfig,
  log: LeveledLog,
  given: { readonly stores: OpenedStores; readonly own: PeerIdentity; readonly pledgedMs: number },
  events: NodeEvents,
  seams: NodeSeams,
): NodeParts {
  const { id, limits, profile } = config;
  const { stores, own } = given;
  const { state, log: logStore } = stores;
  const { membership } = state.opened.resident;
  const observation = new Observation(
    { ...own, softwareVersion: softwareVersion() },
    { tracing: config.tracing, appliedIndex: state.opened.applied.index },
  );

  const random = seededRandom(randomInt(2 ** 32));
  const { clientAddress, peerAddress } = own;
  const others = config.members.filter((member) => member.id !== id);
  const known = [...others, { id, clientAddress, peerAddress }];
  const addresses = new AddressBook(membership, known, config.peerRoutes);
  const directory = new LeaderDirectory(addresses.clients);
  const timer = {
    wallMs: () => Date.now(),
    after: (delayMs: number, run: () => void) => {
      const timeout = setTimeout(run, delayMs);
      return () => clearTimeout(timeout);
    },
  };
  const leaderWait = new LeaderWait({
    ...timer,
    waitMsMax: leaderWaitMsMax(profile.electionTimeoutMs),
  });
  const writeOrder = new WriteOrder({ ...timer, waitMsMax: WRITE_ORDER_MS_MAX });
  const transport = new PeerTransport({
    own,
    peers: new Map([...addresses.peers].filter(([member]) => member !== id)),
    random: random.fork(),
    log,
    onRemoved: (why) => events.removed(why),
    onDisowned: (why) => events.disowned(why),
    traces: observation.entryTraces,
  });
  const snapshots = new PeerSnapshotSource({
    own,
    addressOf: (member) => addresses.peerAddress(member),
    epoch: () => replica.membership.epoch,
  });
  const replica: Replica = new Replica({
    id,
    storeId: own.storeId,
    addresses: { clientAddress, peerAddress },
    timing: { heartbeatTicks: HEARTBEAT_TICKS, electionTicks: ticksOf(profile).electionTicks },
    log: observation.log(seams.log?.(logStore) ?? logStore),
    state: observation.state(seams.state?.(state) ?? state),
    machineOf: (resident) => new StateMachine(resident),
    transport: seams.transport?.(transport) ?? transport,
    snapshots: observation.snapshots(seams.snapshots?.(snapshots) ?? snapshots),
    clock: systemClock,
    scheduler: seams.scheduler ?? turnScheduler,
    random: random.fork(),
    bounds: { imagesMax: config.snapshotsSendingMax },
    history: config.history,
    logKeeping: config.logKeeping,
    ...(config.leaseReads ? { lease: leaseTermsOf(profile.electionTimeoutMs, given.pledgedMs) } : {}),
  });

  const verificationPeers = new PeerVerification({
    own,
    addressOf: (member) => addresses.peerAddress(member),
    epoch: () => replica.membership.epoch,
  });
  const verifier = verifierOf(replica, verificationPeers, { intervalMs: config.verifyIntervalMs, log });
  const watches = watchReplica(replica, { noLeaderMs: 2 * profile.electionTimeoutMs });
  const freeSpace = new FreeSpaceWatch({
    path: config.dataDir,
    freeBytesMin: config.freeBytesMin,
    log,
    onChange: (isLow) => replica.setLowOnSpace(isLow),
    ...(seams.freeBytes === undefined ? {} : { freeBytes: seams.freeBytes }),
  });
  const facts = new NodeFacts(config.dataDir, freeSpace);
  const alarms = new AlarmBoard({ replica, verification: verifier, clock: systemClock });
  const counters = new CallCounters();
  const messageBytesMax = Math.max(MESSAGE_BYTES_MAX_DEFAULT, limits.requestBytesMax + REQUEST_SLACK_BYTES);
  const channels = new ByteChannels({
    messageBytesMax,
    keepalive: { timeMs: 2000, timeoutMs: 1000 },
    pipelining: true,
  });
  const context: NodeContext = {
    clusterId: own.clusterId,
    memberId: id,
    storeId: own.storeId,
    softwareVersion: softwareVersion(),
    get members() {
      return addresses.members;
    },
    replica,
    watches,
    directory,
    leaderWait,
    writeOrder,
    limits,
    digest: sha256Digest,
    counters,
    facts,
    alarms,
    verification: {
      status: () => verifier.status(),
      verify: () => verifier.verifyNow(),
      repairMember: (member) => verifier.repair(member),
    },
    administration: administration({
      clusterId: own.clusterId,
      softwareVersion: softwareVersion(),
      state: replica.state,
      dropConnection: (address) => clientServer.dropConnection(address),
      log,
      wallMs: systemClock.wallMs,
    }),
    log,
    commands: observation.commands,
    forwarding: config.forwarding,
    clients: () => clientServer.connections,
    wallMs: () => systemClock.wallMs(),
  };
  const service = new NodeService(context, seams.channels?.(channels) ?? channels);
  const clientServer: ByteServer = new ByteServer({
    service: observation.service(seams.service?.(service) ?? service),
    log,
    defaultDeadlineMs: DEFAULT_DEADLINE_MS,
    messageBytesMax: limits.requestBytesMax + REQUEST_SLACK_BYTES,
    onEnd: (method, code, elapsedMs) => {
      counters.ended(method, code);
      observation.callEnded(method, code, elapsedMs);
    },
  });
  const tick = (): void => {
    replica.tick();
    const nowMs = systemClock.monotonicMs();
    watches.tick(nowMs);
    verifier.tick(nowMs);
  };
  const health = new Health();
  const reflection = new Reflection();
  health.addTo(clientServer);
  reflection.addTo(clientServer);
  const peerServer = new PeerServer({
    own,
    replica,
    guests: addresses.noting(transport),
    log,
    verification: verifier,
    sendingMax: config.snapshotsSendingMax,
    traces: observation.entryTraces,
  });
  return {
    config,
    log,
    own,
    stores,
    replica,
    watches,
    directory,
    leaderWait,
    writeOrder,
    addresses,
    facts,
    freeSpace,
    alarms,
    verifier,
    verificationPeers,
    observation,
    counters,
    health,
    reflection,
    channels,
    snapshots,
    transport,
    peerServer,
    clientServer,
    tick: seams.tick?.(tick) ?? tick,
  };
}

/** In the order that loses nothing: clients first, stores last. Safe to call twice. */
export async function dismantle(parts: NodeParts, drainMs: number): Promise<void> {
  await parts.clientServer.close(drainMs);
  parts.freeSpace.close();
  parts.watches.close();
  parts.verifier.close();
  await parts.replica.stop();
  closeNetwork(parts);
  await parts.stores.close();
}

/** Cuts what leads to other nodes. Safe to call twice. */
export function closeNetwork(parts: NodeParts): void {
  const { transport, snapshots, verificationPeers, peerServer, channels } = parts;
  transport.close();
  snapshots.close();
  verificationPeers.close();
  peerServer.close();
  channels.close();
}
