import type { MemberId } from "@quorate/services/raft";
import type { MembershipChange, MembershipRequest, Replica } from "@quorate/services/replica";
import type { Random } from "@quorate/services/std";
import type { World } from "../world-contract";

const ADDRESSES = { clientAddress: "", peerAddress: "" };
/** How long a member may take to answer, how long a request is repeated, and how soon. */
const ANSWER_US = 3_000_000;
const PATIENCE_US = 15_000_000;
const PAUSE_US_MAX = 700_000;
const LATENCY_US_MAX = 5_000;
const LOOK_US = 500_000;

export interface OperatorOptions {
  readonly world: World;
  readonly random: Random;
  /** Whose stored data the run may damage, at some time. */
  readonly victims: ReadonlySet<MemberId>;
}

/**
 * Who adds and removes members, and starts their processes: careful, as a person has to be. It asks again where it does
 * not know what came of a request, and never asks for voters of whom too many may turn out to be lost: then no cluster
 * could go on.
 */
export class Operator {
  private readonly world: World;
  private readonly random: Random;
  private readonly victims: ReadonlySet<MemberId>;
  /** Were not members at some time since their directory was made, so that it may be made anew. */
  private readonly mayJoin = new Set<MemberId>();
  /** Whose removal was asked for, and may come about yet. */
  private readonly leaving = new Set<MemberId>();
  /** Who is to be added again as soon as it was removed. */
  private readonly recovering = new Set<MemberId>();
  /** When the process of a member that is yet to join is started. */
  private readonly joinsAtUs = new Map<MemberId, number>();
  private likelyLeader: MemberId;
  private isOver = false;

  constructor({ world, random, victims }: OperatorOptions) {
    this.world = world;
    this.random = random;
    this.victims = victims;
    this.likelyLeader = world.seats[0]!.id;
  }

  start(): void {
    this.look();
    this.world.timeline.after(LOOK_US, () => this.start());
  }

  /** Asks for nothing more, but goes on starting what is to run. */
  end(): void {
    this.isOver = true;
  }

  /** @param joinsInUs how long after it was asked for its process is started */
  add(
    member: MemberId,
    how: { readonly promoteWhenCaughtUp: boolean; readonly replaces: MemberId | null },
    joinsInUs: number,
  ): void {
    const { world, victims } = this;
    this.stopRefused(member);
    this.joinsAtUs.set(member, world.timeline.nowUs + joinsInUs);
    const isToVote = how.promoteWhenCaughtUp || how.replaces !== null;
    if (isToVote && victims.has(member) && !this.isSafe([], [member])) return;
    if (how.replaces !== null && !this.mayRemove([how.replaces])) return;
    if (how.replaces !== null) this.leaving.add(how.replaces);
    const addresses = { clientAddress: `${member}.example:7000`, peerAddress: `${member}.example:8000` };
    this.ask({ kind: "add", memberId: member, ...addresses, priority: 100, ...how });
  }

  /** A member whose directory is lost or damaged for good is removed, and added again with an empty one. */
  recover(member: MemberId): void {
    const { condition } = this.world.seat(member);
    if (condition !== "refused") return;
    this.recovering.add(member);
    this.remove(member);
  }

  promote(member: MemberId): void {
    if (this.victims.has(member) && !this.isSafe([], [member])) return;
    this.ask({ kind: "promote", memberId: member });
  }

  remove(member: MemberId): void {
    if (!this.mayRemove([member])) return;
    this.leaving.add(member);
    this.ask({ kind: "remove", memberId: member });
  }

  change(changes: readonly Pick<MembershipChange, "kind" | "memberId">[]): void {
    const gone = changes.filter(({ kind }) => kind !== "voter").map(({ memberId }) => memberId);
    const come = changes.filter(({ kind }) => kind === "voter").map(({ memberId }) => memberId);
    if (!this.isSafe(gone, come)) return;
    for (const { memberId } of changes) this.stopRefused(memberId);
    for (const id of gone) this.leaving.add(id);
    this.ask({
      kind: "change",
      changes: changes.map((change) => ({
        ...change,
        ...ADDRESSES,
        clientAddress: `${change.memberId}.example:7000`,
        peerAddress: `${change.memberId}.example:8000`,
      })),
    });
  }

  setPriority(member: MemberId, priority: number): void {
    this.ask({ kind: "update", memberId: member, clientAddress: null, peerAddress: null, priority });
  }

  /** Takes a snapshot, on whichever member. */
  takeSnapshot(member: MemberId): void {
    this.world.call(member, (replica) => {
      replica.takeSnapshot().then(
        ({ index, logFirstIndex }) =>
          this.world.note(`snapshot of ${member}: ${index}, log from ${logFirstIndex}`),
        (error: unknown) => this.world.note(`snapshot of ${member}: ${String(error)}`),
      );
    });
  }

