import { type Namespace, NamespaceServiceDefinition, type ResponseHeader } from "@quorate/proto/kv";
import { type CallOptions, freshnessFields, headerOf, type ReadOptions } from "./call-options";
import type { Core } from "./core";
import { toCount, toNumber } from "./numbers";
import { type Plain, plain } from "./plain";
import { type Method, methodOf } from "./transport";

const METHODS = {
  create: methodOf(NamespaceServiceDefinition, NamespaceServiceDefinition.methods.create),
  delete: methodOf(NamespaceServiceDefinition, NamespaceServiceDefinition.methods.delete),
  setQuota: methodOf(NamespaceServiceDefinition, NamespaceServiceDefinition.methods.setQuota),
  list: methodOf(NamespaceServiceDefinition, NamespaceServiceDefinition.methods.list),
};

/** Changes of namespaces belong to a session of this one. */
const DEFAULT_NAMESPACE = "";

/** A namespace: its name, its number, how many keys and bytes it holds, its quota, and how far back it can be read. */
export type NamespaceInfo = Plain<Namespace>;

/** What a namespace may hold. A bound that is left out or 0 is none. */
export interface NamespaceQuota {
  /** How many keys. */
  readonly keysMax?: number;
  /** How many bytes its keys and newest values may be together. */
  readonly bytesMax?: number;
}

/** What the calls about a namespace take. */
export type NamespaceCallOptions = Omit<CallOptions, "namespace">;

/** What the creation of a namespace takes. */
export type NamespaceCreateOptions = NamespaceCallOptions & NamespaceQuota;

/** What a list of namespaces takes. */
export type NamespaceListOptions = NamespaceCallOptions &
  Pick<ReadOptions, "maxStalenessMs"> & {
    /** "linearizable" (the default) or "stale", as for other reads. */
    readonly consistency?: "linearizable" | "stale";
  };

/** The namespaces of the cluster. All calls reject with a QuorateError. */
export class Namespaces {
  readonly #core: Core;

  /** Clients are made by `connect`. */
  constructor(core: Core) {
    this.#core = core;
  }

  /**
   * Creates an empty namespace, once however often the call had to be sent. Fails with NAMESPACE_EXISTS where there is one
   * of this name.
   *
   * @example
   * await quorate.namespaces.create("shop", { keysMax: 10_000 });
   * await quorate.namespace("shop").put("apples", "5");
   *
   * @param name 1 to 64 of the characters A-Z, a-z, 0-9, dot, underscore and hyphen
   */
  async create(name: string, options: NamespaceCreateOptions = {}): Promise<NamespaceInfo> {
    const quota = quotaFields(options);
    const reply = await this.#write(METHODS.create, { name, ...quota }, options);
    const namespace = reply.namespace ?? {
      name,
      id: 0n,
      keys: 0n,
      bytes: 0n,
      ...quota,
      oldestRevision: 0n,
    };
    return plain(namespace);
  }

  /**
   * Deletes a namespace with its keys, leases and sessions, in constant time. Fails with UNKNOWN_NAMESPACE where there is
   * none of this name, and with PERMANENT_NAMESPACE for "default".
   *
   * @returns how many keys it held
   */
  async delete(name: string, options: NamespaceCallOptions = {}): Promise<{ readonly deleted: number }> {
    const reply = await this.#write(METHODS.delete, { name }, options);
    return { deleted: toNumber(reply.deleted) };
  }

  /**
   * Bounds what a namespace may hold from now on; a bound that is left out is lifted. What is there already stays. Writes
   * that would add beyond it fail with QUOTA_EXCEEDED.
   *
   * @example
   * await quorate.namespaces.setQuota("shop", { bytesMax: 64 * 1024 * 1024 });
   */
  async setQuota(name: string, quota: NamespaceQuota, options: NamespaceCallOptions = {}): Promise<void> {
    await this.#write(METHODS.setQuota, { name, ...quotaFields(quota) }, options);
  }

  /** All namespaces, sorted by name. */
  async list(options: NamespaceListOptions = {}): Promise<readonly NamespaceInfo[]> {
    // A list of namespaces belongs to none of them, so there is no revision to have seen.
    const { consistency, maxStalenessMs } = freshnessFields(options, 0);
    const request = { consistency, maxStalenessMs };
    const reply = await this.#core.caller.read(METHODS.list, request, this.#core.plan(options));
    options.onHeader?.(headerOf(reply.header));
    return plain(reply.namespaces);
  }

  async #write<Request, Response extends { readonly header: ResponseHeader | undefined }>(
    method: Method<Request, Response>,
    request: Request,
    options: NamespaceCallOptions,
  ): Promise<Response> {
    const { caller, sessions } = this.#core;
    const plan = this.#core.plan(options);
    const reply = await caller.write(method, request, plan, sessions, DEFAULT_NAMESPACE);
    options.onHeader?.(headerOf(reply.header));
    return reply;
  }
}

function quotaFields({ keysMax, bytesMax }: NamespaceQuota): { keysMax: bigint; bytesMax: bigint } {
  return { keysMax: toCount(keysMax, "keysMax"), bytesMax: toCount(bytesMax, "bytesMax") };
}
