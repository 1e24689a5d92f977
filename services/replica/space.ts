import { type Raft, voteResult } from "#raft";

/** Whether there is space: on this member's disk, and, as far as it knows, on those of a majority. */
export class Space {
  private isLowHere = false;
  private isEnough = true;

  constructor(private readonly raft: Raft) {}

  /** Whether this member's disk is nearly full. */
  get isLow(): boolean {
    return this.isLowHere;
  }

  /** Whether a majority has space to keep writes, as of the last look. */
  get hasMajority(): boolean {
    return this.isEnough;
  }

  setLow(isLow: boolean): void {
    this.isLowHere = isLow;
    this.raft.setLowOnSpace(isLow);
  }

  /** A leader takes writes only where a majority has space to keep them; who does not lead knows nothing of the others. */
  look(): void {
    const { id, progress, configuration } = this.raft.status();
    if (progress === null) {
      this.isEnough = true;
      return;
    }
    const hasSpace = new Map(progress.map((peer) => [peer.id, !peer.isLowOnSpace]));
    hasSpace.set(id, !this.isLowHere);
    this.isEnough = voteResult(configuration, hasSpace) === "won";
  }
}
