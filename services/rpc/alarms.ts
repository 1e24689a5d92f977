import type { MemberId, ProgressStatus } from "#raft";
import type { Clock, Replica } from "#replica";
import { compareStrings } from "#std";
import type { VerificationStatus } from "#verification";

export type AlarmName = "no_space" | "diverged" | "member_down";

export const alarmNames: readonly AlarmName[] = ["no_space", "diverged", "member_down"];

/** Something that an operator should know of, and has to do something about. */
export interface RaisedAlarm {
  readonly kind: AlarmName;
  /** Whom it concerns; empty for the cluster as a whole. */
  readonly memberId: MemberId;
  /** A sentence for people. */
  readonly message: string;
  /** Milliseconds since 1970, for display only. */
  readonly sinceMs: number;
}

export interface AlarmBoardOptions {
  readonly replica: Pick<Replica, "status">;
  /** null where replicas are not compared. */
  readonly verification: { status(): VerificationStatus } | null;
  readonly clock: Clock;
}

/** A member that the leader has not heard of for so long is down. */
const DOWN_AFTER_MS = 10_000;

/** Who did not look for so long, such as a process that was stopped, knows nothing of what was heard meanwhile. */
const UNOBSERVED_MS_MAX = 5_000;

/** What is wrong now, each with the time since when: to be looked at about once a second. */
export class AlarmBoard {
  private readonly options: AlarmBoardOptions;
  private readonly raised = new Map<string, RaisedAlarm>();
  /** When this leader last heard of each other member, by its own clock; empty while it does not lead. */
  private readonly heardAtMs = new Map<MemberId, number>();
  private observedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: AlarmBoardOptions) {
    this.options = options;
  }

  /** Oldest first. */
  get list(): readonly RaisedAlarm[] {
    return [...this.raised.values()].sort(
      (left, right) => left.sinceMs - right.sinceMs || compareStrings(left.memberId, right.memberId),
    );
  }

  /** Looks at how things are: raises what is new, and takes back what is over. */
  observe(): void {
    const present = new Map<string, Omit<RaisedAlarm, "sinceMs">>();
    const put = (alarm: Omit<RaisedAlarm, "sinceMs">): void => {
      present.set(`${alarm.kind} ${alarm.memberId}`, alarm);
    };
    const status = this.options.replica.status();
    const others = (status.raft.progress ?? []).filter(({ id }) => id !== status.raft.id);
    if (status.isLowOnSpace) put(noSpace(status.raft.id));
    for (const { id, isLowOnSpace } of others) if (isLowOnSpace) put(noSpace(id));
    for (const id of this.silent(others)) put(memberDown(id));
    for (const alarm of this.divergences(status.raft.id)) put(alarm);

    for (const key of [...this.raised.keys()]) if (!present.has(key)) this.raised.delete(key);
    for (const [key, alarm] of present) {
      const sinceMs = this.raised.get(key)?.sinceMs ?? this.options.clock.wallMs();
      this.raised.set(key, { ...alarm, sinceMs });
    }
  }

  /** Other members that were not heard of for a while. A leader begins to count when it begins to lead. */
  private silent(others: readonly ProgressStatus[]): MemberId[] {
    const nowMs = this.options.clock.monotonicMs();
    if (nowMs - this.observedAtMs > UNOBSERVED_MS_MAX) this.heardAtMs.clear();
    this.observedAtMs = nowMs;
    const present = new Set(others.map(({ id }) => id));
    for (const id of [...this.heardAtMs.keys()]) if (!present.has(id)) this.heardAtMs.delete(id);
    return others.flatMap(({ id, isRecentlyActive }) => {
      const heardAtMs = this.heardAtMs.get(id);
      if (isRecentlyActive || heardAtMs === undefined) {
        this.heardAtMs.set(id, nowMs);
        return [];
      }
      return nowMs - heardAtMs > DOWN_AFTER_MS ? [id] : [];
    });
  }

  private divergences(own: MemberId): Omit<RaisedAlarm, "sinceMs">[] {
    const status = this.options.verification?.status();
    if (status === undefined) return [];
    const wrong = new Set(status.diverged);
    if (status.isWrong) wrong.add(own);
    const alarms = [...wrong].map(diverged);
    if (status.isSplit) alarms.push(split());
    return alarms;
  }
}

function noSpace(memberId: MemberId): Omit<RaisedAlarm, "sinceMs"> {
  return {
    kind: "no_space",
    memberId,
    message: `${memberId} has little disk space left, and writes are refused while a majority has so little: free some, or give it more`,
  };
}

function memberDown(memberId: MemberId): Omit<RaisedAlarm, "sinceMs"> {
  return {
    kind: "member_down",
    memberId,
    message: `${memberId} was not heard of for more than ${DOWN_AFTER_MS / 1000} s: start it, or look at the network; if it is lost for good, replace it`,
  };
}

function diverged(memberId: MemberId): Omit<RaisedAlarm, "sinceMs"> {
  return {
    kind: "diverged",
    memberId,
    message: `${memberId} holds other records than the majority, and is being repaired: look at its disk and its memory`,
  };
}

function split(): Omit<RaisedAlarm, "sinceMs"> {
  return {
    kind: "diverged",
    memberId: "",
    message:
      "the members hold different records and no majority agrees, so none is repaired: compare them, and replace those that are wrong or restore a backup",
  };
}
