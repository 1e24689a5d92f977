import { Metadata } from "@grpc/grpc-js";
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
} from "#forward";

export interface StatusPollerOptions {
  /** Client addresses of nodes, host:port each. */
  readonly nodes: readonly string[];
  readonly directory: LeaderDirectory;
  readonly channels: ByteChannels;
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

/** Asks every node again and again who it is and who leads, each on its own, so that one that hangs delays no other. */
export class StatusPoller {
  private readonly options: StatusPollerOptions;
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly asking = new Set<string>();
  private readonly hurried = new Set<string>();
  private readonly stopped = new AbortController();
  private knowsMembers = false;

  constructor(options: StatusPollerOptions) {
    this.options = options;
  }

  start(): void {
    for (const address of this.options.nodes) this.poll(address);
  }

  /** Asks soon again, for what is known turned out to be wrong. */
  refresh(): void {
    const soonMs = this.options.searchIntervalMs ?? SEARCH_INTERVAL_MS_DEFAULT;
    for (const address of this.options.nodes)
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
      })
      .finally(() => {
        this.asking.delete(address);
        const { directory, intervalMs, searchIntervalMs, onAnswer } = this.options;
        if (this.stopped.signal.aborted) return;
        onAnswer();
        const waitMs =
          directory.leader === null
            ? (searchIntervalMs ?? SEARCH_INTERVAL_MS_DEFAULT)
            : (intervalMs ?? INTERVAL_MS_DEFAULT);
        this.schedule(address, waitMs, "as planned");
      });
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
    directory.learnMember(status.memberId, address);
    const leaderId = status.leaderId === "" ? null : status.leaderId;
    if (!this.knowsMembers || (leaderId !== null && directory.address(leaderId) === null)) {
      // A member that does not answer, or that this gateway was not told of, goes by the address that the others know.
      const { members } = ListMembersResponse.decode(await this.call(address, MEMBERS_PATH, MEMBERS_BODY));
      for (const { memberId, clientAddress } of members) {
        if (directory.address(memberId) === null) directory.learnMember(memberId, clientAddress);
      }
      this.knowsMembers = true;
    }
    directory.learnLeader(leaderId, Number(status.term));
  }

  private call(address: string, path: string, body: Buffer): Promise<Buffer> {
    const deadlineMs = Date.now() + ANSWER_TIMEOUT_MS;
    const call = { path, body, metadata: new Metadata(), deadlineMs };
    return this.options.channels.to(address).unary(call, this.stopped.signal);
  }
}

const INTERVAL_MS_DEFAULT = 1000;
const SEARCH_INTERVAL_MS_DEFAULT = 50;
const ANSWER_TIMEOUT_MS = 1000;
