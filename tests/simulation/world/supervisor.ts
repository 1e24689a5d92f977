import type { StoreFailure } from "@quorate/services/replica";
import type { Life, Surroundings } from "./life";
import { type OpeningOutcomes, ProcessOpener } from "./process-opener";
import { type RunningOutcomes, RunningProcess } from "./running-process";
import type { SimulatedSeat } from "./seat";

/** A process that ended because a store failed is started again by whoever watches it, some time later. */
const RESTART_US_MIN = 100_000;
const RESTART_US_MAX = 2_000_000;

/** Lets the processes of seats begin and end, and start again after an end that nobody asked for. */
export class Supervisor implements OpeningOutcomes, RunningOutcomes {
  private readonly opener: ProcessOpener;

  constructor(private readonly surroundings: Surroundings) {
    this.opener = new ProcessOpener(surroundings, this);
  }

  start(seat: SimulatedSeat): void {
    if (seat.condition !== "down") return;
    if (seat.directory === "empty") {
      this.refused(seat, "its directory is empty, and it may not be bootstrapped");
      return;
    }
    this.opener.open(seat);
  }

  /** Its process is gone at this moment, and with it so many batches of its state. */
  end(seat: SimulatedSeat, { batchesLost }: { readonly batchesLost: number }): void {
    const { network, imageStreams, chronicle } = this.surroundings;
    seat.endLife();
    seat.condition = seat.condition === "refused" ? "refused" : "down";
    seat.logDisk.crash();
    seat.stateDisk.crash({ batchesLost });
    network.detach(seat.id);
    imageStreams.ended(seat.id);
    chronicle.counts.crashes += 1;
    chronicle.tell((observer) => observer.crashed?.(seat));
  }

  /** Its process ends, without loss of power, and comes back some time later. */
  restart(seat: SimulatedSeat): void {
    this.end(seat, { batchesLost: 0 });
    this.startLater(seat);
  }

  /** It has read a damaged record: the state that it starts with again is a new one. */
  foundDamage(seat: SimulatedSeat): void {
    this.surroundings.chronicle.note(`${seat.id} finds a damaged record and ends`);
    this.end(seat, { batchesLost: 0 });
    seat.stateDisk.damage();
    this.startLater(seat);
  }

  opened(life: Life): void {
    const { seat, state } = life;
    const { retiredStores } = state.opened.resident.membership;
    if (retiredStores.includes(seat.storeId)) this.removed(seat);
    else new RunningProcess(life, this.surroundings, this).launch();
  }

  refused(seat: SimulatedSeat, reason: string): void {
    seat.condition = "refused";
    this.surroundings.chronicle.note(`${seat.id} is refused: ${reason}`);
  }

  failed(seat: SimulatedSeat, failure: StoreFailure): void {
    this.surroundings.chronicle.note(`${seat.id} ends: ${failure.message}`);
    this.restart(seat);
  }

  removed(seat: SimulatedSeat): void {
    const { chronicle } = this.surroundings;
    this.end(seat, { batchesLost: 0 });
    seat.condition = "removed";
    chronicle.counts.removals += 1;
    chronicle.note(`${seat.id} is out`);
  }

  private startLater(seat: SimulatedSeat): void {
    const { chance, timeline } = this.surroundings;
    const delayUs = RESTART_US_MIN + chance.of(`restart ${seat.id}`).below(RESTART_US_MAX - RESTART_US_MIN);
    const { life } = seat;
    timeline.after(delayUs, () => {
      if (seat.life === life) this.start(seat);
    });
  }
}
