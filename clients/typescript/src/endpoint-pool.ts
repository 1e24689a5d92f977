import { invalidArgument, QuorateError } from "./errors";
import type { Connect, Connection } from "./transport";

/** Addresses that servers named beyond the configured ones are kept up to this number. */
const LEARNED_ENDPOINTS_MAX = 32;

/** One endpoint as a call uses it. */
export interface Endpoint {
  readonly address: string;
  readonly connection: Connection;
}

/** Is told of what happens to a pool. */
export interface PoolObserver {
  /** Calls are made. */
  used(): void;
  /** An endpoint failed, or is not the leader: the members may be others by now. */
  moved(): void;
}

/** What a list of members is worth. */
export interface MemberKnowledge {
  /** Whether there are no others: endpoints that were members and are no more are given up then. */
  readonly isWhole: boolean;
  /** Whether the user said that members are to be followed; otherwise they are where an endpoint is one of them. */
  readonly isTold: boolean;
}

/** The endpoints of a cluster: nodes, gateways or both. Calls stay on one that works and move on together when it fails. */
export class EndpointPool {
  readonly #configured: readonly string[];
  readonly #connect: Connect;
  readonly #connections = new Map<string, Connection>();
  /** Those of the configured ones that were members once: when they no longer are, there is nothing left to go to. */
  readonly #configuredMembers = new Set<string>();
  #addresses: readonly string[];
  #current = 0;
  /** Since the members were told last. */
  #moves = 0;
  #observer: PoolObserver | null = null;
  #closed = false;

  /** @param addresses host:port each, at least one; the first is tried first */
  constructor(addresses: readonly string[], connect: Connect) {
    if (addresses.length === 0) throw invalidArgument("a client needs at least one endpoint");
    this.#configured = [...new Set(addresses)];
    this.#addresses = this.#configured;
    this.#connect = connect;
  }

  observe(observer: PoolObserver): void {
    this.#observer = observer;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** How many there are to try. */
  get size(): number {
    return this.#addresses.length;
  }

  /** The one that calls go to now. */
  current(): Endpoint {
    this.#observer?.used();
    const address = this.#addresses[this.#current] as string;
    return { address, connection: this.connectionTo(address) };
  }

  /** The connection to an address, made when it is first asked for. @throws QuorateError CANCELLED once closed */
  connectionTo(address: string): Connection {
    if (this.#closed)
      throw new QuorateError("the client is closed", { code: "CANCELLED", reason: "CANCELLED" });
    let connection = this.#connections.get(address);
    if (connection === undefined) {
      connection = this.#connect(address);
      this.#connections.set(address, connection);
    }
    return connection;
  }

  /** Moves on from an endpoint that failed. Of many calls that failed on it only the first has an effect. */
  moveOnFrom(address: string): void {
    if (this.#addresses[this.#current] !== address) return;
    this.#moves += 1;
    // Once round in vain: the cluster may have come back at the addresses that it had at first.
    if (this.#moves >= this.#addresses.length) {
      this.#goAmong([...this.#addresses, ...this.#configured], address);
    }
    this.#current = (this.#current + 1) % this.#addresses.length;
    this.#observer?.moved();
  }

  /**
   * Takes note of the addresses of members, the best ones to go to first.
   *
   * @returns false when none of the configured endpoints is or was one of them, and nothing was changed
   */
  learn(members: readonly string[], { isWhole, isTold }: MemberKnowledge): boolean {
    const places = new Set(members.map(placeOf));
    const isMember = (address: string): boolean => places.has(placeOf(address));
    for (const address of this.#configured.filter(isMember)) this.#configuredMembers.add(address);
    if (this.#configuredMembers.size === 0 && !isTold) return false;
    const kept = isWhole
      ? this.#configured.filter((address) => isMember(address) || !this.#configuredMembers.has(address))
      : this.#addresses;
    this.#goAmong([...kept, ...members], this.#addresses[this.#current] as string);
    this.#moves = 0;
    return true;
  }

  /** Goes to the leader that a server named, which need not be one of the configured endpoints. */
  prefer(address: string): void {
    if (this.#addresses[this.#current] === address) return;
    this.#goAmong([...this.#addresses, address], address);
    this.#observer?.moved();
  }

  /** Takes these addresses in place of those before, and goes to `current` if it is among them. */
  #goAmong(addresses: readonly string[], current: string): void {
    const byPlace = new Map<string, string>();
    for (const address of addresses) {
      if (!byPlace.has(placeOf(address))) byPlace.set(placeOf(address), address);
    }
    const before = this.#addresses;
    const unique = [...byPlace.values()];
    const learned = unique.filter((address) => !this.#configured.includes(address));
    const dropped = new Set(learned.slice(0, Math.max(0, learned.length - LEARNED_ENDPOINTS_MAX)));
    this.#addresses = unique.filter((address) => !dropped.has(address));
    this.#current = Math.max(
      0,
      this.#addresses.findIndex((address) => placeOf(address) === placeOf(current)),
    );
    for (const address of before) if (!this.#addresses.includes(address)) this.#forget(address);
  }

  /** Calls under way on it go on to their end. */
  #forget(address: string): void {
    this.#connections.get(address)?.close();
    this.#connections.delete(address);
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }
}

/** The same for both spellings of a place on this machine. */
function placeOf(address: string): string {
  return address.replace(/^localhost:/, "127.0.0.1:");
}

/**
 * Endpoints as they are written: "host:port", "host:port,host:port" or a list.
 *
 * @throws QuorateError INVALID_ARGUMENT that names the part which is not host:port
 */
export function parseEndpoints(endpoints: string | readonly string[]): readonly string[] {
  const parts = (typeof endpoints === "string" ? endpoints.split(",") : endpoints).map((part) => part.trim());
  for (const part of parts) {
    const port = /^(?:[^\s:/]+|\[[0-9a-fA-F:]+\]):(\d{1,5})$/.exec(part)?.[1];
    if (port === undefined || Number(port) < 1 || Number(port) > 65_535) {
      throw invalidArgument(`"${part}" is not an endpoint: write host:port, such as 127.0.0.1:7400`);
    }
  }
  return parts;
}
