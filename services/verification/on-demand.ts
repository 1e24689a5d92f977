import { hexEncode } from "#std";
import { membersOf } from "./judgement";
import type { Outcomes } from "./outcomes";
import {
  type Comparison,
  DIVERGED_KEYS_MAX,
  type DivergedKey,
  type MemberComparison,
  type RepairMemberOutcome,
  type VerifiedReplica,
  type VerifyOutcome,
} from "./ports";
import type { Timer } from "./timer";

/** How long after one another a member that repairs itself is compared again, and for how long. */
const REPAIR_PAUSE_MS = 500;
const REPAIR_TIME_MS = 120_000;
/** How often a round is proposed anew that gave way to another. */
const ATTEMPTS_MAX = 3;

/** Rounds that a caller wants now. Callers that come while one runs share the next. */
export class OnDemand {
  private present: Promise<VerifyOutcome> | null = null;
  private next: Promise<VerifyOutcome> | null = null;

  /** @param roundsForAll in how many rounds all keys are read */
  constructor(
    private readonly replica: VerifiedReplica,
    private readonly outcomes: Outcomes,
    private readonly timer: Timer,
    private readonly roundsForAll: () => number,
  ) {}

  get isBusy(): boolean {
    return this.present !== null;
  }

  verify(): Promise<VerifyOutcome> {
    const { present } = this;
    if (present === null) return this.begin();
    this.next ??= present.then(() => {
      this.next = null;
      return this.begin();
    });
    return this.next;
  }

  async repair(memberId: string): Promise<RepairMemberOutcome> {
    if (!membersOf(this.replica.membership.configuration).includes(memberId))
      return { kind: "unknown_member" };
    const first = await this.verify();
    if (first.kind !== "compared") return first;
    const member = memberOf(first, memberId);
    if (!member?.answered) return { kind: "failed", why: `${memberId} did not answer` };
    if (member.agrees)
      return { kind: "repaired", records: 0, stateReplaced: false, bytesMoved: first.bytesMoved };
    if (!first.members.some(({ agrees }) => agrees)) {
      return { kind: "failed", why: "no majority of the voters has the same state" };
    }
    const stateReplaced = first.wholeState.includes(memberId);
    const records = first.diverged.filter((key) => key.member === memberId).length;
    let { bytesMoved } = first;
    const untilMs = this.timer.nowMs + REPAIR_TIME_MS;
    while (this.timer.nowMs < untilMs && !this.timer.isClosed) {
      await this.timer.sleep(REPAIR_PAUSE_MS);
      const again = await this.verify();
      if (again.kind === "not_leader") return again;
      if (again.kind === "failed") continue;
      bytesMoved += again.bytesMoved;
      if (memberOf(again, memberId)?.agrees === true) {
        return { kind: "repaired", records: stateReplaced ? 0 : records, stateReplaced, bytesMoved };
      }
    }
    return { kind: "failed", why: `${memberId} still differs` };
  }

  private begin(): Promise<VerifyOutcome> {
    const verified = this.all().finally(() => {
      if (this.present === verified) this.present = null;
    });
    this.present = verified;
    return verified;
  }

  /** As many rounds as it takes to read all keys: where one of them found a difference, so did all together. */
  private async all(): Promise<VerifyOutcome> {
    let found = await this.round();
    // Asked for after the first round, which may have been the first that counted keys.
    const rounds = this.roundsForAll();
    for (let round = 1; round < rounds && found.kind === "compared"; round += 1) {
      const next = await this.round();
      found = next.kind === "compared" ? merged(found, next) : next;
    }
    return found;
  }

  private async round(): Promise<VerifyOutcome> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.propose();
      if (outcome.kind !== "failed" || attempt === ATTEMPTS_MAX || this.timer.isClosed) return outcome;
    }
  }

  private async propose(): Promise<VerifyOutcome> {
    const { replica } = this;
    if (!replica.isLeader) return { kind: "not_leader", leaderId: replica.leader.id };
    const outcome = await replica.proposeVerify();
    switch (outcome.kind) {
      case "applied":
        return this.outcomes.wait(outcome.entry.index);
      case "not_applied":
        if (outcome.reason === "not_leader") return { kind: "not_leader", leaderId: outcome.leaderId };
        return { kind: "failed", why: `the round was not begun: ${outcome.reason}` };
      case "unknown":
        return { kind: "failed", why: `whether the round was begun is unknown: ${outcome.reason}` };
    }
  }
}

function memberOf(comparison: Comparison, memberId: string): MemberComparison | null {
  return comparison.members.find(({ member }) => member === memberId) ?? null;
}

function merged(first: Comparison, second: Comparison): Comparison {
  const names = new Set(second.diverged.map(nameOf));
  const before = first.diverged.filter((key) => !names.has(nameOf(key)));
  return {
    ...second,
    consistent: first.consistent && second.consistent,
    isSplit: first.isSplit || second.isSplit,
    members: second.members.map((member) => {
      const earlier = memberOf(first, member.member);
      return {
        ...member,
        agrees: member.agrees && earlier?.agrees !== false,
        differs: member.differs || earlier?.differs === true,
      };
    }),
    diverged: [...before, ...second.diverged].slice(0, DIVERGED_KEYS_MAX),
    divergedCount: before.length + second.divergedCount,
    wholeState: [...new Set([...first.wholeState, ...second.wholeState])].sort(),
    bytesMoved: first.bytesMoved + second.bytesMoved,
  };
}

function nameOf({ member, namespaceId, key }: DivergedKey): string {
  return `${member} ${namespaceId} ${hexEncode(key)}`;
}