  /** Who is a member has a process, and the empty directory that one that joins needs. */
  private look(): void {
    const { world } = this;
    const { members } = world.membership;
    for (const { id, condition } of world.seats) {
      const member = members.find(({ memberId }) => memberId === id);
      if (member === undefined) {
        this.mayJoin.add(id);
        this.leaving.delete(id);
        if (this.recovering.delete(id)) this.add(id, { promoteWhenCaughtUp: true, replaces: null }, 0);
        continue;
      }
      const isWanted =
        condition === "vacant" ||
        condition === "removed" ||
        (condition === "refused" && this.mayJoin.has(id));
      // One that is bound to a directory is not to be given another: perhaps it was not removed after all, or it was, and
      // only who knows that is gone for the moment.
      if (!isWanted || member.storeId !== null || (this.joinsAtUs.get(id) ?? 0) > world.timeline.nowUs)
        continue;
      this.mayJoin.delete(id);
      world.join(id);
    }
  }

  /** A request is repeated until its outcome is known, or patience ends. */
  private ask(request: MembershipRequest): void {
    const { world } = this;
    const untilUs = world.timeline.nowUs + PATIENCE_US;
    const text = JSON.stringify(request);
    const again = (): void => {
      const delayUs = 1 + this.random.below(PAUSE_US_MAX);
      world.timeline.after(delayUs, tryOnce);
    };
    const tryOnce = (): void => {
      if (this.isOver || world.timeline.nowUs > untilUs) return;
      let isAnswered = false;
      const member = this.likelyLeader;
      const answered = (kind: string, leaderId: MemberId | null): void => {
        if (isAnswered) return;
        isAnswered = true;
        world.note(`asked ${member} for ${text}: ${kind}`);
        this.likelyLeader = leaderId ?? this.someSeat();
        if (REPEATED.has(kind)) again();
      };
      world.timeline.after(ANSWER_US, () => answered("no answer", null));
      world.timeline.after(this.random.below(LATENCY_US_MAX), () =>
        world.call(member, (replica) => void this.send(replica, request, answered)),
      );
    };
    tryOnce();
  }

  private async send(
    replica: Replica,
    request: MembershipRequest,
    answered: (kind: string, leaderId: MemberId | null) => void,
  ): Promise<void> {
    const outcome = await replica.changeMembership(request);
    const leaderId =
      "leaderId" in outcome ? outcome.leaderId : outcome.kind === "unknown" ? null : replica.id;
    answered(outcome.kind, leaderId);
  }

  /** What runs on a directory that nobody talks to must not become the member's by being added. */
  private stopRefused(member: MemberId): void {
    if (this.world.seat(member).condition === "refused") this.world.crash(member);
  }

  private mayRemove(gone: readonly MemberId[]): boolean {
    return this.isSafe(gone, []);
  }

  /**
   * Whether those of whom the run damages nothing remain a majority of the voters, whatever comes of all that was asked
   * for and is not known; of those who vote until then, too, for whoever has not heard of the change needs them to be
   * elected, and those that have left may be gone.
   */
  private isSafe(gone: readonly MemberId[], come: readonly MemberId[]): boolean {
    const { configuration, members } = this.world.membership;
    const toCome = members
      .filter(({ promoteWhenCaughtUp }) => promoteWhenCaughtUp)
      .map(({ memberId }) => memberId);
    const replaced = members.map(({ replaces }) => replaces);
    const isLeaving = (id: MemberId): boolean =>
      gone.includes(id) || this.leaving.has(id) || replaced.includes(id);
    const isSound = (id: MemberId): boolean => !this.victims.has(id) && !isLeaving(id);
    const lists = [configuration.voters, configuration.votersOutgoing];
    const voters = new Set(lists.flat());
    const unsound = new Set([...voters, ...toCome, ...come].filter((id) => this.victims.has(id))).size;
    if ([...voters].filter(isSound).length <= unsound) return false;
    return lists.every((list) => list.length === 0 || 2 * list.filter(isSound).length > list.length);
  }

  private someSeat(): MemberId {
    const { seats } = this.world;
    return seats[this.random.below(seats.length)]!.id;
  }
}

/** After these nobody knows what came of it, or it may come about when it is asked for again. */
const REPEATED: ReadonlySet<string> = new Set([
  "no answer",
  "not_leader",
  "not_applied",
  "unknown",
  "changing",
  "not_caught_up",
  "quorum_at_risk",
]);
