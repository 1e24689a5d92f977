import type { MemberId } from "@quorate/services/raft";
import type { World } from "../world-contract";

/** Who was killed, and comes back when no fault wants it dead any more. */
export class Downtime {
  private readonly holds = new Map<MemberId, number>();
  private isOver = false;

  constructor(private readonly world: World) {}

  /** Kills the process, if it runs; it is gone for so long. */
  crash(id: MemberId, downUs: number): void {
    this.holds.set(id, this.count(id) + 1);
    this.world.crash(id);
    this.world.timeline.after(downUs, () => {
      this.holds.set(id, this.count(id) - 1);
      if (this.count(id) === 0 && !this.isOver) this.world.start(id);
    });
  }

  /** Everybody comes back now. */
  end(): void {
    this.isOver = true;
    for (const { id } of this.world.seats) this.world.start(id);
  }

  private count(id: MemberId): number {
    return this.holds.get(id) ?? 0;
  }
}
