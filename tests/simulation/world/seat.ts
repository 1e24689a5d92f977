import { type MembershipState, NO_MEMBERS } from "@quorate/services/kv";
import { MemoryLogDisk, MemoryStateDisk } from "@quorate/services/memory";
import type { MemberId } from "@quorate/services/raft";
import type { MemberAddresses, Replica } from "@quorate/services/replica";
import type { Random } from "@quorate/services/std";
import type { Verifier } from "@quorate/services/verification";
import type { WatchHub } from "@quorate/services/watch";
import type { Seat, SeatCondition, SeatDisk } from "../world-contract";
import type { ObservedStateStore } from "./observed-stores";
import { type DamagedRecord, RecordDamage } from "./record-damage";
import { DriftingClock } from "./seat-clock";
import type { EventTimeline } from "./timeline";

const WRITE_MEAN_US = 500;
/** A write that is not synced goes to memory only. */
const UNSYNCED_SHARE = 0.1;
/** How long a process may take to notice that it has work, and to do it. */
const TURN_US_MAX = 100;
/** Few batches make a checkpoint, so that crashes meet many of them. */
const CHECKPOINT_BATCHES = 32;
const KEPT_BATCHES = 256;

/** One member: the process that runs on it comes and goes, disks and clock stay. */
export class SimulatedSeat implements Seat, SeatDisk {
  storeId: string;
  logDisk = new MemoryLogDisk();
  stateDisk: MemoryStateDisk;
  replica: Replica | null = null;
  hub: WatchHub | null = null;
  verifier: Verifier | null = null;
  damage: RecordDamage;
  /** That of the running process. */
  state: ObservedStateStore | null = null;
  condition: SeatCondition;
  starts = 0;
  isLowOnSpace = false;
  readonly clock: DriftingClock;
  writeMeanUs = WRITE_MEAN_US;
  /** empty: it was wiped, and nobody may make a voter's directory of it. strange: somebody did, and its peers refuse it. */
  directory: "own" | "empty" | "strange" = "own";
  /** It has been told where it is reached anew so often. */
  moves = 0;
  /** The running process; what an earlier one asked for never happens. */
  life = 0;
  /** The running process has heard that it was removed. */
  isLeaving = false;
  private readonly held: (() => void)[] = [];
  private isTakingIn = false;
  /** To be run behind the input that is being taken in. */
  private readonly behind: (() => void)[] = [];

  constructor(
    readonly id: MemberId,
    private readonly timeline: EventTimeline,
    /** Of disks and of the process, apart: more work for one does not change the other. */
    private readonly chance: { readonly disk: Random; readonly process: Random },
    private readonly onEntered: (seat: SimulatedSeat) => void,
    /** Those that the cluster begins with; null for a seat that is none of them. */
    private readonly founding: MembershipState | null,
  ) {
    this.storeId = `store-${id}-1`;
    this.clock = new DriftingClock(timeline);
    this.condition = founding === null ? "vacant" : "down";
    this.stateDisk = this.newStateDisk(founding ?? NO_MEMBERS);
    this.damage = new RecordDamage(this.stateDisk);
  }

  get damagedRecords(): readonly DamagedRecord[] {
    return this.damage.outstanding;
  }

  get chunksWaiting(): number {
    return this.state?.writes.waiting.filter(({ kind }) => kind === "put").length ?? 0;
  }

  get isStrange(): boolean {
    return this.directory !== "own";
  }

  /** Where it is reached since it was moved last. */
  get addresses(): MemberAddresses {
    return addressesOf(this.id, this.moves);
  }

  get disk(): SeatDisk {
    return this;
  }

  failNextWrite(disk: "log" | "state", outcome: "lost" | "kept"): void {
    (disk === "log" ? this.logDisk : this.stateDisk).faults.failNextWrite(outcome);
  }

  /** The disk works again, as fast as ever. */
  repair(): void {
    this.writeMeanUs = WRITE_MEAN_US;
    this.logDisk.faults.takeFailure();
    this.stateDisk.faults.takeFailure();
  }

  /** Directories of their own for a member that starts from nothing: as one of the founding, or to join. */
  replaceDisks(as: "founding" | "joining"): void {
    this.logDisk = new MemoryLogDisk();
    this.stateDisk = this.newStateDisk(as === "founding" ? (this.founding ?? NO_MEMBERS) : NO_MEMBERS);
    this.damage = new RecordDamage(this.stateDisk);
    this.storeId = `store-${this.id}-${Number(this.storeId.split("-").at(-1)) + 1}`;
  }

  private newStateDisk(membership: MembershipState): MemoryStateDisk {
    return new MemoryStateDisk(CHECKPOINT_BATCHES, KEPT_BATCHES, membership);
  }

  /** The process that runs from now on; returns how it enters itself, which does nothing once it has ended. */
  beginLife(): (run: () => void) => void {
    this.life += 1;
    const life = this.life;
    return (run) => {
      if (life === this.life) this.enter(run);
    };
  }

  endLife(): void {
    this.life += 1;
    this.held.length = 0;
    this.behind.length = 0;
    this.isLeaving = false;
    this.replica = null;
    this.state = null;
    this.hub = null;
    this.verifier = null;
  }

  /** What a paused process would have done comes all at once, in its order. */
  release(): void {
    for (const run of this.held.splice(0)) {
      const { life } = this;
      this.timeline.after(0, () => {
        if (life === this.life) this.enter(run);
      });
    }
  }

  /** Runs now, or waits while the process is paused. */
  enter(run: () => void): void {
    if (this.condition === "paused") {
      this.held.push(run);
      return;
    }
    this.onEntered(this);
    this.takeIn(run);
  }

  /** Runs an input, and behind it what asked for that, unless the process has ended. */
  takeIn(run: () => void): void {
    if (this.isTakingIn) {
      run();
      return;
    }
    this.isTakingIn = true;
    try {
      run();
      for (let next = this.behind.shift(); next !== undefined; next = this.behind.shift()) next();
    } finally {
      this.isTakingIn = false;
    }
  }

  /** In the present process, behind the input that is being taken in; outside of any, by itself. */
  afterThisInput(run: () => void): void {
    if (this.isTakingIn) this.behind.push(run);
    else this.after(0, run);
  }

  /** In the present process, after a delay; never, if it ends before. */
  after(delayUs: number, run: () => void): void {
    const { life } = this;
    this.timeline.after(delayUs, () => {
      if (life === this.life) this.enter(run);
    });
  }

  /** In the next turn of its event loop. */
  afterThisTurn(run: () => void): void {
    this.after(1 + this.chance.process.below(TURN_US_MAX), run);
  }

  /** Half of the time that a write takes: to be waited for before it takes effect and after, so that a crash can come between. */
  writing(disk: "log" | "state"): Promise<void> {
    const meanUs = (this.writeMeanUs / 2) * (disk === "log" ? 1 : UNSYNCED_SHARE);
    const delayUs = -Math.log(1 - this.chance.disk.float()) * meanUs;
    return new Promise((resolve) => this.after(delayUs, resolve));
  }
}

export function addressesOf(id: MemberId, moves: number): MemberAddresses {
  return { clientAddress: `${id}.example:${7000 + moves}`, peerAddress: `${id}.example:${8000 + moves}` };
}
