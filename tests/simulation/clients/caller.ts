import {
  type Answer,
  type Command,
  type CommandSource,
  closeSessionCommand,
  encodeAnswer,
  encodeCommand,
  openSessionCommand,
  Refusal,
} from "@quorate/services/kv";
import type { ReadRequest } from "@quorate/services/replica";
import type { Random } from "@quorate/services/std";
import { hexEncode, utf8Encode } from "@quorate/services/std";
import type { SessionEvent } from "../../judge/session-guarantees";
import type { ClientFaults } from "../faults/client-faults";
import type { Timeline } from "../world-contract";
import type { Asked, Asker } from "./asking";
import type { ReadReply, Wire, WriteReply } from "./wire";

/** How a write ended, as the client knows it. */
export type Written =
  | { readonly kind: "done"; readonly answer: Answer; readonly done: DoneResult }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** The server said, of each try, that nothing was done. */
  | { readonly kind: "not_done" }
  | { readonly kind: "unknown" };

export type DoneResult = Extract<Answer["result"], { $case: "done" }>["value"];

type Told = WithoutWho<SessionEvent>;
type WithoutWho<Event> = Event extends unknown ? Omit<Event, "client" | "returnNs"> : never;

type Read = Extract<ReadReply, { kind: "read" }>;

interface OpenedSession {
  readonly clientId: number;
  readonly ttlMs: number;
  sequence: number;
  /** Below this all answers have come; told late at times, so that the server keeps more. */
  firstUnanswered: number;
}

const PATIENCE_US_MIN = 2_000_000;
const PATIENCE_US_MAX = 6_000_000;
const TTL_MS_MIN = 2_000;
const TTL_MS_MAX = 8_000;
/** Replicated time moves once a second, so a session ends up to two Ticks after its time to live. */
const IDLE_BEYOND_TTL_MS = 4_000;
const LATE_US_MAX = 3_000_000;

/** What a client works with. */
export interface CallerParts {
  readonly timeline: Timeline;
  readonly wire: Wire;
  readonly asker: Asker;
  readonly random: Random;
  readonly faults: ClientFaults;
  /** Takes what it is told. */
  readonly events: SessionEvent[];
}

/** One client: its session, its retries, and what it has seen. */
export class Caller {
  /** The latest revision that it was told of. */
  seenRevision = 0;
  private session: OpenedSession | null = null;
  private isEnding = false;

  constructor(
    readonly name: string,
    private readonly namespace: string,
    private readonly parts: CallerParts,
  ) {}

  /** From now on nothing is done that nobody waits for. */
  end(): void {
    this.isEnding = true;
  }

  /** Carries a write out once, however often it is sent. */
  async write(make: (source: CommandSource) => Command): Promise<Written> {
    const { faults, random } = this.parts;
    const session = this.session ?? (await this.openSession());
    if (session === null) return { kind: "not_done" };
    session.sequence += 1;
    const { clientId, sequence } = session;
    // What it has, it may tell at once, late, or bit by bit.
    const untold = random.below(2) === 0 ? 0 : random.below(sequence - session.firstUnanswered + 1);
    const firstUnanswered = sequence - untold;
    session.firstUnanswered = firstUnanswered;
    const command = encodeCommand(make(this.source({ clientId, sequence, firstUnanswered })));
    const isIdle = !this.isEnding && random.float() < faults.idleLongerThanTtlProbability;
    const invokeNs = this.nowNs;
    const asked = await this.ask(command, isIdle ? 1000 * (session.ttlMs + IDLE_BEYOND_TTL_MS) : 0);
    const written = this.ended(asked);
    if (asked.kind === "answered" && asked.reply.kind === "applied") {
      const { answer } = asked.reply;
      const told = { request: { clientId, sequence }, answer: hexEncode(encodeAnswer(answer)) };
      this.told({ kind: "write", ...told, invokeNs, revision: Number(answer.revision) });
    }
    if (written.kind === "unknown" || (written.kind === "refused" && endsSession(written.refusal))) {
      this.session = null;
    } else if (asked.kind === "answered" && random.float() < faults.lateDuplicateProbability) {
      this.sendLate(command);
    }
    return written;
  }

  /** Writes without a session: for what may be done twice. */
  async writeWithoutSession(make: (source: CommandSource) => Command): Promise<Written> {
    return this.ended(await this.ask(encodeCommand(make(this.source(null))), 0));
  }

