import { randomInt } from "node:crypto";
import {
  ByteChannels,
  ByteServer,
  channelOptions,
  Health,
  LeaderDirectory,
  type Log,
  MESSAGE_BYTES_MAX_DEFAULT,
  Reflection,
} from "#forward";
import { StateMachine } from "#kv";
import { configurationOf, type MemberId } from "#raft";
import { Replica, type StoreFailure } from "#replica";
import { CallCounters, type NodeContext, NodeService, PeerServer, PeerTransport } from "#rpc";
import { seededRandom } from "#std";
import {
  createDataDirectory,
  type DataIdentity,
  type DirectoryRefusal,
  type OpenedStores,
  openDataDirectory,
  openStores,
} from "#storage";
import { type WatchHub, watchReplica } from "#watch";
import type { NodeConfig } from "./config";
import { sha256Digest, systemClock, turnScheduler } from "./platform";
import { NodeFacts } from "./process-facts";
import { HEARTBEAT_TICKS, ticksOf } from "./profile";
import type { NodeSeams } from "./seams";
import { softwareVersion } from "./version";

/** What a unary call gets that brings no deadline. */
const DEFAULT_DEADLINE_MS = 30_000;

/**
 * How much larger a request may be than its limit and still be answered in our own words; above it gRPC refuses it,
 * before it is read whole.
 */
const REQUEST_SLACK_BYTES = 64 * 1024;

/** How long a handover of leadership at shutdown may take. */
const HANDOVER_MS_MAX = 1000;

/** After a failed store nothing can succeed any more: only the answers that say so are still to be sent. */
const FAILED_DRAIN_MS = 500;

export interface NodePorts {
  readonly client: number;
  readonly peer: number;
}

export type OpenOutcome =
  | { readonly kind: "opened"; readonly node: Node; readonly ports: NodePorts }
  | DirectoryRefusal;

interface NodeParts {
  readonly config: NodeConfig;
  readonly log: Log;
  readonly stores: OpenedStores;
  readonly replica: Replica;
  readonly watches: WatchHub;
  readonly directory: LeaderDirectory;
  readonly facts: NodeFacts;
  readonly health: Health;
  readonly reflection: Reflection;
  readonly channels: ByteChannels;
  readonly transport: PeerTransport;
  readonly peerServer: PeerServer;
  readonly clientServer: ByteServer;
  readonly tick: () => void;
}

/** One member of a cluster as a process part: opened from its configuration, closed in the order that loses nothing. */
export class Node {
  private readonly parts: NodeParts;
  private readonly ticking: NodeJS.Timeout;
  private closing: Promise<void> | null = null;

  private constructor(parts: NodeParts) {
    this.parts = parts;
    const { tickMs } = ticksOf(parts.config.profile);
    this.ticking = setInterval(parts.tick, tickMs);
  }

  /**
   * Opens the data directory, and serves once everything in it was verified.
   *
   * @param onFailure told once when a store fails: the node does nothing more, and is to be closed
   * @param seams where tests put something in between; nothing by default
   * @throws StoreFailure when what is on disk cannot be trusted; an error when a port cannot be taken
   */
  static async open(
    config: NodeConfig,
    log: Log,
    onFailure: (failure: StoreFailure) => void,
    seams: NodeSeams = {},
  ): Promise<OpenOutcome> {
    const { id, clusterId, members, dataDir, bootstrap } = config;
    const outcome =
      bootstrap && clusterId !== null
        ? await createDataDirectory({ path: dataDir, clusterId, memberId: id, members })
        : await openDataDirectory({ path: dataDir, clusterId, memberId: id });
    if (outcome.kind === "refused") return outcome;
    const { identity } = outcome.directory;
    const strangers = membersRefusal(identity, members);
    if (strangers !== null) return strangers;
    const storesOutcome = await openStores(outcome.directory);
    if (storesOutcome.kind === "refused") return storesOutcome;
    const { stores } = storesOutcome;
    try {
      const own = { clusterId: identity.clusterId, memberId: id, storeId: identity.storeId };
      const parts = await assemble(config, log, stores, own, seams);
      try {
        return await serve(parts, onFailure);
      } catch (error) {
        await dismantle(parts, 0);
        throw error;
      }
    } catch (error) {
      await stores.close();
      throw error;
    }
  }

