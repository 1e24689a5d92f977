import type { ByteCall } from "#forward";
import { SESSIONS_MAX, type WriteId } from "#kv";

export interface WriteOrderOptions {
  /** How long a write waits at most; of a call that has less time left, half of that. */
  readonly waitMsMax: number;
  /** Writes that wait at a time. */
  readonly callsMax?: number;
  /** As Date.now(). */
  readonly wallMs: () => number;
  /** Returns how to take that back. */
  readonly after: (delayMs: number, run: () => void) => () => void;
}

interface Waiting {
  readonly sequence: number;
  readonly follows: number;
  readonly goOn: () => void;
}

/** What this node has handed to its replica of one session. */
interface Passage {
  /** The highest sequence that went in its place. */
  lastGone: number;
  /** In the order of their sequences; null for none. */
  waiting: Waiting[] | null;
}

/** Longer than one write stays behind another on its way, shorter than an attempt of a gateway. */
export const WRITE_ORDER_MS_MAX = 500;

const CALLS_MAX_DEFAULT = 16_384;

/**
 * Lets the writes of a session go to the replica in their order, as far as they come close to each other: one that overtook
 * the write that it follows waits for it here, where the state machine would refuse it, and whatever follows it, by entries of
 * the log. A help for the state machine, which keeps the order: whoever has waited enough goes on as it is.
 */
export class WriteOrder {
  private readonly options: WriteOrderOptions;
  private readonly callsMax: number;
  private readonly sessions = new Map<number, Passage>();
  private waitingCount = 0;
  private heldCount = 0;
  private refusedCount = 0;

  constructor(options: WriteOrderOptions) {
    this.options = options;
    this.callsMax = options.callsMax ?? CALLS_MAX_DEFAULT;
  }

  /** How many writes wait. */
  get size(): number {
    return this.waitingCount;
  }

  /** How many writes have waited. */
  get held(): number {
    return this.heldCount;
  }

  /** How many of those that follow another came to nothing, and are to come again. */
  get refusals(): number {
    return this.refusedCount;
  }

  /** The turn of a write, or null where it may go at once. */
  turn(
    id: WriteId | null,
    call: Pick<ByteCall, "aborted" | "deadlineMs" | "addEventListener" | "removeEventListener">,
  ): Promise<void> | null {
    if (id?.follows === undefined || id.follows === 0) return null;
    const passage = this.sessions.get(id.clientId);
    if (passage !== undefined && id.follows <= passage.lastGone) return null;
    if (call.aborted || this.waitingCount >= this.callsMax) return null;
    return this.wait(passage ?? this.passageOf(id.clientId), id.sequence, id.follows, call);
  }

  /** A write went to the replica: where it was in its place, what follows it may go. */
  gone(id: WriteId | null): void {
    if (id?.follows === undefined) return;
    const passage = this.sessions.get(id.clientId) ?? this.passageOf(id.clientId);
    if (id.follows <= passage.lastGone) this.reach(passage, id.sequence);
  }

  /** A write has its answer, or will never be carried out: wherever it came, what follows it may go. */
  settled(id: WriteId | null): void {
    if (id?.follows === undefined) return;
    this.reach(this.sessions.get(id.clientId) ?? this.passageOf(id.clientId), id.sequence);
  }

  /** A write went, and came to nothing: it will come again, and what follows it waits for that. */
  refused(id: WriteId | null): void {
    if (id?.follows === undefined) return;
    this.refusedCount += 1;
    const passage = this.sessions.get(id.clientId);
    if (passage !== undefined) passage.lastGone = Math.min(passage.lastGone, id.sequence - 1);
  }

  /** Who leads has changed: nothing that went counts any more, and nobody waits. */
  clear(): void {
    const passages = [...this.sessions.values()];
    this.sessions.clear();
    for (const { waiting } of passages) for (const { goOn } of [...(waiting ?? [])]) goOn();
  }

  private reach(passage: Passage, sequence: number): void {
    if (sequence > passage.lastGone) passage.lastGone = sequence;
    if (passage.waiting !== null) this.letGo(passage);
  }

  private passageOf(clientId: number): Passage {
    if (this.sessions.size >= SESSIONS_MAX) this.forgetIdle();
    const passage: Passage = { lastGone: 0, waiting: null };
    this.sessions.set(clientId, passage);
    return passage;
  }

  /** Sessions come and go without a word to this; what was forgotten too soon costs a wait. */
  private forgetIdle(): void {
    for (const [clientId, { waiting }] of this.sessions) if (waiting === null) this.sessions.delete(clientId);
  }

  private wait(
    passage: Passage,
    sequence: number,
    follows: number,
    call: Pick<ByteCall, "deadlineMs" | "addEventListener" | "removeEventListener">,
  ): Promise<void> {
    const { after, waitMsMax, wallMs } = this.options;
    return new Promise((resolve) => {
      const goOn = (): void => {
        if (!removed(passage, waiting)) return;
        this.waitingCount -= 1;
        cancel();
        call.removeEventListener("abort", goOn);
        resolve();
      };
      const waiting = { sequence, follows, goOn };
      passage.waiting ??= [];
      const at = passage.waiting.findLastIndex((other) => other.sequence <= sequence);
      passage.waiting.splice(at + 1, 0, waiting);
      this.waitingCount += 1;
      this.heldCount += 1;
      const cancel = after(Math.max(0, Math.min(waitMsMax, (call.deadlineMs - wallMs()) / 2)), goOn);
      call.addEventListener("abort", goOn);
    });
  }

  /** In their order, each behind the ones before it, for each goes on in a turn of its own. */
  private letGo(passage: Passage): void {
    for (const { follows, goOn } of [...(passage.waiting ?? [])]) if (follows <= passage.lastGone) goOn();
  }
}

/** Whether it was there. */
function removed(passage: Passage, waiting: Waiting): boolean {
  const at = passage.waiting?.indexOf(waiting) ?? -1;
  if (at < 0) return false;
  passage.waiting?.splice(at, 1);
  if (passage.waiting?.length === 0) passage.waiting = null;
  return true;
}
