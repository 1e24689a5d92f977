import type { MemberId, Message } from "@quorate/services/raft";
import { type Random, unreachable } from "@quorate/services/std";
import type { Observer, Seat, World } from "../world-contract";
import type { Downtime } from "./downtime";
import type { CrashPoint } from "./fault";

export interface Trap {
  readonly member: MemberId;
  readonly point: CrashPoint;
  /** So many such moments pass first. */
  readonly skip: number;
  readonly downUs: number;
}

/** How long a write that is not synced takes, in synced ones: see SeatDisk. */
const UNSYNCED_SHARE = 0.1;

/** Kills processes at exact moments: around each durable step and each message. */
export class CrashPoints implements Observer {
  private readonly armed = new Map<Trap, { left: number }>();
  private isOver = false;

  constructor(
    private readonly world: World,
    private readonly downtime: Downtime,
    private readonly random: Random,
  ) {}

  /** It snaps once. Returns how to disarm it. */
  arm(trap: Trap): () => void {
    this.armed.set(trap, { left: trap.skip });
    return () => {
      this.armed.delete(trap);
    };
  }

  /** Kills nobody any more, not even amid a write that began before. */
  end(): void {
    this.isOver = true;
    this.armed.clear();
  }

  appending(seat: Seat): void {
    this.reached(seat.id, "before_log_append");
    this.reached(seat.id, "during_log_append");
  }

  appended(seat: Seat): void {
    this.reached(seat.id, "after_log_append");
  }

  receiving(seat: Seat, step: "put" | "complete" | "install"): void {
    switch (step) {
      case "put":
        this.reached(seat.id, "before_image_put");
        return;
      case "complete":
        this.reached(seat.id, "before_image_complete");
        return;
      case "install":
        this.reached(seat.id, "before_install");
        this.reached(seat.id, "during_install");
    }
  }

  installed(seat: Seat): void {
    this.reached(seat.id, "after_install");
  }

  stateWriting(seat: Seat): void {
    this.reached(seat.id, "before_state_write");
    this.reached(seat.id, "during_state_write");
  }

  stateWritten(seat: Seat): void {
    this.reached(seat.id, "after_state_write");
  }

  sent({ from }: Message): void {
    this.reached(from, "before_send");
    this.reached(from, "after_send");
  }

  private reached(member: MemberId, point: CrashPoint): void {
    for (const [trap, state] of [...this.armed]) {
      if (trap.member !== member || trap.point !== point) continue;
      if (state.left > 0) {
        state.left -= 1;
        continue;
      }
      this.armed.delete(trap);
      this.snap(trap);
    }
  }

  private snap(trap: Trap): void {
    const { member, downUs } = trap;
    this.world.note(`${member} has come to ${trap.point}`);
    const delayUs = this.delayUs(trap);
    if (delayUs === null) {
      this.downtime.crash(member, downUs);
      return;
    }
    const { starts } = this.world.seat(member);
    this.world.timeline.after(delayUs, () => {
      if (!this.isOver && this.world.seat(member).starts === starts) this.downtime.crash(member, downUs);
    });
  }

  /** null where the process must not do anything more. */
  private delayUs({ member, point }: Trap): number | null {
    switch (point) {
      case "before_log_append":
      case "after_log_append":
      case "before_state_write":
      case "after_state_write":
      case "before_send":
      case "before_image_put":
      case "before_image_complete":
      case "before_install":
      case "after_install":
        return null;
      case "during_log_append":
        return this.amidUs(member, 1);
      case "during_state_write":
      case "during_install":
        return this.amidUs(member, UNSYNCED_SHARE);
      case "after_send":
        // The message leaves when all observers have seen it.
        return 0;
      default:
        return unreachable(point);
    }
  }

  private amidUs(member: MemberId, share: number): number {
    return this.random.below(Math.ceil(share * this.world.seat(member).disk.writeMeanUs) + 1);
  }
}