  /** Takes over what serve() has set up. */
  static running(parts: NodeParts): Node {
    return new Node(parts);
  }

  /**
   * Graceful: says NOT_SERVING, takes no more calls, lets those under way end, hands leadership over, and closes
   * everything. Safe to call twice.
   */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  /** As a crash, as far as that goes inside a process that lives on: nothing is drained, handed over or said. */
  kill(): Promise<void> {
    this.closing ??= this.dropAll();
    return this.closing;
  }

  /** For those who look inside: tests that compare what the nodes of a cluster hold. */
  get replica(): Replica {
    return this.parts.replica;
  }

  private async dropAll(): Promise<void> {
    const { health, reflection, transport, peerServer, channels, clientServer, replica, watches, stores } =
      this.parts;
    clearInterval(this.ticking);
    transport.close();
    peerServer.close();
    channels.close();
    health.close();
    reflection.close();
    // Not waited for: a write that a fail point has ended the node in never returns. The stores wait for their own.
    void replica.stop();
    await clientServer.close(0);
    watches.close();
    await stores.close();
  }

  private async shutDown(): Promise<void> {
    const { health, reflection, clientServer, facts, config } = this.parts;
    health.close();
    reflection.close();
    // At once, not after the last call has ended: a leader that takes no calls is no use to anyone.
    const handedOver = this.handOver();
    await clientServer.close(facts.hasFailed() ? FAILED_DRAIN_MS : config.drainMs);
    await handedOver;
    clearInterval(this.ticking);
    await dismantle(this.parts, 0);
  }

  private async handOver(): Promise<void> {
    const { replica, facts, log } = this.parts;
    if (!replica.isLeader || facts.hasFailed()) return;
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<"timed_out">((resolve) => {
      timer = setTimeout(() => resolve("timed_out"), HANDOVER_MS_MAX);
    });
    const handedOver = replica.transferLeadership(null).then((result) => result.kind);
    log.info({ outcome: await Promise.race([handedOver, tooLate]) }, "handed leadership over");
    clearTimeout(timer);
  }
}

/** The members are fixed at bootstrap: another list would count another majority. Addresses may change. */
function membersRefusal(
  identity: DataIdentity,
  members: readonly { readonly id: MemberId }[],
): DirectoryRefusal | null {
  const bootstrapped = identity.members.map(({ id }) => id).join(", ");
  const given = members.map(({ id }) => id).join(", ");
  if (given === bootstrapped) return null;
  return {
    kind: "refused",
    reason: "other_members",
    message: `the cluster was bootstrapped with members ${bootstrapped}, and --members has ${given}: give those`,
  };
}

