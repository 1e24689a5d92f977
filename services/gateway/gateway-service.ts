import {
  ErrorReason,
  KvServiceDefinition,
  LeaseServiceDefinition,
  NamespaceServiceDefinition,
  Outcome,
} from "@quorate/proto/kv";
import {
  type AnswerTaker,
  asksForStale,
  type ByteCall,
  type ByteChannels,
  type ByteService,
  type ByteSink,
  CallFailure,
  type EndingCall,
  type LeaderDirectory,
  mayRetry,
  methodPath,
  outgoingCall,
  settle,
} from "#forward";
import { type Random, unreachable } from "#std";
import { ReplayedMessages } from "./replayed-messages";

export interface GatewayServiceOptions {
  /** Where what any node may answer is sent now, host:port each; at least one. */
  readonly readers: () => readonly string[];
  readonly directory: LeaderDirectory;
  readonly channels: ByteChannels;
  readonly random: Random;
  /** Asks the nodes again who leads, soon. */
  readonly refreshDirectory: () => void;
  readonly timing?: Partial<GatewayTiming>;
}

export interface GatewayTiming {
  /**
   * How long one attempt at a short call that may be repeated waits for a node. The first of several: it doubles with
   * each, so that a slow node is not mistaken for a hanging one for ever.
   */
  readonly attemptTimeoutMs: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** How long a stream without a deadline looks for a node that serves it. */
  readonly streamStartMsMax: number;
  /** No further attempt begins with less than this left: it would only turn a known outcome into an open one. */
  readonly attemptMsMin: number;
}

const DEFAULT_TIMING: GatewayTiming = {
  attemptTimeoutMs: 1000,
  backoffMsMin: 10,
  backoffMsMax: 250,
  streamStartMsMax: 5000,
  attemptMsMin: 50,
};

/**
 * Methods whose work is small whatever is asked, so that silence means a node that hangs. The others may rightly take
 * long; a node that hangs in them is found by the keepalive of its connection.
 */
const shortMethods: ReadonlySet<string> = new Set([
  ...(
    [
      "openSession",
      "closeSession",
      "put",
      "get",
      "delete",
      "increment",
      "append",
      "prepend",
    ] as const satisfies readonly (keyof (typeof KvServiceDefinition)["methods"])[]
  ).map((method) => methodPath(KvServiceDefinition, method)),
  ...(
    ["grant", "timeToLive"] as const satisfies readonly (keyof (typeof LeaseServiceDefinition)["methods"])[]
  ).map((method) => methodPath(LeaseServiceDefinition, method)),
  ...(
    [
      "create",
      "setQuota",
    ] as const satisfies readonly (keyof (typeof NamespaceServiceDefinition)["methods"])[]
  ).map((method) => methodPath(NamespaceServiceDefinition, method)),
]);

/** One call's way through the nodes. */
class Journey {
  readonly call: ByteCall;
  readonly wantsAnyNode: boolean;
  readonly hasRequestId: boolean;
  /** Whether an attempt so far may have been applied. */
  isOutcomeUnknown = false;
  attempts = 0;
  /** How often a node named another as the leader. */
  hints = 0;
  /** Where the last attempt went. */
  lastAddress: string | null = null;

  constructor(call: ByteCall) {
    this.call = call;
    // Watches are shared out over all nodes, each of which tells the same events.
    this.wantsAnyNode =
      call.method.route === "read" && (call.method.requestStream || asksForStale(call.body));
    this.hasRequestId = call.headers.requestId !== "";
  }
}

/** How a unary call ends, told once. */
type Ending = Pick<EndingCall, "answered" | "failed">;

/** That of a unary call, which is told itself how its attempts end. */
class UnaryJourney extends Journey implements AnswerTaker {
  private readonly ending: Ending;
  private readonly goOn: (journey: UnaryJourney, error: unknown) => void;

