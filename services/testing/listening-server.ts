import {
  ByteServer,
  type ByteService,
  type ClientConnection,
  Health,
  type Log,
  MESSAGE_BYTES_MAX_DEFAULT,
  Reflection,
} from "@quorate/services/forward";

/** What a call gets that brings no deadline. */
const DEFAULT_DEADLINE_MS = 30_000;

interface Listening {
  readonly server: ByteServer;
  readonly health: Health;
  readonly reflection: Reflection;
}

/** The gRPC side of a node in memory: on one port of this machine, the same after each restart of the node. */
export class ListeningServer {
  private listening: Listening | null = null;

  constructor(
    readonly port: number,
    private readonly log: Log,
  ) {}

  /** Rejects when the port cannot be taken. */
  async open(service: ByteService): Promise<void> {
    if (this.listening !== null) return;
    const server = new ByteServer({
      service,
      log: this.log,
      defaultDeadlineMs: DEFAULT_DEADLINE_MS,
      messageBytesMax: MESSAGE_BYTES_MAX_DEFAULT,
    });
    const health = new Health();
    const reflection = new Reflection();
    health.addTo(server);
    reflection.addTo(server);
    this.listening = { server, health, reflection };
    await server.listen(`127.0.0.1:${this.port}`);
  }

  /** Open connections. */
  get connections(): readonly ClientConnection[] {
    return this.listening?.server.connections ?? [];
  }

  setLeaderKnown(isKnown: boolean): void {
    this.listening?.health.setLeaderKnown(isKnown);
  }

  /** Cuts the connection from that address. @returns whether there was one */
  dropClient(address: string): boolean {
    return this.listening?.server.dropConnection(address) ?? false;
  }

  /** Cuts all connections. */
  async close(): Promise<void> {
    const { listening } = this;
    this.listening = null;
    if (listening === null) return;
    listening.health.close();
    listening.reflection.close();
    await listening.server.close(0);
  }
}
