import { ClusterServiceDefinition, type ConnectedClient, type StatsResponse } from "@quorate/proto/cluster";
import { type BytesLike, toBytes, toHex } from "#client/bytes";
import type { Core } from "#client/core";
import { toCount, toNumber } from "#client/numbers";
import { type Plain, plain } from "#client/plain";
import { methodOf } from "#client/transport";
import { type BackupOptions, backupBytes } from "./backup";
import {
  type ClusterMember,
  type MemberChangeRequest,
  Membership,
  type MemberUpdate,
  type NewMember,
} from "./membership";
import { type ClusterCallOptions, type NodeCallOptions, nodePlan } from "./node-call";
import { type NodeStatus, nodeStatus } from "./status";
import { type ConsistencyReport, consistencyReport, type RepairReport } from "./verification";

const { methods } = ClusterServiceDefinition;

const METHODS = {
  status: methodOf(ClusterServiceDefinition, methods.status),
  transferLeadership: methodOf(ClusterServiceDefinition, methods.transferLeadership),
  hash: methodOf(ClusterServiceDefinition, methods.hash),
  listClients: methodOf(ClusterServiceDefinition, methods.listClients),
  dropClient: methodOf(ClusterServiceDefinition, methods.dropClient),
  stats: methodOf(ClusterServiceDefinition, methods.stats),
  takeSnapshot: methodOf(ClusterServiceDefinition, methods.takeSnapshot),
  verifyConsistency: methodOf(ClusterServiceDefinition, methods.verifyConsistency),
  repairMember: methodOf(ClusterServiceDefinition, methods.repairMember),
  setLogLevel: methodOf(ClusterServiceDefinition, methods.setLogLevel),
};

/** A comparison of all replicas reads what was written since the last one; a repair compares and then reads again. */
const VERIFY_MS_MAX = 60_000;
const REPAIR_MS_MAX = 300_000;

/** A checkpoint writes what is in memory to disk. */
const SNAPSHOT_MS_MAX = 60_000;

/** What a hash covers, and where it is computed. */
export interface HashOptions extends NodeCallOptions {
  /** The namespace; the client's own by default. */
  readonly namespace?: string;
  /** Only the keys that begin with this; all by default. */
  readonly prefix?: BytesLike;
  /** The revision to hash at, waited for if need be; the newest by default. */
  readonly revision?: number;
}

/** What asking for counters takes. */
export interface StatsOptions extends NodeCallOptions {
  /** Lets the counters begin from zero behind this answer. Such a call is not repeated once it may have been served. */
  readonly reset?: boolean;
}

/** A connection of a client to a node. */
export type ClusterClient = Plain<ConnectedClient>;

/** The counters of a node. */
export type NodeStats = Plain<StatsResponse>;

/** What a node logs: everything of this level and above it. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** What a node holds durably, and where its log begins. */
export interface SnapshotPoint {
  readonly memberId: string;
  readonly snapshotIndex: number;
  readonly logFirstIndex: number;
}

/** The Merkle root over keys and values. */
export interface HashResult {
  /** The root in hexadecimal, 64 digits. */
  readonly root: string;
  /** How many keys it covers. */
  readonly count: number;
  /** The revision it was computed at. */
  readonly revision: number;
  /** The node that computed it. */
  readonly memberId: string;
  /** The log index that the node had applied. */
  readonly appliedIndex: number;
}

/**
 * What an operator asks of a cluster. All calls reject with a QuorateError. Calls that change the cluster say in `outcome`
 * whether a failed one may have been carried out.
 */
export class Cluster {
  readonly #core: Core;
  readonly #namespace: string;
  readonly #membership: Membership;

  /** Clients are made by `connect`. */
  constructor(core: Core, namespace: string) {
    this.#core = core;
    this.#namespace = namespace;
    this.#membership = new Membership(core);
  }

