import type { MemberId } from "@quorate/services/raft";
import type { World } from "../world-contract";

/** Who stands still, and for how many reasons. */
export class Pauses {
  private readonly reasons = new Map<MemberId, number>();

  constructor(private readonly world: World) {}

  /** Returns how to end it. */
  pause(id: MemberId): () => void {
    this.reasons.set(id, this.count(id) + 1);
    this.world.pause(id);
    return () => {
      this.reasons.set(id, this.count(id) - 1);
      if (this.count(id) === 0) this.world.resume(id);
    };
  }

  end(): void {
    this.reasons.clear();
    for (const { id } of this.world.seats) this.world.resume(id);
  }

  private count(id: MemberId): number {
    return this.reasons.get(id) ?? 0;
  }
}
