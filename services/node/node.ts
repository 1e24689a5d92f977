import type { Log } from "#forward";
import type { RunningMetrics } from "#metrics";
import type { Replica, StoreFailure } from "#replica";
import { assemble, closeNetwork, dismantle, type NodeParts } from "./assembly";
import type { NodeConfig } from "./config";
import { leveled } from "./leveled-log";
import { openData } from "./opening";
import { ticksOf } from "./profile";
import type { NodeSeams } from "./seams";
import { secondBootstrap } from "./second-bootstrap";
import { listening, startFault } from "./start-fault";
import type { StartRefusal } from "./start-refusal";

/** How long a handover of leadership at shutdown may take. */
const HANDOVER_MS_MAX = 1000;

/** How often it is looked at what an operator should know of. */
const ALARM_LOOK_MS = 1000;

/** How long a node goes on that has applied its own removal, in election timeouts. */
const LINGER_TIMEOUTS = 3;

/** After a failed store nothing can succeed any more: only the answers that say so are still to be sent. */
const FAILED_DRAIN_MS = 500;

/** Where a node listens, host:port with the port that the system gave where the configuration said 0. */
export interface ServedAddresses {
  readonly client: string;
  readonly peer: string;
  /** null where none are served. */
  readonly metrics: string | null;
}

export type OpenOutcome =
  | { readonly kind: "opened"; readonly node: Node; readonly served: ServedAddresses }
  | StartRefusal
  /** The signal of the owner came first. */
  | { readonly kind: "aborted" };

/** Whoever runs a node: it is told, once, why the node does nothing more, and is to close it then. */
export interface NodeOwner {
  /** A store failed. */
  failed(failure: StoreFailure): void;
  /** The cluster has removed this member. @param why in words */
  removed?(why: string): void;
  /** The cluster turns out to refuse its data directory, in a way that only an operator can put right. */
  refused?(refusal: StartRefusal): void;
  /** Gives up a start that waits for other nodes. */
  readonly signal?: AbortSignal;
}

interface Running {
  readonly parts: NodeParts;
  readonly removal: Removal;
  readonly metrics: RunningMetrics | null;
}

/** One member of a cluster as a process part: opened from its configuration, closed in the order that loses nothing. */
export class Node {
  private readonly parts: NodeParts;
  private readonly removal: Removal;
  private readonly metrics: RunningMetrics | null;
  private readonly ticking: NodeJS.Timeout;
  private readonly looking: NodeJS.Timeout;
  private closing: Promise<void> | null = null;

  private constructor({ parts, removal, metrics }: Running) {
    this.parts = parts;
    this.removal = removal;
    this.metrics = metrics;
    const { tickMs } = ticksOf(parts.config.profile);
    this.ticking = setInterval(parts.tick, tickMs);
    this.looking = setInterval(() => parts.alarms.observe(), ALARM_LOOK_MS);
  }

