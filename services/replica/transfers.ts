import type { MemberId, RaftStatus, Term } from "#raft";
import type { TransferResult } from "./outcome";

interface WaitingTransfer {
  readonly target: MemberId;
  ticksLeft: number;
  readonly settle: (result: TransferResult) => void;
}

/** Callers that wait for a transfer of leadership to succeed. */
export class Transfers {
  private waiting: WaitingTransfer[] = [];

  constructor(private readonly ticksMax: number) {}

  wait(target: MemberId): Promise<TransferResult> {
    return new Promise((settle) => this.waiting.push({ target, ticksLeft: this.ticksMax, settle }));
  }

  leaderChanged(leaderId: MemberId | null, term: Term): void {
    if (leaderId === null) return;
    this.settleWhere((transfer) =>
      transfer.target === leaderId
        ? { kind: "transferred", leaderId, term }
        : { kind: "not_leader", leaderId },
    );
  }

  tick(): void {
    if (this.waiting.length === 0) return;
    this.settleWhere((transfer) => {
      transfer.ticksLeft -= 1;
      return transfer.ticksLeft > 0 ? null : { kind: "timed_out" };
    });
  }

  settleAll(leaderId: MemberId | null): void {
    this.settleWhere(() => ({ kind: "not_leader", leaderId }));
  }

  private settleWhere(resultOf: (transfer: WaitingTransfer) => TransferResult | null): void {
    const before = this.waiting;
    this.waiting = [];
    for (const transfer of before) {
      const result = resultOf(transfer);
      if (result === null) this.waiting.push(transfer);
      else transfer.settle(result);
    }
  }
}

/** Of the voters that the leader has heard of the one that holds the most; null where there is no other voter. */
export function mostUpToDateVoter({ id: own, progress, configuration }: RaftStatus): MemberId | null {
  const others = (progress ?? []).filter(({ id }) => id !== own && configuration.voters.includes(id));
  const heard = others.filter(({ isRecentlyActive }) => isRecentlyActive);
  // A new leader has heard of nobody yet.
  const candidates = heard.length > 0 ? heard : others;
  return candidates.toSorted((left, right) => right.match - left.match)[0]?.id ?? null;
}