  constructor(call: ByteCall, ending: Ending, goOn: (journey: UnaryJourney, error: unknown) => void) {
    super(call);
    this.ending = ending;
    this.goOn = goOn;
  }

  answered(body: Buffer): void {
    this.ending.answered(body);
  }

  /** An attempt has. */
  failed(failure: CallFailure): void {
    this.goOn(this, failure);
  }

  /** There is no further attempt. */
  end(error: unknown): void {
    this.ending.failed(error);
  }
}

/**
 * Passes calls on as bytes: to the leader, or to any node where a stale read was asked for, or to a named member. Knows
 * nothing between calls but where the nodes are and who leads, so any number of gateways can stand side by side.
 */
export class GatewayService implements ByteService {
  private readonly options: GatewayServiceOptions;
  private readonly timing: GatewayTiming;
  private turn: number;

  constructor(options: GatewayServiceOptions) {
    this.options = options;
    this.timing = { ...DEFAULT_TIMING, ...options.timing };
    this.turn = options.random.below(options.readers().length);
  }

  unary(call: ByteCall): Promise<Uint8Array> {
    return new Promise((answered, failed) => {
      this.attempt(new UnaryJourney(call, { answered, failed }, this.goOn));
    });
  }

  begin(call: EndingCall): void {
    this.attempt(new UnaryJourney(call, call, this.goOn));
  }

  private attempt(journey: UnaryJourney): void {
    const { call } = journey;
    try {
      const address = this.nextAddress(journey);
      // From here on an end without an answer leaves the outcome of a write open.
      call.isSubmitted = true;
      const sent = outgoingCall(call, this.attemptDeadlineMs(journey));
      this.options.channels.to(address).begin(sent, call, journey);
    } catch (error) {
      this.goOn(journey, error);
    }
  }

  /** With the next attempt after one that failed, if there is to be one. */
  private readonly goOn = (journey: UnaryJourney, error: unknown): void => {
    this.recover(journey, CallFailure.from(error), journey.call.deadlineMs).then(
      () => this.attempt(journey),
      (failure: unknown) => journey.end(failure),
    );
  };

  async stream(call: ByteCall, sink: ByteSink): Promise<void> {
    const journey = new Journey(call);
    const startBeforeMs = Math.min(call.deadlineMs, Date.now() + this.timing.streamStartMsMax);
    let hasBegun = false;
    for (;;) {
      try {
        const channel = this.options.channels.to(this.nextAddress(journey));
        for await (const message of channel.stream(outgoingCall(call), call)) {
          hasBegun = true;
          await sink.write(message);
        }
        return;
      } catch (error) {
        const failure = CallFailure.from(error);
        // What was handed on cannot be taken back; the caller goes on from its cursor.
        if (hasBegun) throw failure;
        await this.recover(journey, failure, startBeforeMs);
      }
    }
  }

  /**
   * Begun anew at another node only while nothing was answered, and while all that the caller has sent is still known:
   * what it says of an answer means nothing to another stream.
   */
  async duplex(call: ByteCall, source: AsyncIterable<Buffer>, sink: ByteSink): Promise<void> {
    const journey = new Journey(call);
    const startBeforeMs = Math.min(call.deadlineMs, Date.now() + this.timing.streamStartMsMax);
    const requests = new ReplayedMessages(source);
    for (;;) {
      try {
        const channel = this.options.channels.to(this.nextAddress(journey));
        for await (const message of channel.duplex(outgoingCall(call), requests.fromTheStart(), call)) {
          requests.forget();
          await sink.write(message);
        }
        return;
      } catch (error) {
        const failure = CallFailure.from(error);
        if (!requests.areWhole) throw failure;
        await this.recover(journey, failure, startBeforeMs);
      }
    }
  }

