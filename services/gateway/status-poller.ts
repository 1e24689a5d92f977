import {
  ClusterServiceDefinition,
  ListMembersRequest,
  ListMembersResponse,
  StatusRequest,
  StatusResponse,
} from "@quorate/proto/cluster";
import {
  asBuffer,
  type ByteChannels,
  CallFailure,
  type LeaderDirectory,
  type Log,
  methodPath,
  NO_HEADERS,
} from "#forward";
import { ClusterView } from "./cluster-view";

export interface StatusPollerOptions {
  /** Client addresses of nodes, host:port each: those that are asked first. At least one. */
  readonly nodes: readonly string[];
  readonly directory: LeaderDirectory;
  readonly channels: Pick<ByteChannels, "to">;
  readonly log: Log;
  /** Told after each answer. */
  readonly onAnswer: () => void;
  /** Between two rounds, while a leader is known and while none is. */
  readonly intervalMs?: number;
  readonly searchIntervalMs?: number;
}

const STATUS_PATH = methodPath(ClusterServiceDefinition, "status");
const MEMBERS_PATH = methodPath(ClusterServiceDefinition, "listMembers");
const STATUS_BODY = asBuffer(StatusRequest.encode({}).finish());
const MEMBERS_BODY = asBuffer(ListMembersRequest.encode({}).finish());

/**
 * Asks every node again and again who it is, who leads and who the members are, each on its own, so that one that hangs
 * delays no other. Members that come are asked from then on, and those that go no longer: so a gateway outlives the
 * replacement of every node that it was told of.
 */
export class StatusPoller {
  private readonly options: StatusPollerOptions;
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly asking = new Set<string>();
  private readonly hurried = new Set<string>();
  private readonly stopped = new AbortController();
  private readonly view: ClusterView;

  constructor(options: StatusPollerOptions) {
    this.options = options;
    this.view = new ClusterView(options.nodes, options.directory);
  }

  /** All that are asked now, host:port each. */
  get addresses(): readonly string[] {
    return this.view.addresses;
  }

  /** Where what any node may answer is sent, host:port each; at least one. */
  get readers(): readonly string[] {
    return this.view.readers;
  }

  start(): void {
    this.pollNewcomers();
  }

  /** Asks soon again, for what is known turned out to be wrong. */
  refresh(): void {
    const soonMs = this.options.searchIntervalMs ?? SEARCH_INTERVAL_MS_DEFAULT;
    for (const address of this.addresses)
      if (!this.asking.has(address)) this.schedule(address, soonMs, "sooner");
  }

  stop(): void {
    this.stopped.abort();
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }

  private poll(address: string): void {
    this.asking.add(address);
    this.ask(address)
      .catch((error: unknown) => {
        this.options.log.debug({ address, reason: CallFailure.from(error).message }, "a node did not answer");
        this.view.silent(address);
      })
      .finally(() => {
        this.asking.delete(address);
        const { directory, intervalMs, searchIntervalMs, onAnswer } = this.options;
        if (this.stopped.signal.aborted) return;
        onAnswer();
        this.pollNewcomers(address);
        if (!this.addresses.includes(address)) return;
        const waitMs =
          directory.leader === null
            ? (searchIntervalMs ?? SEARCH_INTERVAL_MS_DEFAULT)
            : (intervalMs ?? INTERVAL_MS_DEFAULT);
        this.schedule(address, waitMs, "as planned");
      });
  }

  /** Asks at once whoever is to be asked and is not yet. @param asked who has just been */
  private pollNewcomers(asked: string | null = null): void {
    for (const address of this.addresses) {
      const isNew = address !== asked && !this.asking.has(address) && !this.timers.has(address);
      if (isNew) this.poll(address);
    }
  }

  private schedule(address: string, waitMs: number, how: "sooner" | "as planned"): void {
    if (this.stopped.signal.aborted) return;
    const planned = this.timers.get(address);
    if (planned !== undefined) {
      // Many failed calls may ask for it at once: only the first shortens the wait.
      if (how === "sooner" && this.hurried.has(address)) return;
      clearTimeout(planned);
    }
    if (how === "sooner") this.hurried.add(address);
    else this.hurried.delete(address);
    this.timers.set(
      address,
      setTimeout(() => {
        this.timers.delete(address);
        this.hurried.delete(address);
        this.poll(address);
      }, waitMs),
    );
  }

  private async ask(address: string): Promise<void> {
    const { directory } = this.options;
    const status = StatusResponse.decode(await this.call(address, STATUS_PATH, STATUS_BODY));
    const { members } = ListMembersResponse.decode(await this.call(address, MEMBERS_PATH, MEMBERS_BODY));
    this.view.answered(address, status, members);
    const leaderId = status.leaderId === "" ? null : status.leaderId;
    directory.learnLeader(leaderId, Number(status.term));
  }

  private call(address: string, path: string, body: Buffer): Promise<Buffer> {
    const deadlineMs = Date.now() + ANSWER_TIMEOUT_MS;
    const call = { path, body, headers: NO_HEADERS, deadlineMs };
    return this.options.channels.to(address).unary(call, this.stopped.signal);
  }
}

const INTERVAL_MS_DEFAULT = 1000;
const SEARCH_INTERVAL_MS_DEFAULT = 50;
const ANSWER_TIMEOUT_MS = 1000;
