import { type Namespace, NamespaceServiceDefinition } from "@quorate/proto/kv";
import { type CallOptions, freshnessFields, headerOf, type ReadOptions } from "./call-options";
import type { Core } from "./core";
import { type Plain, plain } from "./plain";
import { methodOf } from "./transport";

const METHODS = {
  create: methodOf(NamespaceServiceDefinition, NamespaceServiceDefinition.methods.create),
  list: methodOf(NamespaceServiceDefinition, NamespaceServiceDefinition.methods.list),
};

/** The creation of a namespace belongs to a session of this one. */
const DEFAULT_NAMESPACE = "";

/** A namespace: its name, its number, and how many keys and bytes it holds. */
export type NamespaceInfo = Plain<Namespace>;

/** What the creation of a namespace takes. */
export type NamespaceCreateOptions = Omit<CallOptions, "namespace">;

/** What a list of namespaces takes. */
export type NamespaceListOptions = NamespaceCreateOptions &
  Pick<ReadOptions, "consistency" | "maxStalenessMs">;

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
   * @param name 1 to 64 of the characters A-Z, a-z, 0-9, dot, underscore and hyphen
   */
  async create(name: string, options: NamespaceCreateOptions = {}): Promise<NamespaceInfo> {
    const { caller, sessions } = this.#core;
    const plan = this.#core.plan(options);
    const reply = await caller.write(METHODS.create, { name }, plan, sessions, DEFAULT_NAMESPACE);
    options.onHeader?.(headerOf(reply.header));
    return plain(reply.namespace ?? { name, id: 0n, keys: 0n, bytes: 0n });
  }

  /** All namespaces, sorted by name. */
  async list(options: NamespaceListOptions = {}): Promise<readonly NamespaceInfo[]> {
    const { consistency, maxStalenessMs } = freshnessFields(options);
    const request = { consistency, maxStalenessMs };
    const reply = await this.#core.caller.read(METHODS.list, request, this.#core.plan(options));
    options.onHeader?.(headerOf(reply.header));
    return plain(reply.namespaces);
  }
}