  /** Learns from a failure and waits before the next attempt; throws what the caller is told when there is none. */
  private async recover(journey: Journey, failure: CallFailure, untilMs: number): Promise<void> {
    const { call, hasRequestId } = journey;
    if (!call.method.isRead && failure.outcome === Outcome.UNKNOWN) journey.isOutcomeUnknown = true;
    call.isSubmitted = journey.isOutcomeUnknown;
    const waitMs = this.learn(journey, failure);
    const isLast = call.aborted || Date.now() + waitMs + this.timing.attemptMsMin > untilMs;
    // What is asked by a stream may be asked again: a watch changes nothing, and a lease that is renewed twice is renewed.
    const isRead = call.method.isRead || call.method.requestStream;
    if (isLast || !mayRetry({ isRead, hasRequestId, failure })) {
      throw settle(failure, journey.isOutcomeUnknown);
    }
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    if (call.aborted) throw settle(failure, journey.isOutcomeUnknown);
  }

  /** Brings the directory up to date with a failure. @returns how long to wait before the next attempt */
  private learn(journey: Journey, failure: CallFailure): number {
    const { directory, refreshDirectory } = this.options;
    const asked = directory.leader;
    const { leader } = failure;
    const { backoffMsMin, backoffMsMax } = this.timing;
    const backoffMs = Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(journey.attempts, 10));
    journey.attempts += 1;
    if (leader !== undefined && leader.address !== journey.lastAddress) {
      directory.learnHint(leader);
      // The first hint is followed at once, but two nodes that point at each other are asked at the pace of all retries.
      journey.hints += 1;
      return journey.hints === 1 ? 0 : backoffMs;
    }
    switch (failure.reason) {
      case ErrorReason.NOT_LEADER:
      case ErrorReason.NO_LEADER:
      case ErrorReason.SHUTTING_DOWN:
      case ErrorReason.UNREACHABLE:
      case ErrorReason.CONNECTION_LOST:
      case ErrorReason.DEADLINE_EXCEEDED:
      case ErrorReason.LEADERSHIP_LOST:
      case ErrorReason.STORE_LOST:
        if (asked !== null && asked.address === journey.lastAddress) directory.forgetLeader(asked.memberId);
        refreshDirectory();
        break;
      default:
        break;
    }
    return backoffMs / 2 + (backoffMs / 2) * this.options.random.float();
  }

  /** Throws when there is no node to go to at the moment. */
  private nextAddress(journey: Journey): string {
    const address = this.choose(journey);
    journey.lastAddress = address;
    return address;
  }

  private choose({ call, wantsAnyNode, attempts }: Journey): string {
    const { directory } = this.options;
    const { member } = call.headers;
    if (member !== "" && call.method.route !== "leader") {
      const address = directory.address(member);
      if (address === null) {
        const ids = [...directory.members.keys()].sort().join(", ");
        const known = ids === "" ? "none is known yet" : `there are ${ids}`;
        throw new CallFailure(ErrorReason.UNKNOWN_MEMBER, `there is no member "${member}"; ${known}`);
      }
      return address;
    }
    const leader = directory.leader;
    switch (call.method.route) {
      case "leader":
        // Whichever node it is knows of the next leader first, and keeps the call until then.
        return leader?.address ?? this.anyNode();
      case "member":
        // Status and the like answer without a leader, from whichever node.
        return leader?.address ?? this.anyNode();
      case "read":
        // Any node can answer a read after a quorum round, so one that failed at the leader is tried elsewhere.
        return wantsAnyNode || leader === null || attempts % 2 === 1 ? this.anyNode() : leader.address;
      default:
        return unreachable(call.method.route);
    }
  }

  private anyNode(): string {
    const readers = this.options.readers();
    this.turn = (this.turn + 1) % readers.length;
    return readers[this.turn] as string;
  }

  private attemptDeadlineMs({ call, hasRequestId, attempts }: Journey): number {
    const mayRepeat = call.method.isRead || hasRequestId;
    if (!mayRepeat || !shortMethods.has(call.method.path)) return call.deadlineMs;
    return Math.min(call.deadlineMs, Date.now() + this.timing.attemptTimeoutMs * 2 ** Math.min(attempts, 10));
  }
}