  /**
   * Opens the data directory, bringing what is to be brought from other nodes, and serves once everything in it was
   * verified.
   *
   * @param seams where tests put something in between; nothing by default
   * @throws StoreFailure when what is on disk cannot be trusted; ListenFailure when a port cannot be taken
   */
  static async open(
    config: NodeConfig,
    log: Log & { level?: string },
    owner: NodeOwner,
    seams: NodeSeams = {},
  ): Promise<OpenOutcome> {
    const signal = owner.signal ?? new AbortController().signal;
    const data = await openData(config, log, signal);
    if (data.kind !== "opened") return data;
    const { stores } = data;
    try {
      const removal = new Removal(log, owner, LINGER_TIMEOUTS * config.profile.electionTimeoutMs);
      const events = {
        removed: (why: string) => removal.removed(why),
        disowned: (why: string) => removal.disowned(why, secondBootstrap(data.directory, stores.log)),
      };
      const parts = assemble(config, leveled(log, config.logLevel), data, events, seams);
      try {
        return await serve(parts, owner, removal);
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
  static running(running: Running): Node {
    return new Node(running);
  }

  /**
   * Graceful: says NOT_SERVING, takes no more calls, lets those under way end, hands leadership over, and closes
   * everything. Safe to call twice.
   */
  close(): Promise<void> {
    this.removal.cancel();
    this.closing ??= this.shutDown();
    return this.closing;
  }

  /** As a crash, as far as that goes inside a process that lives on: nothing is drained, handed over or said. */
  kill(): Promise<void> {
    this.removal.cancel();
    this.closing ??= this.dropAll();
    return this.closing;
  }

  /** For those who look inside: tests that compare what the nodes of a cluster hold. */
  get replica(): Replica {
    return this.parts.replica;
  }

  private stopTime(): void {
    clearInterval(this.ticking);
    clearInterval(this.looking);
  }

  private async dropAll(): Promise<void> {
    const { health, reflection, clientServer, replica, watches, verifier, freeSpace, stores } = this.parts;
    this.stopTime();
    freeSpace.close();
    closeNetwork(this.parts);
    health.close();
    reflection.close();
    // Not waited for: a write that a fail point has ended the node in never returns. The stores wait for their own.
    void replica.stop();
    await clientServer.close(0);
    watches.close();
    verifier.close();
    await this.metrics?.close();
    await stores.close();
  }

  private async shutDown(): Promise<void> {
    const { health, reflection, clientServer, facts, config, leaderWait, writeOrder } = this.parts;
    facts.noteClosing();
    leaderWait.release();
    writeOrder.clear();
    health.close();
    reflection.close();
    // At once, not after the last call has ended: a leader that takes no calls is no use to anyone.
    const handedOver = this.handOver();
    await clientServer.close(facts.hasFailed() ? FAILED_DRAIN_MS : config.drainMs);
    await handedOver;
    this.stopTime();
    await dismantle(this.parts, 0);
    // Last, so that readiness is told as long as anything is under way.
    await this.metrics?.close();
  }

  private async handOver(): Promise<void> {
    const { replica, facts, log } = this.parts;
    // One that was removed has handed over where it could.
    const isMember = replica.membership.members.some(({ memberId }) => memberId === replica.id);
    if (!replica.isLeader || facts.hasFailed() || !isMember) return;
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<"timed_out">((resolve) => {
      timer = setTimeout(() => resolve("timed_out"), HANDOVER_MS_MAX);
    });
    const handedOver = replica.transferLeadership(null).then((result) => result.kind);
    log.info({ outcome: await Promise.race([handedOver, tooLate]) }, "handed leadership over");
    clearTimeout(timer);
  }
}

/**
 * That this member was removed, or never was one with this data, is learned in several ways, and said once. Where it
 * applied its removal itself it goes on for a while: the others may hold the change and not know yet that it is
 * committed, and need its messages, or its vote, to find out.
 */
class Removal {
  private isKnown = false;
  private lingering: NodeJS.Timeout | null = null;

  constructor(
    private readonly log: Log,
    private readonly owner: NodeOwner,
    private readonly lingerMs: number,
  ) {}

  applied(): void {
    this.lingering ??= setTimeout(
      () => this.removed("the change of the membership that removed it was applied here"),
      this.lingerMs,
    );
  }

  /** The node ends whatever becomes of this. */
  cancel(): void {
    if (this.lingering !== null) clearTimeout(this.lingering);
  }

  removed(why: string): void {
    if (this.isKnown) return;
    this.isKnown = true;
    this.log.warn(
      { reason: why },
      "this member was removed from the cluster and stops: its data directory is of no more use; to come back it joins with an empty one",
    );
    this.owner.removed?.(why);
  }

  /** @param refusal null where the peer that said so may lag behind */
  disowned(why: string, refusal: StartRefusal | null): void {
    if (this.isKnown || refusal === null) return;
    this.isKnown = true;
    this.log.warn({ reason: why }, "the cluster refuses this data directory, and the node stops");
    this.owner.refused?.(refusal);
  }
}

/** Peers first: a node that clients can reach should be able to know its leader. */
async function serve(parts: NodeParts, owner: NodeOwner, removal: Removal): Promise<OpenOutcome> {
  const { config, own, replica, directory, transport, peerServer, clientServer, freeSpace } = parts;
  follow(parts, owner, removal);
  const { leader } = replica;
  directory.replaceLeader(leader.id, leader.term);
  const listenPeer = config.listenPeer ?? own.peerAddress;
  const listenClient = config.listenClient ?? own.clientAddress;
  const peer = await listening("listen-peer", listenPeer, peerServer.listen(listenPeer));
  const client = await listening("listen-client", listenClient, clientServer.listen(listenClient));
  const metrics = await serveMetrics(parts);
  await freeSpace.look();
  transport.open(replica);
  replica.reportStarted();
  const served = {
    client: withPort(listenClient, client),
    peer: withPort(listenPeer, peer),
    metrics: metrics === null ? null : withPort(config.listenMetrics ?? "", metrics.port),
  };
  return { kind: "opened", node: Node.running({ parts, removal, metrics }), served };
}

function withPort(address: string, port: number): string {
  return `${address.slice(0, address.lastIndexOf(":"))}:${port}`;
}

/** What the parts learn from the replica as long as they live. */
function follow(parts: NodeParts, owner: NodeOwner, removal: Removal): void {
  const { log, replica, directory, leaderWait, writeOrder, addresses, facts, health } = parts;
  const { transport, channels, verificationPeers } = parts;
  let { epoch: knownEpoch } = replica.membership;
  let receivingFault: string | null = null;
  const takeAddresses = (): void => {
    addresses.update(replica.membership);
    transport.setPeers(addresses.peers);
    directory.setAddresses(addresses.clients);
    channels.keepOnly(addresses.clients.map(([, address]) => address));
    verificationPeers.keepOnly([...addresses.peers.values()]);
  };
  replica.subscribe({
    leaderChanged: (leaderId, term) => {
      directory.replaceLeader(leaderId, term);
      writeOrder.clear();
      if (leaderId !== null) leaderWait.release();
      health.setLeaderKnown(leaderId !== null);
      log.info({ leader: leaderId, term }, leaderId === null ? "no leader is known" : "leader known");
    },
    membershipChanged: ({ epoch, configuration }) => {
      takeAddresses();
      if (epoch !== knownEpoch) log.info({ epoch, ...configuration }, "the members changed");
      knownEpoch = epoch;
    },
    receivingFailed: (failure) => {
      if (failure.message === receivingFault) return;
      receivingFault = failure.message;
      const advice = startFault(failure)?.problem ?? failure.message;
      log.warn(
        { reason: failure.message },
        `this member needs the state of a peer and has no room for it: ${advice}; it is tried again by itself, and the node goes on`,
      );
    },
    installed: () => {
      receivingFault = null;
      takeAddresses();
      log.info({ appliedIndex: replica.status().appliedIndex }, "installed a snapshot of the state");
    },
    removed: () => removal.applied(),
    failed: (failure) => {
      facts.noteFailure();
      health.stop();
      owner.failed(failure);
    },
  });
}

async function serveMetrics(parts: NodeParts): Promise<RunningMetrics | null> {
  const { config, log, replica, watches, facts, alarms, verifier, observation, counters, clientServer } =
    parts;
  const { writeOrder } = parts;
  const { listenMetrics } = config;
  if (listenMetrics === null) return null;
  const running = observation.serve({
    listen: listenMetrics,
    log,
    replica,
    watches,
    connections: () => clientServer.connections.length,
    connectionsCut: () => clientServer.connectionsCut,
    writeOrder,
    streams: () => clientServer.openStreams,
    callsForwarded: () => counters.forwarded,
    hasFailed: () => facts.hasFailed(),
    isClosing: () => facts.isClosing(),
    diskBytes: () => facts.diskBytes(),
    diskFreeBytes: () => facts.diskFreeBytes(),
    verification: () => verifier.status(),
    alarms: () => alarms.list.map(({ kind }) => kind),
  });
  return listening("listen-metrics", listenMetrics, running);
}
