import { KvServiceDefinition } from "@quorate/proto/kv";
import { Cluster } from "./administration";
import { Caller } from "./caller";
import { type Codec, text } from "./codec";
import {
  Barrier,
  type BarrierOptions,
  Election,
  type Ground,
  type HoldOptions,
  type Lock,
  Semaphore,
  type SemaphoreOptions,
  takeLock,
  tryLock,
} from "./coordination";
import { type Core, checkedDeadlineMs } from "./core";
import { EndpointPool, parseEndpoints } from "./endpoint-pool";
import { invalidArgument, QuorateError } from "./errors";
import { type CallTransport, GrpcConnection } from "./grpc-connection";
import { Kv } from "./kv";
import { LeaseKeeper, Leases } from "./leases";
import { MemberFollowing } from "./member-following";
import { Namespaces } from "./namespaces";
import { SeenRevisions } from "./seen-revisions";
import { type SessionCalls, Sessions } from "./sessions";
import { manyMayListen } from "./signals";
import { systemTiming, type Timing } from "./timing";
import type { ClientTracer } from "./tracing";
import { type Connect, methodOf } from "./transport";
import { Watches } from "./watch/watches";

/** The default time that a call may take with all its retries. */
export const DEADLINE_MS = 5000;

/** How long an attempt to connect to one endpoint may take. */
const CONNECT_MS_MAX = 1000;

/** How long closing waits for the server to end the sessions; one that it does not end expires by itself. */
const CLOSE_MS_MAX = 500;

/** How a client is made. */
export interface ClientOptions {
  /** Nodes, gateways or both: "host:port", "host:port,host:port" or a list. Calls go to one of them while it works. */
  readonly endpoints: string | readonly string[];
  /** The namespace of calls that name none; "default" by default. */
  readonly namespace?: string;
  /** How long a call may take with all its retries, in milliseconds; 5,000 by default. */
  readonly deadlineMs?: number;
  /** How long an attempt to connect to one endpoint may take, in milliseconds; 1,000 by default. */
  readonly connectTimeoutMs?: number;
  /**
   * Whether the client asks for the members from time to time and goes to new ones, so that it outlives the replacement of
   * every node that it was given. "auto", the default, does so where an endpoint is the address of a member, and not behind
   * gateways or proxies, where the members' own addresses may be out of reach.
   */
  readonly followMembers?: boolean | "auto";
  /**
   * How unary calls travel. "pipeline", the default: many together on one stream, which costs a fraction; servers that do not
   * know it get unary calls. "unary": each by itself, for proxies that do not carry long streams.
   */
  readonly transport?: CallTransport;
  /**
   * Makes each call a span, and tells the cluster of it, whose nodes go on with the trace if they are started with
   * `--tracing on`: `trace.getTracer("my-service")` of `@opentelemetry/api`. None by default. Watches and scans are left out.
   */
  readonly tracer?: ClientTracer;
}

/** Time and transport, which tests put in place of the real ones. */
export interface ClientPorts {
  readonly timing: Timing;
  readonly connect: Connect;
}

const OPEN_SESSION = methodOf(KvServiceDefinition, KvServiceDefinition.methods.openSession);
const CLOSE_SESSION = methodOf(KvServiceDefinition, KvServiceDefinition.methods.closeSession);

/** A client of one cluster. Connects when it is first used; close it, or it may keep the process running. */
export class Quorate {
  /** Keys and values of the client's namespace. */
  readonly kv: Kv;
  /** Leases of the client's namespace. */
  readonly leases: Leases;
  /** Creates, bounds, deletes and lists namespaces. */
  readonly namespaces: Namespaces;
  /** Status and administration. */
  readonly cluster: Cluster;
  readonly #core: Core;
  readonly #namespace: string;
  readonly #following: MemberFollowing | null;
  #closing: Promise<void> | null = null;

