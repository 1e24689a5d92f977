import { ClusterServiceDefinition } from "@quorate/proto/cluster";
import {
  Consistency,
  KvServiceDefinition,
  LeaseServiceDefinition,
  NamespaceServiceDefinition,
  WatchServiceDefinition,
} from "@quorate/proto/kv";

/** `CLIENT_ID/SEQUENCE/FIRST_UNANSWERED`: makes a write safe to repeat; with `/FOLLOWS` it keeps its place as well. */
export const REQUEST_ID_KEY = "quorate-request-id";
/** How often a call was forwarded: one that was is not forwarded again. */
export const HOPS_KEY = "quorate-hops";
/** `off` makes a node refuse instead of forwarding. */
export const FORWARD_KEY = "quorate-forward";
/** The member that a per-node call is for. */
export const MEMBER_KEY = "quorate-member";
/** What a traced call belongs to (W3C Trace Context). */
export const TRACEPARENT_KEY = "traceparent";

/**
 * Where a call belongs: "leader" changes something or asks the leader alone; "read" is answered by any node, from its
 * state after a quorum round or as it is; "member" is about one node.
 */
export type Route = "leader" | "read" | "member";

export interface MethodRoute {
  /** Such as "/quorate.kv.v1.KvService/Put". */
  readonly path: string;
  readonly route: Route;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  /** Whether a call changes nothing. */
  readonly isRead: boolean;
}

/** Carries calls of the methods below, and has no route of its own. */
export const PIPELINE_PATH = methodPath(KvServiceDefinition, "pipeline");

/** The route of each method of the public services. */
export const kvRoutes = {
  openSession: "leader",
  closeSession: "leader",
  put: "leader",
  get: "read",
  batchGet: "read",
  delete: "leader",
  deleteRange: "leader",
  scan: "read",
  count: "read",
  exists: "read",
  increment: "leader",
  append: "leader",
  prepend: "leader",
  truncate: "leader",
  txn: "leader",
  compact: "leader",
} as const satisfies Record<Exclude<keyof (typeof KvServiceDefinition)["methods"], "pipeline">, Route>;

export const watchRoutes = {
  watch: "read",
} as const satisfies Record<keyof (typeof WatchServiceDefinition)["methods"], Route>;

export const leaseRoutes = {
  grant: "leader",
  revoke: "leader",
  keepAlive: "leader",
  timeToLive: "read",
  list: "read",
} as const satisfies Record<keyof (typeof LeaseServiceDefinition)["methods"], Route>;

export const namespaceRoutes = {
  create: "leader",
  delete: "leader",
  setQuota: "leader",
  list: "read",
} as const satisfies Record<keyof (typeof NamespaceServiceDefinition)["methods"], Route>;

export const clusterRoutes = {
  status: "member",
  listMembers: "member",
  transferLeadership: "leader",
  hash: "member",
  stats: "member",
  listClients: "member",
  dropClient: "member",
  addMember: "leader",
  promoteMember: "leader",
  removeMember: "leader",
  updateMember: "leader",
  changeMembers: "leader",
  takeSnapshot: "member",
  backup: "member",
  verifyConsistency: "leader",
  repairMember: "leader",
  setLogLevel: "member",
} as const satisfies Record<keyof (typeof ClusterServiceDefinition)["methods"], Route>;

/** What is asked of the leader changes something, and what is asked of others does not; but for these. */
const exceptions: ReadonlySet<string> = new Set(
  (
    [
      "verifyConsistency",
      "dropClient",
      "takeSnapshot",
      "setLogLevel",
    ] as const satisfies readonly (keyof typeof clusterRoutes)[]
  ).map((method) => methodPath(ClusterServiceDefinition, method)),
);

interface AnyDefinition {
  readonly fullName: string;
  readonly methods: {
    readonly [name: string]: {
      readonly name: string;
      readonly requestStream: boolean;
      readonly responseStream: boolean;
    };
  };
}

/** All methods of the public services by path. */
export const methodRoutes: ReadonlyMap<string, MethodRoute> = new Map(
  [
    ...routesOf(KvServiceDefinition, kvRoutes),
    ...routesOf(WatchServiceDefinition, watchRoutes),
    ...routesOf(LeaseServiceDefinition, leaseRoutes),
    ...routesOf(NamespaceServiceDefinition, namespaceRoutes),
    ...routesOf(ClusterServiceDefinition, clusterRoutes),
  ].map((route) => [route.path, route]),
);

export function methodPath(definition: AnyDefinition, method: string): string {
  return `/${definition.fullName}/${definition.methods[method]?.name}`;
}

function routesOf(definition: AnyDefinition, routes: Readonly<Record<string, Route>>): MethodRoute[] {
  return Object.entries(routes).map(([method, route]) => {
    const path = methodPath(definition, method);
    return {
      path,
      route,
      requestStream: definition.methods[method]?.requestStream === true,
      responseStream: definition.methods[method]?.responseStream === true,
      isRead: (route === "leader") === exceptions.has(path),
    };
  });
}

/** How often the call was forwarded; what is no number counts as forwarded, so that nothing can circle. */
export function hopsOf(text: string | null): number {
  if (text === null) return 0;
  return /^\d{1,4}$/.test(text) ? Number(text) : 1;
}

/** The number of the field `consistency` in every read request (kv_service.proto). */
const CONSISTENCY_FIELD = 10;

/**
 * Whether an encoded read request asks for CONSISTENCY_STALE: the one thing of a body that a gateway looks at, without
 * decoding it. A body that is not well-formed is not stale; the node that serves it will say what is wrong.
 */
export function asksForStale(body: Uint8Array): boolean {
  let at = 0;
  let stale = false;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; at < body.length && shift < 70; shift += 7) {
      const byte = body[at++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    at = body.length;
    return 0;
  };
  while (at < body.length) {
    const tag = varint();
    switch (tag & 7) {
      case 0: {
        const value = varint();
        if (Math.floor(tag / 8) === CONSISTENCY_FIELD) stale = value === Consistency.STALE;
        break;
      }
      case 1:
        at += 8;
        break;
      case 2: {
        const length = varint();
        at += length;
        break;
      }
      case 5:
        at += 4;
        break;
      default:
        return false;
    }
  }
  return stale;
}
