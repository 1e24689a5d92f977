import { invalidArgument, QuorateError } from "./errors";
import type { Connect, Connection } from "./transport";

/** Addresses of leaders that servers named beyond the configured ones are kept up to this number. */
const LEARNED_ENDPOINTS_MAX = 16;

/** One endpoint as a call uses it. */
export interface Endpoint {
  readonly address: string;
  readonly connection: Connection;
}

/** The endpoints of a cluster: nodes, gateways or both. Calls stay on one that works and move on together when it fails. */
export class EndpointPool {
  readonly #configured: readonly string[];
  readonly #connect: Connect;
  readonly #connections = new Map<string, Connection>();
  #addresses: readonly string[];
  #current = 0;
  #closed = false;

  /** @param addresses host:port each, at least one; the first is tried first */
  constructor(addresses: readonly string[], connect: Connect) {
    if (addresses.length === 0) throw invalidArgument("a client needs at least one endpoint");
    this.#configured = [...new Set(addresses)];
    this.#addresses = this.#configured;
    this.#connect = connect;
  }

  /** How many there are to try. */
  get size(): number {
    return this.#addresses.length;
  }

  /** The one that calls go to now. */
  current(): Endpoint {
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
    if (this.#addresses[this.#current] === address)
      this.#current = (this.#current + 1) % this.#addresses.length;
  }

  /** Goes to the leader that a server named, which need not be one of the configured endpoints. */
  prefer(address: string): void {
    const known = this.#addresses.indexOf(address);
    if (known >= 0) {
      this.#current = known;
      return;
    }
    const learned = this.#addresses.slice(this.#configured.length).slice(-(LEARNED_ENDPOINTS_MAX - 1));
    this.#addresses = [...this.#configured, ...learned, address];
    this.#current = this.#addresses.length - 1;
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }
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
