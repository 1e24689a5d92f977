import { type Lease as LeaseMessage, LeaseServiceDefinition, type ResponseHeader } from "@quorate/proto/kv";
import {
  type CallOptions,
  freshnessFields,
  headerOf,
  type ReadOptions,
  type WriteOptions,
} from "#client/call-options";
import type { Core } from "#client/core";
import { QuorateError } from "#client/errors";
import { toCount, toNumber } from "#client/numbers";
import { type Method, methodOf } from "#client/transport";
import { Lease, type LeaseParts } from "./lease";

const METHODS = {
  grant: methodOf(LeaseServiceDefinition, LeaseServiceDefinition.methods.grant),
  revoke: methodOf(LeaseServiceDefinition, LeaseServiceDefinition.methods.revoke),
  timeToLive: methodOf(LeaseServiceDefinition, LeaseServiceDefinition.methods.timeToLive),
  list: methodOf(LeaseServiceDefinition, LeaseServiceDefinition.methods.list),
};

/** What the grant of a lease takes. */
export interface GrantOptions extends WriteOptions {
  /** How long the lease lives without being renewed, in milliseconds of replicated time: 500 to 604,800,000. */
  readonly ttlMs: number;
  /** Whether the client renews it until it is revoked, closed or lost; true by default. */
  readonly keepAlive?: boolean;
}

/** What reads about leases take. */
export type LeaseReadOptions = Omit<ReadOptions, "revision">;

/** What a look at a lease takes. */
export interface TimeToLiveOptions extends LeaseReadOptions {
  /** Names the keys too. */
  readonly keys?: boolean;
}

/** A lease as the cluster knows it. */
export interface LeaseInfo {
  readonly id: bigint;
  /** The time to live that it was granted, in milliseconds. */
  readonly ttlMs: number;
  /** How long it lives at least if it is not renewed, in milliseconds. */
  readonly remainingMs: number;
  /** How many keys are attached to it. */
  readonly keyCount: number;
}

/** A lease with the keys that are attached to it, where they were asked for. */
export interface LeaseDetails extends LeaseInfo {
  /** In bytewise order; empty where they were not asked for. */
  readonly keys: readonly Uint8Array[];
}

/** The leases of a namespace. All calls reject with a QuorateError. */
export class Leases {
  readonly #core: Core;
  readonly #namespace: string;

  /** Clients are made by `connect`. */
  constructor(core: Core, namespace: string) {
    this.#core = core;
    this.#namespace = namespace;
  }

  /**
   * Grants a lease and keeps it alive. `signal` gives up the call only; the lease has a signal of its own.
   *
   * @example
   * const lease = await quorate.leases.grant({ ttlMs: 5000 });
   * await quorate.kv.put("service/a", "10.0.0.7:80", { leaseId: lease.id });
   */
  async grant(options: GrantOptions): Promise<Lease> {
    const { timing } = this.#core;
    const namespace = this.#name(options);
    const request = { namespace, ttlMs: toCount(options.ttlMs, "ttlMs") };
    const grantedAtMs = timing.nowMs();
    const reply = await this.#write(METHODS.grant, request, options);
    const lease = this.#held(reply.leaseId, toNumber(reply.ttlMs), {
      namespace,
      grantedAtMs,
      keepAlive: options.keepAlive ?? true,
    });
    if (lease.signal.aborted) throw grantedTooLate(lease.ttlMs);
    return lease;
  }

  /**
   * Keeps a lease alive that was granted before, by whomever, until it is closed, revoked or lost. Fails with
   * UNKNOWN_LEASE when there is no such lease.
   */
  async keepAlive(id: bigint, options: CallOptions = {}): Promise<Lease> {
    const askedAtMs = this.#core.timing.nowMs();
    const { ttlMs, remainingMs } = await this.timeToLive(id, options);
    const namespace = this.#name(options);
    return this.#held(id, ttlMs, {
      namespace,
      grantedAtMs: askedAtMs - (ttlMs - remainingMs),
      keepAlive: true,
    });
  }

  /** Ends a lease, whoever has it, and deletes its keys. Fails with UNKNOWN_LEASE when there is no such lease. */
  async revoke(id: bigint, options: WriteOptions = {}): Promise<{ readonly deleted: number }> {
    const request = { namespace: this.#name(options), leaseId: id };
    const reply = await this.#write(METHODS.revoke, request, options);
    return { deleted: toNumber(reply.deleted) };
  }

  /**
   * How long a lease lives yet, and with `keys` which keys it has. Fails with UNKNOWN_LEASE when there is no such lease.
   *
   * @example
   * const { remainingMs, keys } = await quorate.leases.timeToLive(lease.id, { keys: true });
   */
  async timeToLive(id: bigint, options: TimeToLiveOptions = {}): Promise<LeaseDetails> {
    const request = {
      namespace: this.#name(options),
      leaseId: id,
      withKeys: options.keys ?? false,
      ...this.#freshness(options),
    };
    const reply = await this.#core.caller.read(METHODS.timeToLive, request, this.#core.plan(options));
    this.#note(reply.header, options);
    const lease = reply.lease ?? { leaseId: id, ttlMs: 0n, remainingMs: 0n, keys: 0n };
    return { ...infoOf(lease), keys: reply.keys.map((key) => new Uint8Array(key)) };
  }

  /** The leases of the namespace, sorted by id. */
  async list(options: LeaseReadOptions = {}): Promise<readonly LeaseInfo[]> {
    const request = { namespace: this.#name(options), ...this.#freshness(options) };
    const reply = await this.#core.caller.read(METHODS.list, request, this.#core.plan(options));
    this.#note(reply.header, options);
    return reply.leases.map(infoOf);
  }

  #held(
    id: bigint,
    ttlMs: number,
    parts: Pick<LeaseParts, "namespace" | "grantedAtMs" | "keepAlive">,
  ): Lease {
    const { leaseKeeper: keeper, timing } = this.#core;
    const revoke = async () => (await this.revoke(id, { namespace: parts.namespace })).deleted;
    return new Lease({ id, ttlMs, ...parts, keeper, timing, revoke });
  }

  #name(options: CallOptions): string {
    return options.namespace ?? this.#namespace;
  }

  #freshness(options: LeaseReadOptions) {
    const seen = this.#core.seen.of(this.#name(options));
    const { consistency, minRevision, maxStalenessMs } = freshnessFields(options, seen);
    return { consistency, minRevision, maxStalenessMs };
  }

  async #write<
    Request extends { readonly namespace: string },
    Response extends { readonly header: ResponseHeader | undefined },
  >(method: Method<Request, Response>, request: Request, options: WriteOptions): Promise<Response> {
    const { caller, sessions } = this.#core;
    const reply = await caller.write(method, request, this.#core.plan(options), sessions, request.namespace);
    this.#note(reply.header, options);
    return reply;
  }

  #note(message: ResponseHeader | undefined, options: CallOptions): void {
    const header = headerOf(message);
    this.#core.seen.note(this.#name(options), header.revision);
    options.onHeader?.(header);
  }
}

function infoOf({ leaseId, ttlMs, remainingMs, keys }: LeaseMessage): LeaseInfo {
  return {
    id: leaseId,
    ttlMs: toNumber(ttlMs),
    remainingMs: toNumber(remainingMs),
    keyCount: toNumber(keys),
  };
}

function grantedTooLate(ttlMs: number): QuorateError {
  return new QuorateError(
    `the grant was answered later than the lease's time to live of ${ttlMs} ms, so it may have ended already`,
    { code: "DEADLINE_EXCEEDED", reason: "DEADLINE_EXCEEDED", retryable: true, outcome: "unknown" },
  );
}
