import {
  closeSessionCommand,
  encodeAnswer,
  encodeCommand,
  openSessionCommand,
  putCommand,
  Refusal,
} from "@quorate/services/kv";
import type { MemberId } from "@quorate/services/raft";
import { hexEncode, utf8Encode } from "@quorate/services/std";
import type { Verdict } from "./asking";
import type { Caller, CallerParts } from "./caller";
import type { WriteReply } from "./wire";

const KEY = utf8Encode("p1");
const BURST_MIN = 2;
const BURST_MAX = 10;
const GAP_US_MAX = 1_500;
const PATIENCE_US_MIN = 2_000_000;
const PATIENCE_US_MAX = 6_000_000;
/** Of a caller who gives up while the write may still be on its way. */
const HASTE_US_MIN = 200;
const HASTE_US_MAX = 40_000;
const LATE_US_MAX = 1_500_000;
const TTL_MS_MIN = 2_000;
const TTL_MS_MAX = 20_000;
const CLOSE_ONE_OF = 30;

interface PipelinedSession {
  readonly clientId: number;
  sequence: number;
  /** The sequences that it waits for, rising. */
  open: readonly number[];
}

/**
 * Has many writes of one session under way at once, over ways on which they overtake each other: each names the one before
 * it that it waits for by then. Some it gives up, and they come late.
 */
export class Pipeliner {
  private session: PipelinedSession | null = null;
  private isEnding = false;

  constructor(
    readonly caller: Caller,
    private readonly parts: CallerParts,
  ) {}

  /** From now on nothing is done that nobody waits for. */
  end(): void {
    this.isEnding = true;
  }

  async carryOut(): Promise<void> {
    const { random } = this.parts;
    const session = this.session ?? (await this.open());
    if (session === null) return;
    const writes: Promise<void>[] = [];
    for (let left = BURST_MIN + random.below(BURST_MAX - BURST_MIN + 1); left > 0; left -= 1) {
      writes.push(this.write(session));
      if (random.below(2) === 0) await this.pass(random.below(GAP_US_MAX));
    }
    await Promise.all(writes);
    if (this.session !== session || random.below(CLOSE_ONE_OF) > 0) return;
    this.session = null;
    const clientId = BigInt(session.clientId);
    await this.caller.writeWithoutSession((source) => closeSessionCommand(source, clientId));
  }

  private async open(): Promise<PipelinedSession | null> {
    const ttlMs = TTL_MS_MIN + this.parts.random.below(TTL_MS_MAX - TTL_MS_MIN);
    const opened = await this.caller.writeWithoutSession((source) => openSessionCommand(source, ttlMs));
    if (opened.kind !== "done") return null;
    this.session = { clientId: Number(opened.done.clientId), sequence: 0, open: [] };
    return this.session;
  }

  private async write(session: PipelinedSession): Promise<void> {
    const { asker, faults, random, wire } = this.parts;
    session.sequence += 1;
    const { sequence } = session;
    session.open = [...session.open, sequence];
    const isHasty = random.float() < faults.timeoutProbability / 2;
    const invokeNs = this.nowNs;
    /** Who was asked last. */
    let asked: MemberId | null = null;
    const { name: client } = this.caller;
    const outcome = await asker.ask<WriteReply>({
      send: (member, onReply) => {
        asked = member;
        wire.write({ client, member, command: this.commandOf(session, sequence) }, onReply);
      },
      judge: verdictOf,
      hint: (reply) => (reply.kind === "not_applied" ? reply.leaderId : isEarly(reply) ? asked : null),
      isAnywhere: false,
      patienceUs: isHasty
        ? HASTE_US_MIN + random.below(HASTE_US_MAX)
        : PATIENCE_US_MIN + random.below(PATIENCE_US_MAX - PATIENCE_US_MIN),
      idleUs: 0,
    });
    const last = this.commandOf(session, sequence);
    session.open = session.open.filter((other) => other !== sequence);
    const isGivenUp = outcome.kind === "gave_up";
    if (isGivenUp ? random.below(2) === 0 : random.float() < faults.lateDuplicateProbability) {
      this.sendLate(last);
    }
    if (isGivenUp || outcome.reply.kind !== "applied") return;
    const { answer } = outcome.reply;
    const { result } = answer;
    if (result?.$case === "refused" && ENDS_SESSION.has(result.value.refusal)) {
      if (this.session === session) this.session = null;
      return;
    }
    const request = { clientId: session.clientId, sequence };
    const told = { request, answer: hexEncode(encodeAnswer(answer)), revision: Number(answer.revision) };
    this.parts.events.push({ kind: "write", ...told, client, invokeNs, returnNs: this.nowNs });
  }

  /** As it is sent now. */
  private commandOf({ clientId, open }: PipelinedSession, sequence: number): Uint8Array {
    const follows = open.findLast((other) => other < sequence) ?? 0;
    const requestId = { clientId, sequence, firstUnanswered: open[0] ?? sequence, follows };
    const value = utf8Encode(`${clientId}/${sequence}`);
    return encodeCommand(
      putCommand(
        { namespace: "", requestId, wallTimeMs: 0 },
        { key: KEY, value, leaseId: 0n, returnPrevious: false, expectedModRevision: null },
      ),
    );
  }

  /** What was sent comes once more, and nobody waits for what is said to it. */
  private sendLate(command: Uint8Array): void {
    const { asker, random, timeline, wire } = this.parts;
    timeline.after(random.below(LATE_US_MAX), () => {
      if (this.isEnding) return;
      const { name: client } = this.caller;
      wire.write({ client, member: asker.likelyLeader, command }, () => undefined);
    });
  }

  private get nowNs(): bigint {
    return BigInt(this.parts.timeline.nowUs) * 1000n;
  }

  private pass(delayUs: number): Promise<void> {
    return new Promise((resolve) => this.parts.timeline.after(delayUs, resolve));
  }
}

const ENDS_SESSION: ReadonlySet<Refusal> = new Set([Refusal.SESSION_EXPIRED, Refusal.ANSWER_DROPPED]);

function isEarly(reply: WriteReply): boolean {
  if (reply.kind !== "applied") return false;
  const { result } = reply.answer;
  return result?.$case === "refused" && result.value.refusal === Refusal.OUT_OF_ORDER;
}

function verdictOf(reply: WriteReply): Verdict {
  if (reply.kind === "unknown") return "open";
  return reply.kind === "applied" && !isEarly(reply) ? "final" : "not_done";
}
