import type { MemberId, Ready, RoleName, Term } from "#raft";
import type { ReplicaParts } from "./parts";

/** Who leads, as this member knows, and what a change of that means for the parts. */
export class Leadership {
  private presentRole: RoleName = "follower";
  private presentLeader: MemberId | null = null;

  constructor(
    private presentTerm: Term,
    /** Another member, or none, leads now, or in another term. */
    private readonly onChanged: () => void,
  ) {}

  get isOwn(): boolean {
    return this.presentRole === "leader";
  }

  get leaderId(): MemberId | null {
    return this.presentLeader;
  }

  get term(): Term {
    return this.presentTerm;
  }

  note(ready: Ready, parts: ReplicaParts): void {
    const termBefore = this.presentTerm;
    const leaderBefore = this.presentLeader;
    if (ready.hardState !== null) this.presentTerm = ready.hardState.term;
    if (ready.softState !== null) {
      const wasOwn = this.isOwn;
      this.presentRole = ready.softState.role;
      this.presentLeader = ready.softState.leaderId;
      if (wasOwn && !this.isOwn) parts.proposals.leadershipLost();
      if (!wasOwn && this.isOwn) {
        parts.proposals.leadershipWon();
        // What was seen when it led last is out of date.
        parts.space.look();
        // A leader needs no snapshot; and to take its state anew while it leads would stop everyone's writes.
        parts.receiver.cancel();
      }
    }
    if (this.presentLeader === leaderBefore && this.presentTerm === termBefore) return;
    parts.duties.reset();
    parts.reads.leaderChanged(this.presentLeader !== null);
    parts.transfers.leaderChanged(this.presentLeader, this.presentTerm);
    this.onChanged();
  }
}
