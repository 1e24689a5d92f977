import {
  compactAllCommand,
  encodeCommand,
  type MembershipState,
  recordStoreCommand,
  type StateMeta,
  tickCommand,
  updateMemberCommand,
} from "#kv";
import type { MemberId, RaftStatus } from "#raft";
import type { HistoryKeeper } from "./history-keeper";
import type { Introductions } from "./introductions";
import { LeadershipKeeper } from "./leadership-keeper";
import { promotionDue } from "./membership-keeper";
import type { MembershipRequest } from "./outcome";
import type { Clock } from "./ports";
import { TimeKeeper } from "./time-keeper";

export interface LeaderDutiesParts {
  readonly id: MemberId;
  readonly clock: Clock;
  readonly history: HistoryKeeper;
  readonly introductions: Introductions;
  /** How often a leadership that another should have is handed over. */
  readonly handoverTicks: number;
  /** How often replicated time is to pass now. */
  readonly timeIntervalMs: () => number;
  readonly meta: () => StateMeta;
  readonly membership: () => MembershipState;
  readonly status: () => RaftStatus;
  readonly isLowOnSpace: () => boolean;
  readonly recordedStore: (memberId: MemberId) => string | null;
  /** Whether it has a place in the log now. */
  readonly propose: (command: Uint8Array) => boolean;
  readonly changeMembership: (request: MembershipRequest) => void;
  readonly transferLeadership: (to: MemberId) => void;
}

/**
 * What a leader does of itself: lets replicated time pass, gives up old history, has recorded how members introduced
 * themselves, makes voters of learners that have caught up, and hands over to whoever should lead rather.
 */
export class LeaderDuties {
  private readonly time = new TimeKeeper();
  private readonly leadership: LeadershipKeeper;

  constructor(private readonly parts: LeaderDutiesParts) {
    this.leadership = new LeadershipKeeper(parts.handoverTicks);
  }

  /** Another member leads, or this one in another term. */
  reset(): void {
    this.time.reset();
    this.parts.history.reset();
    this.leadership.reset();
  }

  /** To be called once a tick on the leader. */
  tick(): void {
    this.handOver();
    const { clock, timeIntervalMs } = this.parts;
    const nowMs = clock.monotonicMs();
    const elapsedMs = this.time.due(nowMs, timeIntervalMs());
    if (elapsedMs === null) return;
    const wallTimeMs = clock.wallMs();
    if (this.parts.propose(encodeCommand(tickCommand(elapsedMs, wallTimeMs)))) {
      this.time.ticked(nowMs, elapsedMs);
    }
    this.giveUpHistory(wallTimeMs);
    this.recordIntroductions(wallTimeMs);
    this.promote();
  }

  private giveUpHistory(wallTimeMs: number): void {
    const { history, meta, propose } = this.parts;
    const oldest = history.due(meta());
    if (oldest !== null && propose(encodeCommand(compactAllCommand(oldest, wallTimeMs)))) {
      history.proposed(oldest);
    }
  }

  private recordIntroductions(wallTimeMs: number): void {
    const { introductions, membership, recordedStore, propose } = this.parts;
    const present = membership();
    for (const { memberId, storeId } of introductions.unrecordedStores(present, recordedStore)) {
      propose(encodeCommand(recordStoreCommand(memberId, storeId, wallTimeMs)));
    }
    for (const member of introductions.movedMembers(present)) {
      propose(encodeCommand(updateMemberCommand(member, wallTimeMs)));
    }
  }

  private promote(): void {
    const { membership, status, changeMembership } = this.parts;
    const present = membership();
    if (!present.members.some(({ promoteWhenCaughtUp }) => promoteWhenCaughtUp)) return;
    const memberId = promotionDue(present, status());
    if (memberId !== null) changeMembership({ kind: "promote", memberId });
  }

  private handOver(): void {
    const { id, membership, status, isLowOnSpace, transferLeadership } = this.parts;
    const to = this.leadership.due({ id, isLowOnSpace: isLowOnSpace() }, membership(), status);
    if (to !== null) transferLeadership(to);
  }
}
