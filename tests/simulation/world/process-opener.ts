import { openMemoryLogStore, openMemoryStateStore } from "@quorate/services/memory";
import type { MemberId } from "@quorate/services/raft";
import { type LogStore, StoreFailure } from "@quorate/services/replica";
import type { Random } from "@quorate/services/std";
import type { Life, Surroundings } from "./life";
import { RecordDamage } from "./record-damage";
import type { SimulatedSeat } from "./seat";
import { bringState } from "./state-bringer";
import { toldStores, unhookWrites } from "./told-stores";

/** Between two attempts to bring a state. */
const BRING_PAUSE_US_MAX = 1_000_000;

/** What comes of opening it. */
export interface OpeningOutcomes {
  /** There is a state, and a log that goes on from it. */
  opened(life: Life): void;
  /** The process never began. */
  refused(seat: SimulatedSeat, reason: string): void;
  failed(seat: SimulatedSeat, failure: StoreFailure): void;
}

/** Begins the process of a seat, up to where a replica can take over, as services/node does. */
export class ProcessOpener {
  constructor(
    private readonly surroundings: Pick<Surroundings, "chance" | "chronicle" | "imageStreams" | "seats">,
    private readonly outcomes: OpeningOutcomes,
  ) {}

  open(seat: SimulatedSeat): void {
    const { chronicle } = this.surroundings;
    unhookWrites(seat);
    if (seat.stateDisk.isDamaged) {
      chronicle.note(`${seat.id} begins its state anew`);
      seat.damage = new RecordDamage(seat.stateDisk);
    }
    const openedState = openMemoryStateStore(seat.stateDisk);
    let openedLog: LogStore;
    try {
      openedLog = openMemoryLogStore(seat.logDisk);
    } catch (error) {
      if (!(error instanceof StoreFailure && error.dataLoss)) throw error;
      seat.stateDisk.faults.release("the log was not opened");
      this.outcomes.refused(seat, error.message);
      return;
    }
    const enter = seat.beginLife();
    const { log, state } = toldStores(seat, { log: openedLog, state: openedState }, chronicle);
    seat.state = state;
    seat.condition = "bringing";
    const life = { seat, log, state, enter };
    const { membership } = state.opened.resident;
    const isWithoutState = membership.members.length === 0;
    if (isWithoutState || state.opened.applied.index < log.firstIndex() - 1) {
      chronicle.note(`${seat.id} asks its peers for a state`);
      this.afterwards(seat, this.bring(life), () => enter(() => this.fitLog(life)));
      return;
    }
    this.fitLog(life);
  }

  private bring({ seat, log, state }: Life): Promise<void> {
    const { chance, imageStreams } = this.surroundings;
    const random = chance.of(`bring ${seat.id}`);
    return bringState({
      pick: () => this.someoneToAsk(seat.id, random),
      source: imageStreams.sourceFor(seat),
      state,
      log,
      pause: () => new Promise((resolve) => seat.after(random.below(BRING_PAUSE_US_MAX), resolve)),
    });
  }

  private someoneToAsk(asking: MemberId, random: Random): MemberId | null {
    const others = this.surroundings.seats.filter(({ id, replica }) => id !== asking && replica !== null);
    return others[random.below(Math.max(1, others.length))]?.id ?? null;
  }

  /** A log that does not hold what the state has applied goes on after that. */
  private fitLog(life: Life): void {
    const { seat, log, state, enter } = life;
    const { applied } = state.opened;
    const opened = (): void => this.outcomes.opened(life);
    if (log.term(applied.index) === applied.term) opened();
    else this.afterwards(seat, log.reset(applied), () => enter(opened));
  }

  /** Goes on when a step is made; the process ends where its stores fail. */
  private afterwards(seat: SimulatedSeat, step: Promise<void>, next: () => void): void {
    const { life } = seat;
    step.then(next, (error: Error) => {
      if (seat.life !== life) return;
      if (error instanceof StoreFailure) this.outcomes.failed(seat, error);
      else this.surroundings.chronicle.fail(error);
    });
  }
}
