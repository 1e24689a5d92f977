import type { MemberId } from "@quorate/services/raft";
import type { Random } from "@quorate/services/std";
import type { ClientFaults } from "../faults/client-faults";
import type { Timeline } from "../world-contract";

/** What one reply says about the call that it answers. */
export type Verdict =
  /** Nobody need be asked again. */
  | "final"
  /** Nothing was done, and by this try nothing will be. */
  | "not_done"
  /** Something may have been done, or may yet be. */
  | "open";

/** How asking ended. `openTries`: sent, and neither the final one nor known to have done nothing. */
export type Asked<Reply> =
  | { readonly kind: "answered"; readonly reply: Reply; readonly openTries: number }
  | { readonly kind: "gave_up"; readonly openTries: number };

export interface Question<Reply> {
  send(member: MemberId, onReply: (reply: Reply) => void): void;
  judge(reply: Reply): Verdict;
  /** Who leads, where a reply says so. */
  hint(reply: Reply): MemberId | null;
  /** Whether any member will do. */
  readonly isAnywhere: boolean;
  readonly patienceUs: number;
  /** After the first try the client says nothing for so long, and hears nothing; 0 for none. */
  readonly idleUs: number;
}

const TRY_US = 600_000;
const BACKOFF_US_MIN = 20_000;
const BACKOFF_US_MAX = 250_000;
const FOLLOWED_HINTS_MAX = 3;

/** Asks members until one gives a final answer or patience ends: as clients do that know nothing but addresses. */
export class Asker {
  private preferred: MemberId;

  constructor(
    private readonly timeline: Timeline,
    private readonly random: Random,
    private readonly members: readonly MemberId[],
    private readonly faults: ClientFaults,
  ) {
    this.preferred = this.someMember();
  }

  ask<Reply>(question: Question<Reply>): Promise<Asked<Reply>> {
    return new Promise((resolve) => {
      const { faults, timeline } = this;
      const untilUs = timeline.nowUs + question.patienceUs + question.idleUs;
      const tryUs = this.chance(faults.timeoutProbability) ? faults.timeoutUs : TRY_US;
      let isDeaf = question.idleUs > 0;
      let isOver = false;
      let openTries = 0;
      /** The latest try, so that only its failure leads to another. */
      let latest = 0;
      const send = (member: MemberId): number => {
        openTries += 1;
        latest += 1;
        const number = latest;
        question.send(member, (reply) => {
          if (isOver || isDeaf) return;
          const verdict = question.judge(reply);
          if (verdict !== "open") openTries -= 1;
          if (verdict === "final") {
            isOver = true;
            this.preferred = question.isAnywhere ? this.preferred : member;
            resolve({ kind: "answered", reply, openTries });
            return;
          }
          if (number !== latest) return;
          const hint = question.hint(reply);
          this.preferred = hint ?? this.otherThan(member);
          // Two that name each other would else be asked in turn without end.
          again(hint !== null && hint !== member && number <= FOLLOWED_HINTS_MAX ? 0 : this.backoffUs());
        });
        return number;
      };
      const again = (delayUs: number): void => {
        latest += 1;
        const number = latest;
        timeline.after(delayUs, () => {
          if (!isOver && number === latest) tryOnce();
        });
      };
      const tryOnce = (): void => {
        if (timeline.nowUs >= untilUs) {
          isOver = true;
          resolve({ kind: "gave_up", openTries });
          return;
        }
        const member = this.memberFor(question.isAnywhere);
        if (this.chance(faults.duplicateProbability))
          send(this.random.below(2) === 0 ? member : this.someMember());
        const number = send(member);
        timeline.after(Math.min(tryUs, Math.max(1, untilUs - timeline.nowUs)), () => {
          if (isOver || isDeaf || number !== latest) return;
          if (this.chance(Math.max(0.5, faults.retryElsewhereProbability)))
            this.preferred = this.otherThan(member);
          tryOnce();
        });
      };
      tryOnce();
      if (question.idleUs === 0) return;
      timeline.after(question.idleUs, () => {
        isDeaf = false;
        tryOnce();
      });
    });
  }

  /** Where a leader was last found, or is to be sought. */
  get likelyLeader(): MemberId {
    return this.preferred;
  }

  private memberFor(isAnywhere: boolean): MemberId {
    return isAnywhere || this.chance(this.faults.wrongNodeProbability) ? this.someMember() : this.preferred;
  }

  private backoffUs(): number {
    return BACKOFF_US_MIN + this.random.below(BACKOFF_US_MAX - BACKOFF_US_MIN);
  }

  private chance(probability: number): boolean {
    return this.random.float() < probability;
  }

  private someMember(): MemberId {
    return this.members[this.random.below(this.members.length)] as MemberId;
  }

  private otherThan(member: MemberId): MemberId {
    const others = this.members.filter((other) => other !== member);
    return others[this.random.below(others.length)] ?? member;
  }
}
