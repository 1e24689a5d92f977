import {
  ByteChannels,
  ByteServer,
  type ByteService,
  Health,
  LeaderDirectory,
  type Log,
  Reflection,
} from "#forward";
import type { Random } from "#std";
import { quorateTracer, traceService } from "#tracing";
import { GatewayService, type GatewayTiming } from "./gateway-service";
import { StatusPoller } from "./status-poller";

export interface GatewayOptions {
  /** Where to serve, host:port. */
  readonly listen: string;
  /** Client addresses of nodes, host:port each; at least one. */
  readonly nodes: readonly string[];
  readonly log: Log;
  readonly random: Random;
  readonly timing?: Partial<GatewayTiming>;
  /** Whether calls become spans; not by default. */
  readonly tracing?: boolean;
}

/** What a call gets that brings no deadline. */
const DEFAULT_DEADLINE_MS = 5000;
/** The nodes hold requests to their limits; the gateway lets pass what any of them may be configured to take. */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

/** A stateless front door to a cluster, as a list of its parts. */
export class Gateway {
  private readonly options: GatewayOptions;
  private readonly channels: ByteChannels;
  private readonly health = new Health();
  private readonly reflection = new Reflection();
  private readonly poller: StatusPoller;
  private readonly server: ByteServer;

  constructor(options: GatewayOptions) {
    this.options = options;
    const { nodes, log, random, timing } = options;
    const directory = new LeaderDirectory();
    // A node that was paused answers no ping, which ends the calls that hang on it.
    this.channels = new ByteChannels({
      messageBytesMax: MESSAGE_BYTES_MAX,
      keepalive: { timeMs: 1000, timeoutMs: 1000 },
      pipelining: true,
    });
    this.poller = new StatusPoller({
      nodes,
      directory,
      channels: this.channels,
      log,
      onAnswer: () => {
        this.health.setLeaderKnown(directory.leader !== null);
        this.channels.keepOnly(this.poller.addresses);
      },
    });
    const service = new GatewayService({
      readers: () => this.poller.readers,
      directory,
      channels: this.channels,
      random,
      refreshDirectory: () => this.poller.refresh(),
      ...(timing === undefined ? {} : { timing }),
    });
    this.server = new ByteServer({
      service: options.tracing === true ? traced(service) : service,
      log,
      defaultDeadlineMs: DEFAULT_DEADLINE_MS,
      messageBytesMax: MESSAGE_BYTES_MAX,
    });
    this.health.addTo(this.server);
    this.reflection.addTo(this.server);
  }

  /** @returns the port that is served */
  async open(): Promise<number> {
    const port = await this.server.listen(this.options.listen);
    this.poller.start();
    return port;
  }

  /** Lets the calls under way end for at most drainMs. Safe to call twice. */
  async close(drainMs: number): Promise<void> {
    this.health.close();
    this.reflection.close();
    await this.server.close(drainMs);
    this.poller.stop();
    this.channels.close();
  }
}

function traced(service: ByteService): ByteService {
  return traceService(service, { tracer: quorateTracer(), attributes: { "quorate.gateway": true } });
}
