import { createServer, connect as open, type Server, type Socket } from "node:net";

/** One direction between two nodes: the messages that `from` sends to `to`. */
export interface Direction {
  readonly from: number;
  readonly to: number;
}

/**
 * A TCP proxy for each directed pair of nodes, in front of the peer ports. A cut direction swallows bytes and answers
 * nothing, like a network that drops packets: nobody is told, connections stay open until somebody gives them up.
 */
export class PeerLinks {
  readonly #proxies = new Map<string, Link>();

  private constructor() {}

  static async open(nodes: number): Promise<PeerLinks> {
    const links = new PeerLinks();
    const numbers = Array.from({ length: nodes }, (_, at) => at + 1);
    for (const from of numbers) {
      for (const to of numbers.filter((other) => other !== from)) {
        links.#proxies.set(`${from}-${to}`, await Link.listen());
      }
    }
    return links;
  }

  /** What a test cluster takes as `peerAddress`. */
  readonly peerAddress = (from: number, to: number, peerPort: number): string => {
    const proxy = this.#proxy({ from, to });
    proxy.targetPort = peerPort;
    return `127.0.0.1:${proxy.port}`;
  };

  /** Loses everything in that direction from now on. */
  cut(direction: Direction): void {
    this.#proxy(direction).cut();
  }

  /** Loses everything between the node and all others, in both directions. */
  isolate(node: number): void {
    for (const [name, proxy] of this.#proxies) {
      if (name.split("-").includes(String(node))) proxy.cut();
    }
  }

  /** Everything flows again; connections that lost bytes are gone. */
  heal(): void {
    for (const proxy of this.#proxies.values()) proxy.heal();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.close()));
  }

  #proxy({ from, to }: Direction): Link {
    const proxy = this.#proxies.get(`${from}-${to}`);
    if (proxy === undefined) throw new Error(`there is no link from n${from} to n${to}`);
    return proxy;
  }
}

class Link {
  targetPort = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (incoming) => this.#serve(incoming));
  }

  static async listen(): Promise<Link> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Link(server);
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy listens on a port");
    return address.port;
  }

  cut(): void {
    this.#isCut = true;
  }

  heal(): void {
    if (!this.#isCut) return;
    this.#isCut = false;
    // What was swallowed is gone: a connection with a hole in it is of no use to anybody.
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(incoming: Socket): void {
    const outgoing = open(this.targetPort, "127.0.0.1");
    this.#join(incoming, outgoing);
    this.#join(outgoing, incoming);
  }

  #join(source: Socket, sink: Socket): void {
    this.#sockets.add(source);
    source.on("data", (bytes) => {
      if (!this.#isCut && sink.writable) sink.write(bytes);
    });
    // Each side's end is the other's end; an error ends a socket like anything else.
    source.on("error", () => source.destroy());
    source.on("close", () => {
      this.#sockets.delete(source);
      if (!this.#isCut) sink.destroy();
    });
  }
}
