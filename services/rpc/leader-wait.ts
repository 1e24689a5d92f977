import type { ByteCall } from "#forward";

export interface LeaderWaitOptions {
  /** How long a call waits at most; of a call that has less time left, half of that. */
  readonly waitMsMax: number;
  /** Calls that wait at a time. */
  readonly callsMax?: number;
  /** As Date.now(). */
  readonly wallMs: () => number;
  /** Returns how to take that back. */
  readonly after: (delayMs: number, run: () => void) => () => void;
}

const CALLS_MAX_DEFAULT = 16_384;

/** Where an election timeout is short, a node that is busy needs more than half of it. */
const WAIT_MS_MIN = 250;

/** How long to wait where elections take that long: beyond it a call waits for no fail-over, and may look elsewhere. */
export function leaderWaitMsMax(electionTimeoutMs: number): number {
  return Math.max(WAIT_MS_MIN, electionTimeoutMs / 2);
}

/**
 * Calls that belong to the leader and came while nobody is known to lead. After the end of a leader's process another leads
 * within some tens of milliseconds: whoever was refused meanwhile would find out only by its next retry, and all that it
 * wrote after that with it.
 */
export class LeaderWait {
  private readonly options: LeaderWaitOptions;
  private readonly callsMax: number;
  /** In the order in which they came, and in which they go on. */
  private readonly waiting = new Set<() => void>();

  constructor(options: LeaderWaitOptions) {
    this.options = options;
    this.callsMax = options.callsMax ?? CALLS_MAX_DEFAULT;
  }

  /** How many calls wait. */
  get size(): number {
    return this.waiting.size;
  }

  /** Resolves when somebody may be known to lead, or the call has waited enough; at once where too many wait. */
  wait(
    call: Pick<ByteCall, "aborted" | "deadlineMs" | "addEventListener" | "removeEventListener">,
  ): Promise<void> {
    if (call.aborted || this.waiting.size >= this.callsMax) return Promise.resolve();
    const { after, waitMsMax, wallMs } = this.options;
    return new Promise((resolve) => {
      const goOn = (): void => {
        if (!this.waiting.delete(goOn)) return;
        cancel();
        call.removeEventListener("abort", goOn);
        resolve();
      };
      this.waiting.add(goOn);
      const cancel = after(Math.max(0, Math.min(waitMsMax, (call.deadlineMs - wallMs()) / 2)), goOn);
      call.addEventListener("abort", goOn);
    });
  }

  /** Somebody leads, or this node ends: all that wait look again. */
  release(): void {
    for (const goOn of [...this.waiting]) goOn();
  }
}