  /** Clients are made by `connect`. */
  constructor(options: ClientOptions, ports: Partial<ClientPorts> = {}) {
    const { namespace = "" } = options;
    this.#core = coreOf(options, ports, () => this.#closing !== null);
    this.#namespace = namespace;
    this.kv = new Kv(this.#core, namespace);
    this.leases = new Leases(this.#core, namespace);
    this.namespaces = new Namespaces(this.#core);
    this.cluster = new Cluster(this.#core, namespace);
    this.#following = followingOf(this.#core, this.cluster, options.followMembers ?? "auto");
  }

  /** Keys and values of another namespace, over the same connections. */
  namespace(name: string): Kv {
    return new Kv(this.#core, name);
  }

  /**
   * Waits for a lock, behind those who came before; without `deadlineMs` as long as it takes. See {@link Lock}.
   *
   * @example
   * await using lock = await quorate.lock("nightly-report", { deadlineMs: 30_000 });
   *
   * @throws QuorateError DEADLINE_EXCEEDED or CANCELLED when it was not its turn in time: nothing is left behind
   */
  lock(name: string, options: HoldOptions = {}): Promise<Lock> {
    return takeLock(this.#ground(options), name, options);
  }

  /**
   * Takes a lock if nobody has it or waits for it; resolves with undefined otherwise.
   *
   * @example
   * const lock = await quorate.tryLock("nightly-report");
   * if (lock === undefined) return; // another one is at it
   */
  tryLock(name: string, options: HoldOptions = {}): Promise<Lock | undefined> {
    return tryLock(this.#ground(options), name, options);
  }

  /** An election: see {@link Election}. Its values are text, or what the codec says. */
  election(name: string): Election<string>;
  election<T, Input = T>(
    name: string,
    codec: Codec<T, Input>,
    options?: { readonly namespace?: string },
  ): Election<T, Input>;
  election(
    name: string,
    codec: Codec<unknown, never> = text as Codec<unknown, never>,
    options: { readonly namespace?: string } = {},
  ): Election<unknown, never> {
    return new Election(this.#ground(options), name, codec);
  }

  /** A semaphore: see {@link Semaphore}. */
  semaphore(name: string, options: SemaphoreOptions): Semaphore {
    return new Semaphore(this.#ground(options), name, options.permits);
  }

  /** A barrier: see {@link Barrier}. */
  barrier(name: string, options: BarrierOptions): Barrier {
    return new Barrier(this.#ground(options), name, options.parties);
  }

  /**
   * Ends the watches, lets the leases go (which then end by themselves, and their locks with them), ends the sessions as
   * far as the cluster can be reached, then all connections. Calls made later fail. Safe twice.
   */
  close(): Promise<void> {
    this.#core.watches.close();
    this.#core.leaseKeeper.close();
    this.#following?.close();
    this.#closing ??= this.#core.sessions.close().finally(() => this.#core.pool.close());
    return this.#closing;
  }

  #ground({ namespace = this.#namespace }: { readonly namespace?: string }): Ground {
    return {
      core: this.#core,
      kv: new Kv(this.#core, namespace),
      leases: new Leases(this.#core, namespace),
    };
  }

  /** Closes the client at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function coreOf(options: ClientOptions, ports: Partial<ClientPorts>, isClosed: () => boolean): Core {
  const timing = ports.timing ?? systemTiming;
  const deadlineMs = checkedDeadlineMs(options.deadlineMs ?? DEADLINE_MS);
  const connectTimeoutMs = checkedDeadlineMs(options.connectTimeoutMs ?? CONNECT_MS_MAX);
  const transport = checkedTransport(options.transport ?? "pipeline");
  const connect =
    ports.connect ?? ((address: string) => new GrpcConnection(address, connectTimeoutMs, transport));
  const pool = new EndpointPool(parseEndpoints(options.endpoints), connect);
  const caller = new Caller(pool, timing, options.tracer);
  const seen = new SeenRevisions();
  return {
    pool,
    caller,
    timing,
    deadlineMs,
    sessions: new Sessions(sessionCalls(caller), timing),
    watches: new Watches(timing),
    leaseKeeper: new LeaseKeeper(pool, timing, seen),
    seen,
    plan(call) {
      if (isClosed())
        throw new QuorateError("the client is closed", { code: "CANCELLED", outcome: "not_applied" });
      manyMayListen(call.signal);
      return { deadlineMs: checkedDeadlineMs(call.deadlineMs ?? deadlineMs), signal: call.signal };
    },
  };
}

/** @throws QuorateError INVALID_ARGUMENT for another word */
function checkedTransport(transport: CallTransport): CallTransport {
  if (transport === "pipeline" || transport === "unary") return transport;
  throw invalidArgument(`transport is "pipeline" or "unary", not "${String(transport)}"`);
}

function followingOf(
  { pool, timing }: Core,
  cluster: Cluster,
  followMembers: boolean | "auto",
): MemberFollowing | null {
  if (followMembers === false) return null;
  const following = new MemberFollowing(pool, timing, {
    isTold: followMembers === true,
    ask: (options) => cluster.members(options),
  });
  pool.observe(following);
  return following;
}

function sessionCalls(caller: Caller): SessionCalls {
  return {
    async open(namespace, withinMs) {
      const plan = { deadlineMs: Math.max(1, withinMs), signal: undefined };
      return (await caller.read(OPEN_SESSION, { namespace, ttlMs: 0n }, plan)).clientId;
    },
    async close(namespace, clientId) {
      const plan = { deadlineMs: CLOSE_MS_MAX, signal: undefined };
      await caller.read(CLOSE_SESSION, { namespace, clientId }, plan);
    },
  };
}
