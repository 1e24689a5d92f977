import type { LogStore, StateStore } from "@quorate/services/replica";
import type { Chronicle } from "./chronicle";
import {
  type LogWrite,
  ObservedLogStore,
  ObservedStateStore,
  type StateWrite,
  type WriteObserver,
} from "./observed-stores";
import type { SimulatedSeat } from "./seat";

/** Both stores of a process. */
export interface ToldStores {
  readonly log: ObservedLogStore;
  readonly state: ObservedStateStore;
}

/** Stores on the disks of a seat whose writes take their time, and are told of. */
export function toldStores(
  seat: SimulatedSeat,
  opened: { readonly log: LogStore; readonly state: StateStore },
  chronicle: Chronicle,
): ToldStores {
  const log = new ObservedLogStore(opened.log, new LogWriteTeller(seat, chronicle));
  const state = new ObservedStateStore(opened.state, new StateWriteTeller(seat, chronicle));
  hookWrites(seat, log, state);
  return { log, state };
}

/** Writes to the disks take no time and nobody is told. */
export function unhookWrites({ logDisk, stateDisk }: SimulatedSeat): void {
  for (const { faults } of [logDisk, stateDisk]) faults.beforeWrite = faults.afterWrite = null;
}

/** Half of what a write takes passes before it takes effect and half after, so that a crash can come at any of the three. */
function hookWrites(seat: SimulatedSeat, log: ObservedLogStore, state: ObservedStateStore): void {
  const { logDisk, stateDisk } = seat;
  logDisk.faults.beforeWrite = () => {
    log.writes.begins();
    return seat.writing("log");
  };
  logDisk.faults.afterWrite = () => {
    log.writes.tookEffect();
    return seat.writing("log");
  };
  stateDisk.faults.beforeWrite = () => {
    state.writes.begins();
    return seat.writing("state");
  };
  stateDisk.faults.afterWrite = () => {
    state.writes.tookEffect();
    return seat.writing("state");
  };
}

class LogWriteTeller implements WriteObserver<LogWrite> {
  constructor(
    private readonly seat: SimulatedSeat,
    private readonly chronicle: Chronicle,
  ) {}

  begins(write: LogWrite): void {
    if (write.kind !== "append") return;
    this.chronicle.tell((observer) => observer.appending?.(this.seat, write.batch));
  }

  tookEffect(write: LogWrite): void {
    const { seat, chronicle } = this;
    switch (write.kind) {
      case "append":
        chronicle.tell((observer) => observer.appended?.(seat, write.batch));
        return;
      case "reset":
        chronicle.note(`${seat.id} has its log go on after ${write.entry.index}`);
        chronicle.tell((observer) => observer.logReset?.(seat, write.entry));
        return;
      case "cut":
        chronicle.tell((observer) => observer.logCut?.(seat, write.index));
    }
  }
}

class StateWriteTeller implements WriteObserver<StateWrite> {
  /** What the disk had applied when the present write began. */
  private before = 0;

  constructor(
    private readonly seat: SimulatedSeat,
    private readonly chronicle: Chronicle,
  ) {}

  begins(write: StateWrite): void {
    const { seat, chronicle } = this;
    this.before = seat.stateDisk.applied.index;
    switch (write.kind) {
      case "write":
        chronicle.tell((observer) => observer.stateWriting?.(seat, write.batch));
        return;
      case "put":
      case "complete":
      case "install":
        chronicle.tell((observer) => observer.receiving?.(seat, write.kind));
    }
  }

  tookEffect(write: StateWrite): void {
    const { seat, chronicle, before } = this;
    switch (write.kind) {
      case "write":
        chronicle.tell((observer) => observer.stateWritten?.(seat, write.batch));
        return;
      case "install":
        chronicle.counts.installs += 1;
        chronicle.note(`${seat.id} has installed a state at ${seat.stateDisk.applied.index}`);
        chronicle.tell((observer) => observer.installed?.(seat, before));
        return;
      case "repair":
        chronicle.note(`${seat.id} has put ${write.repairs.length} records right`);
        chronicle.tell((observer) => observer.repaired?.(seat));
    }
  }
}