async function assemble(
  config: NodeConfig,
  log: Log,
  stores: OpenedStores,
  own: { readonly clusterId: string; readonly memberId: MemberId; readonly storeId: string },
  seams: NodeSeams,
): Promise<NodeParts> {
  const { id, members, limits, profile } = config;
  const { state, log: logStore } = stores;
  if (stores.stateRebuiltBecause !== null) {
    log.warn({ reason: stores.stateRebuiltBecause }, "the state is rebuilt from the log");
  }
  // After a crash the state may be ahead of the log only if it was installed whole; the log then goes on behind it.
  if (logStore.lastIndex() < state.opened.applied.index) await logStore.reset(state.opened.applied);

  const random = seededRandom(randomInt(2 ** 32));
  const directory = new LeaderDirectory(members.map((member) => [member.id, member.clientAddress]));
  const peers = new Map(
    members.filter((member) => member.id !== id).map((member) => [member.id, member.peerAddress]),
  );
  const transport = new PeerTransport({ own, peers, random: random.fork(), log });
  const replica = new Replica({
    id,
    storeId: own.storeId,
    configuration: configurationOf(members.map((member) => member.id)),
    timing: { heartbeatTicks: HEARTBEAT_TICKS, electionTicks: ticksOf(profile).electionTicks },
    log: seams.log?.(logStore) ?? logStore,
    state: seams.state?.(state) ?? state,
    machine: new StateMachine(state.opened.resident),
    transport: seams.transport?.(transport) ?? transport,
    clock: systemClock,
    scheduler: seams.scheduler ?? turnScheduler,
    random: random.fork(),
    history: config.history,
  });

  const watches = watchReplica(replica, { noLeaderMs: 2 * profile.electionTimeoutMs });
  const facts = new NodeFacts(config.dataDir);
  const counters = new CallCounters();
  const messageBytesMax = Math.max(MESSAGE_BYTES_MAX_DEFAULT, limits.requestBytesMax + REQUEST_SLACK_BYTES);
  const channels = new ByteChannels(channelOptions(messageBytesMax, { timeMs: 2000, timeoutMs: 1000 }));
  const context: NodeContext = {
    ...own,
    softwareVersion: softwareVersion(),
    members,
    replica,
    watches,
    directory,
    limits,
    digest: sha256Digest,
    counters,
    facts,
    log,
    forwarding: config.forwarding,
    clients: () => clientServer.connections,
    wallMs: () => systemClock.wallMs(),
  };
  const service = new NodeService(context, seams.channels?.(channels) ?? channels);
  const clientServer = new ByteServer({
    service: seams.service?.(service) ?? service,
    log,
    defaultDeadlineMs: DEFAULT_DEADLINE_MS,
    messageBytesMax: limits.requestBytesMax + REQUEST_SLACK_BYTES,
    onEnd: (method, code) => counters.ended(method, code),
  });
  const tick = (): void => {
    replica.tick();
    watches.tick(systemClock.monotonicMs());
  };
  const health = new Health();
  const reflection = new Reflection();
  health.addTo(clientServer);
  reflection.addTo(clientServer);
  const peerServer = new PeerServer({ own, isMember: (member) => peers.has(member), replica, log });
  return {
    config,
    log,
    stores,
    replica,
    watches,
    directory,
    facts,
    health,
    reflection,
    channels,
    transport,
    peerServer,
    clientServer,
    tick: seams.tick?.(tick) ?? tick,
  };
}

/** Peers first: a node that clients can reach should be able to know its leader. */
async function serve(parts: NodeParts, onFailure: (failure: StoreFailure) => void): Promise<OpenOutcome> {
  const { config, log, replica, directory, facts, health, transport, peerServer, clientServer } = parts;
  replica.subscribe({
    leaderChanged: (leaderId, term) => {
      directory.replaceLeader(leaderId, term);
      health.setLeaderKnown(leaderId !== null);
      log.info({ leader: leaderId, term }, leaderId === null ? "no leader is known" : "leader known");
    },
    failed: (failure) => {
      facts.noteFailure();
      health.stop();
      onFailure(failure);
    },
  });
  const { leader } = replica;
  directory.replaceLeader(leader.id, leader.term);
  const peer = await peerServer.listen(config.listenPeer);
  const client = await clientServer.listen(config.listenClient);
  transport.open(replica);
  return { kind: "opened", node: Node.running(parts), ports: { client, peer } };
}

async function dismantle(parts: NodeParts, drainMs: number): Promise<void> {
  const { replica, watches, stores, transport, peerServer, clientServer, channels } = parts;
  await clientServer.close(drainMs);
  watches.close();
  await replica.stop();
  transport.close();
  peerServer.close();
  channels.close();
  await stores.close();
}
