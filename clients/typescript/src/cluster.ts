import {
  ClusterServiceDefinition,
  type ConnectedClient,
  Health,
  type Member,
  Role,
  type StatsResponse,
  type StatusResponse,
} from "@quorate/proto/cluster";
import { type BytesLike, toBytes } from "./bytes";
import type { CallOptions } from "./call-options";
import type { CallPlan } from "./call-plan";
import type { Core } from "./core";
import { toCount, toNumber } from "./numbers";
import { type Plain, plain } from "./plain";
import { methodOf } from "./transport";

const METHODS = {
  status: methodOf(ClusterServiceDefinition, ClusterServiceDefinition.methods.status),
  listMembers: methodOf(ClusterServiceDefinition, ClusterServiceDefinition.methods.listMembers),
  transferLeadership: methodOf(ClusterServiceDefinition, ClusterServiceDefinition.methods.transferLeadership),
  hash: methodOf(ClusterServiceDefinition, ClusterServiceDefinition.methods.hash),
  listClients: methodOf(ClusterServiceDefinition, ClusterServiceDefinition.methods.listClients),
  stats: methodOf(ClusterServiceDefinition, ClusterServiceDefinition.methods.stats),
};

/** Which node a call is about: without a choice the endpoint in use (a node itself, behind a gateway the leader). */
export interface NodeCallOptions extends Omit<CallOptions, "onHeader" | "namespace"> {
  /** The member to ask, reached through the endpoint in use. */
  readonly member?: string;
  /** The host:port to ask directly, and no other. */
  readonly address?: string;
}

/** What a hash covers, and where it is computed. */
export interface HashOptions extends NodeCallOptions {
  /** The namespace; the client's own by default. */
  readonly namespace?: string;
  /** Only the keys that begin with this; all by default. */
  readonly prefix?: BytesLike;
  /** The revision to hash at, waited for if need be; the newest by default. */
  readonly revision?: number;
}

/** The part that a node plays. */
export type NodeRole = "unspecified" | "follower" | "pre-candidate" | "candidate" | "leader" | "learner";

/** How well a node is. */
export type NodeHealth = "unspecified" | "healthy" | "degraded" | "unhealthy";

/** The status of a node: the fields of `quorate.cluster.v1.StatusResponse`. */
export interface NodeStatus extends Plain<Omit<StatusResponse, "role" | "health">> {
  readonly role: NodeRole;
  readonly health: NodeHealth;
}

/** A member of the cluster. */
export type ClusterMember = Plain<Member>;

/** A connection of a client to a node. */
export type ClusterClient = Plain<ConnectedClient>;

/** The counters of a node. */
export type NodeStats = Plain<StatsResponse>;

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

const ROLE_NAMES = {
  [Role.UNSPECIFIED]: "unspecified",
  [Role.FOLLOWER]: "follower",
  [Role.PRE_CANDIDATE]: "pre-candidate",
  [Role.CANDIDATE]: "candidate",
  [Role.LEADER]: "leader",
  [Role.LEARNER]: "learner",
} as const satisfies Record<Role, NodeRole>;

const HEALTH_NAMES = {
  [Health.UNSPECIFIED]: "unspecified",
  [Health.HEALTHY]: "healthy",
  [Health.DEGRADED]: "degraded",
  [Health.UNHEALTHY]: "unhealthy",
} as const satisfies Record<Health, NodeHealth>;

/** What an operator asks of a cluster. All calls reject with a QuorateError. */
export class Cluster {
  readonly #core: Core;
  readonly #namespace: string;

  /** Clients are made by `connect`. */
  constructor(core: Core, namespace: string) {
    this.#core = core;
    this.#namespace = namespace;
  }

  /** A node's role, progress, limits and resources. Answers without a leader. */
  async status(options: NodeCallOptions = {}): Promise<NodeStatus> {
    const reply = await this.#core.caller.read(METHODS.status, {}, this.#plan(options));
    // A newer node may know roles that this client does not.
    const role = ROLE_NAMES[reply.role] ?? "unspecified";
    return { ...plain(reply), role, health: HEALTH_NAMES[reply.health] ?? "unspecified" };
  }

  /** The members, sorted by id. Answers without a leader. */
  async members(options: NodeCallOptions = {}): Promise<readonly ClusterMember[]> {
    const reply = await this.#core.caller.read(METHODS.listMembers, {}, this.#plan(options));
    return plain(reply.members);
  }

  /** Hands leadership to another voter (the most up-to-date one by default) and resolves once it leads. */
  async transferLeadership(
    memberId = "",
    options: NodeCallOptions = {},
  ): Promise<{ readonly leaderId: string; readonly term: number }> {
    // Asked of one endpoint: a second one, asked too soon, would hand the leadership on once more.
    const { address } = this.#core.pool.current();
    const plan = this.#plan({ address, ...options });
    return plain(await this.#core.caller.read(METHODS.transferLeadership, { memberId }, plan));
  }

  /** The Merkle root over a namespace or prefix, in one node's own store at one revision. */
  async hash(options: HashOptions = {}): Promise<HashResult> {
    const request = {
      namespace: options.namespace ?? this.#namespace,
      prefix: toBytes(options.prefix ?? ""),
      revision: toCount(options.revision, "revision"),
    };
    const reply = await this.#core.caller.read(METHODS.hash, request, this.#plan(options));
    return {
      root: Buffer.from(reply.root).toString("hex"),
      count: toNumber(reply.count),
      revision: toNumber(reply.revision),
      memberId: reply.memberId,
      appliedIndex: toNumber(reply.appliedIndex),
    };
  }

  /** How many calls a node has served, and what it stores. Answers without a leader. */
  async stats(options: NodeCallOptions = {}): Promise<NodeStats> {
    return plain(await this.#core.caller.read(METHODS.stats, {}, this.#plan(options)));
  }

  /** The connections of clients and gateways to a node, oldest first. Answers without a leader. */
  async clients(options: NodeCallOptions = {}): Promise<readonly ClusterClient[]> {
    return plain((await this.#core.caller.read(METHODS.listClients, {}, this.#plan(options))).clients);
  }

  #plan(options: NodeCallOptions): CallPlan {
    const { member, address } = options;
    return {
      ...this.#core.plan(options),
      ...(member === undefined ? {} : { metadata: { "quorate-member": member } }),
      ...(address === undefined ? {} : { address }),
    };
  }
}