  /** null when nobody answered in time. */
  async read(
    key: string,
    request: Omit<ReadRequest, "namespace">,
    isAnywhere: boolean,
  ): Promise<Read | null> {
    const { asker, wire } = this.parts;
    const call = {
      client: this.name,
      key: utf8Encode(key),
      request: { ...request, namespace: this.namespace },
    };
    const invokeNs = this.nowNs;
    const asked = await asker.ask<ReadReply>({
      send: (member, onReply) => wire.read({ ...call, member }, onReply),
      judge: (reply) => (isFinal(reply) ? "final" : "not_done"),
      hint: () => null,
      isAnywhere,
      patienceUs: this.patienceUs(),
      idleUs: 0,
    });
    if (asked.kind !== "answered" || asked.reply.kind !== "read") return null;
    const { revision } = asked.reply.point;
    this.saw(revision);
    if (request.revision === 0) {
      const isMonotonic = request.consistency === "linearizable" && request.maxStalenessMs === 0;
      this.told({ kind: "read", minRevision: request.minRevision, isMonotonic, invokeNs, revision });
    }
    return asked.reply;
  }

  /** Ends its session, if it has one; it opens another when it needs one. */
  async closeSession(): Promise<void> {
    const { session } = this;
    if (session === null) return;
    this.session = null;
    await this.writeWithoutSession((source) => closeSessionCommand(source, BigInt(session.clientId)));
  }

  private async openSession(): Promise<OpenedSession | null> {
    const ttlMs = TTL_MS_MIN + this.parts.random.below(TTL_MS_MAX - TTL_MS_MIN);
    const opened = await this.writeWithoutSession((source) => openSessionCommand(source, ttlMs));
    if (opened.kind !== "done") return null;
    this.session = { clientId: Number(opened.done.clientId), ttlMs, sequence: 0, firstUnanswered: 1 };
    return this.session;
  }

  private ask(command: Uint8Array, idleUs: number): Promise<Asked<WriteReply>> {
    const { asker, wire } = this.parts;
    return asker.ask<WriteReply>({
      send: (member, onReply) => wire.write({ client: this.name, member, command }, onReply),
      judge: ({ kind }) => (kind === "applied" ? "final" : kind === "unknown" ? "open" : "not_done"),
      hint: (reply) => (reply.kind === "not_applied" ? reply.leaderId : null),
      isAnywhere: false,
      patienceUs: this.patienceUs(),
      idleUs,
    });
  }

  private ended(asked: Asked<WriteReply>): Written {
    if (asked.kind === "gave_up") return { kind: asked.openTries === 0 ? "not_done" : "unknown" };
    if (asked.reply.kind !== "applied") return { kind: "unknown" };
    const { answer } = asked.reply;
    this.saw(Number(answer.revision));
    if (answer.result?.$case === "done") return { kind: "done", answer, done: answer.result.value };
    const refusal = answer.result?.value.refusal ?? Refusal.UNSPECIFIED;
    // These speak of this try alone: an earlier one may have been carried out before.
    const isOfThisTry = refusal === Refusal.SESSION_EXPIRED || refusal === Refusal.ANSWER_DROPPED;
    return isOfThisTry && asked.openTries > 0 ? { kind: "unknown" } : { kind: "refused", refusal };
  }

  /** An answered request comes once more, and nobody waits for what is said to it. */
  private sendLate(command: Uint8Array): void {
    const { asker, random, timeline, wire } = this.parts;
    timeline.after(random.below(LATE_US_MAX), () => {
      if (this.isEnding) return;
      wire.write({ client: this.name, member: asker.likelyLeader, command }, () => undefined);
    });
  }

  private source(requestId: CommandSource["requestId"]): CommandSource {
    return { namespace: this.namespace, requestId, wallTimeMs: 0 };
  }

  private told(event: Told): void {
    const { events } = this.parts;
    events.push({ ...event, client: this.name, returnNs: this.nowNs });
  }

  private get nowNs(): bigint {
    return BigInt(this.parts.timeline.nowUs) * 1000n;
  }

  private saw(revision: number): void {
    this.seenRevision = Math.max(this.seenRevision, revision);
  }

  private patienceUs(): number {
    return PATIENCE_US_MIN + this.parts.random.below(PATIENCE_US_MAX - PATIENCE_US_MIN);
  }
}

/** Whether nobody need be asked again: what is wrong with the read is so wherever it goes. */
function isFinal({ kind }: ReadReply): boolean {
  return (
    kind === "read" || kind === "compacted" || kind === "future_revision" || kind === "unknown_namespace"
  );
}

function endsSession(refusal: Refusal): boolean {
  return refusal === Refusal.SESSION_EXPIRED || refusal === Refusal.UNKNOWN_NAMESPACE;
}