  /** A node's role, progress, limits and resources. Answers without a leader. */
  async status(options: NodeCallOptions = {}): Promise<NodeStatus> {
    return nodeStatus(await this.#core.caller.read(METHODS.status, {}, nodePlan(this.#core, options)));
  }

  /** The members, sorted by id. Answers without a leader. */
  async members(options: NodeCallOptions = {}): Promise<readonly ClusterMember[]> {
    return this.#membership.list(nodePlan(this.#core, options));
  }

  /**
   * Adds a learner, which receives data and does not count until it is promoted.
   *
   * @throws QuorateError MEMBER_EXISTS, MEMBERSHIP_CHANGING, TOO_MANY_MEMBERS, INVALID_ARGUMENT
   */
  addMember(member: NewMember, options: ClusterCallOptions = {}): Promise<readonly ClusterMember[]> {
    return this.#membership.add(member, options);
  }

  /** Makes a learner a voter. @throws QuorateError LEARNER_NOT_READY while it has not caught up, UNKNOWN_MEMBER */
  promoteMember(memberId: string, options: ClusterCallOptions = {}): Promise<readonly ClusterMember[]> {
    return this.#membership.promote(memberId, options);
  }

  /**
   * Removes a member, the leader too: it stops, and its data is refused from then on.
   *
   * @throws QuorateError LAST_VOTER; QUORUM_AT_RISK when, until the deadline, the leader hears of no majority of the others
   */
  removeMember(memberId: string, options: ClusterCallOptions = {}): Promise<readonly ClusterMember[]> {
    return this.#membership.remove(memberId, options);
  }

  /** Changes a member's addresses or priority. */
  updateMember(
    memberId: string,
    update: MemberUpdate,
    options: ClusterCallOptions = {},
  ): Promise<readonly ClusterMember[]> {
    return this.#membership.update(memberId, update, options);
  }

  /**
   * Makes several changes at once, by joint consensus: there is no moment at which only some of them hold.
   *
   * @throws QuorateError LEARNER_NOT_READY, UNKNOWN_MEMBER, QUORUM_AT_RISK as above, TOO_MANY_MEMBERS, INVALID_ARGUMENT
   */
  changeMembers(
    changes: readonly MemberChangeRequest[],
    options: ClusterCallOptions = {},
  ): Promise<readonly ClusterMember[]> {
    return this.#membership.change(changes, options);
  }

  /**
   * Puts a new member in the place of another: adds it, waits until it has caught up, and resolves when it votes and the
   * other has left, which is one step. `deadlineMs` is 10 minutes by default; when it passes, the rest happens by itself.
   */
  replaceMember(
    memberId: string,
    by: Omit<NewMember, "replaces" | "promoteWhenCaughtUp">,
    options: ClusterCallOptions = {},
  ): Promise<readonly ClusterMember[]> {
    return this.#membership.replace(memberId, by, options);
  }

  /** Hands leadership to another voter (the most up-to-date one by default) and resolves once it leads. */
  async transferLeadership(
    memberId = "",
    options: NodeCallOptions = {},
  ): Promise<{ readonly leaderId: string; readonly term: number }> {
    // Not asked twice: the second one, asked too soon, would hand the leadership on once more.
    const plan = nodePlan(this.#core, options);
    return plain(await this.#core.caller.change(METHODS.transferLeadership, { memberId }, plan));
  }

  /** The Merkle root over a namespace or prefix, in one node's own store at one revision. */
  async hash(options: HashOptions = {}): Promise<HashResult> {
    const request = {
      namespace: options.namespace ?? this.#namespace,
      prefix: toBytes(options.prefix ?? ""),
      revision: toCount(options.revision, "revision"),
    };
    const reply = await this.#core.caller.read(METHODS.hash, request, nodePlan(this.#core, options));
    return {
      root: toHex(reply.root),
      count: toNumber(reply.count),
      revision: toNumber(reply.revision),
      memberId: reply.memberId,
      appliedIndex: toNumber(reply.appliedIndex),
    };
  }

  /**
   * Compares all replicas at one log index, and changes nothing. `deadlineMs` is 60,000 by default.
   *
   * @throws QuorateError NO_MAJORITY where the replicas differ and no majority of them agrees
   */
  async verifyConsistency(options: ClusterCallOptions = {}): Promise<ConsistencyReport> {
    const plan = this.#core.plan({ deadlineMs: VERIFY_MS_MAX, ...options });
    return consistencyReport(await this.#core.caller.change(METHODS.verifyConsistency, {}, plan));
  }

  /** Compares, and has a member that differs take the records of the majority. `deadlineMs` is 300,000 by default. */
  async repairMember(memberId: string, options: ClusterCallOptions = {}): Promise<RepairReport> {
    const plan = this.#core.plan({ deadlineMs: REPAIR_MS_MAX, ...options });
    return plain(await this.#core.caller.change(METHODS.repairMember, { memberId }, plan));
  }

  /** Makes a node's state durable and cuts its log. `deadlineMs` is 60,000 by default. */
  async takeSnapshot(options: NodeCallOptions = {}): Promise<SnapshotPoint> {
    const plan = nodePlan(this.#core, { deadlineMs: SNAPSHOT_MS_MAX, ...options });
    return plain(await this.#core.caller.read(METHODS.takeSnapshot, {}, plan));
  }

  /**
   * The bytes of a backup of everything, as it is at one log index while work goes on, with every write that was
   * acknowledged before. Whoever stops reading before the end has no backup. `deadlineMs` is how long the next bytes may take.
   */
  backup(options: BackupOptions = {}): AsyncIterable<Uint8Array> {
    return backupBytes(this.#core, options);
  }

  /** How many calls a node has served, and what it stores. Answers without a leader. */
  async stats({ reset = false, ...options }: StatsOptions = {}): Promise<NodeStats> {
    const { caller } = this.#core;
    const plan = nodePlan(this.#core, options);
    return plain(
      await (reset
        ? caller.change(METHODS.stats, { reset }, plan)
        : caller.read(METHODS.stats, { reset }, plan)),
    );
  }

  /** The connections of clients and gateways to a node, oldest first. Answers without a leader. */
  async clients(options: NodeCallOptions = {}): Promise<readonly ClusterClient[]> {
    const plan = nodePlan(this.#core, options);
    return plain((await this.#core.caller.read(METHODS.listClients, {}, plan)).clients);
  }

  /** Cuts a connection to a node. @param client its address as `clients` tells it. @throws QuorateError UNKNOWN_CLIENT */
  async dropClient(client: string, options: NodeCallOptions = {}): Promise<void> {
    await this.#core.caller.change(METHODS.dropClient, { address: client }, nodePlan(this.#core, options));
  }

  /** Changes what a node logs until it is restarted; resolves with what it was. */
  async setLogLevel(level: LogLevel, options: NodeCallOptions = {}): Promise<LogLevel> {
    const plan = nodePlan(this.#core, options);
    const { previous } = await this.#core.caller.read(METHODS.setLogLevel, { level }, plan);
    return previous as LogLevel;
  }
}
