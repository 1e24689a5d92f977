import {
  breakStream,
  type Direction,
  damageChunks,
  direction,
  drop,
  duplicate,
  exponentialLatency,
  hold,
  inOrder,
  type NetworkFilter,
  reorder,
  stallStream,
  whenChunk,
} from "@quorate/services/faults";
import type { MemberId } from "@quorate/services/raft";
import { type Random, unreachable } from "@quorate/services/std";
import type { Seat, World } from "../world-contract";
import { type Breakage, BrokenLinks } from "./broken-links";
import { CrashPoints, type Trap } from "./crash-points";
import { Downtime } from "./downtime";
import { type DiskFault, damagedMember, type Fault, type FaultOf, LEADER, type Target } from "./fault";
import { clockRate, Layers, shortage, wallOffsetMs, writeMeanUs } from "./layers";
import { between, ringLinks, splitLinks, without } from "./links";
import { Operator } from "./operator";
import { Pauses } from "./pauses";
import type { Schedule } from "./schedule";

/** How a fault that lasts is ended. */
type End = () => void;

/** A schedule that is being carried out. */
export class Attack {
  private readonly downtime: Downtime;
  private readonly pauses: Pauses;
  private readonly links: BrokenLinks;
  private readonly crashPoints: CrashPoints;
  private readonly operator: Operator;
  private readonly clockRates = new Layers(clockRate);
  private readonly wallOffsets = new Layers(wallOffsetMs);
  private readonly writeTimes = new Layers(writeMeanUs);
  private readonly shortages: Layers;
  private readonly members: readonly MemberId[];
  private readonly random: Random;
  private readonly ends = new Set<End>();
  private isOver = false;

  constructor(
    private readonly world: World,
    private readonly schedule: Schedule,
  ) {
    this.random = world.random("faults");
    this.shortages = new Layers(shortage((id, isLow) => world.setLowOnSpace(id, isLow)));
    this.members = world.seats.map(({ id }) => id);
    this.downtime = new Downtime(world);
    this.pauses = new Pauses(world);
    this.links = new BrokenLinks(world.network);
    this.crashPoints = new CrashPoints(world, this.downtime, this.random);
    this.operator = new Operator({
      world,
      random: world.random("operator"),
      victims: new Set(schedule.faults.map(damagedMember).filter((member) => member !== null)),
    });
  }

  start(): void {
    const { world, schedule } = this;
    world.observe(this.crashPoints);
    this.operator.start();
    if (schedule.latencyMeanMs > 0) {
      world.network.add(inOrder(exponentialLatency({ meanMs: schedule.latencyMeanMs })));
    }
    for (const fault of schedule.faults) this.at(fault.atUs, () => this.begin(fault));
  }

  /** Undoes everything, starts who is down, and does nothing more. A member that is refused stays so. */
  heal(): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const end of [...this.ends]) end();
    this.operator.end();
    this.crashPoints.end();
    this.links.end();
    this.world.network.clear();
    for (const layers of [this.clockRates, this.wallOffsets, this.writeTimes, this.shortages]) layers.clear();
    for (const seat of this.world.seats) {
      seat.logDisk.faults.takeFailure();
      seat.stateDisk.faults.takeFailure();
    }
    this.pauses.end();
    this.downtime.end();
  }

  private begin(fault: Fault): void {
    const { kind, atUs: _, ...parameters } = fault;
    this.world.note(`fault ${kind} ${JSON.stringify(parameters)}`);
    const end = this.apply(fault);
    if (end === null || !("untilUs" in fault)) return;
    const endOnce = (): void => {
      if (this.ends.delete(endOnce)) end();
    };
    this.ends.add(endOnce);
    this.at(fault.untilUs, () => {
      this.world.note(`fault ${kind} ends`);
      endOnce();
    });
  }

  /** null where nothing is left to be ended. */
  private apply(fault: Fault): End | null {
    switch (fault.kind) {
      case "loss":
        return this.filter(drop(fault.probability), fault.direction);
      case "duplication":
        return this.filter(duplicate(fault.probability, fault.copies), fault.direction);
      case "reordering":
        return this.filter(
          reorder({ probability: fault.probability, windowMs: fault.backMsMax }),
          fault.direction,
        );
      case "exponential_delay":
        return this.filter(exponentialLatency({ meanMs: fault.meanMs }), fault.direction);
      case "clog":
        return this.clog([fault.direction]);
      case "one_way_partition":
        return this.breakLinks(between(fault.from, fault.to));
      case "isolation": {
        const { id } = this.seatOf(fault.target);
        return this.breakLinks(splitLinks([id], without(this.members, [id])));
      }
      case "majority_split":
        return this.breakLinks(splitLinks(fault.minority, without(this.members, fault.minority)));
      case "ring":
        return this.breakLinks(ringLinks(fault.order, fault.isOneWay));
      case "bridge": {
        const right = without(this.members, [fault.bridge, ...fault.left]);
        return this.breakLinks(splitLinks(fault.left, right));
      }
      case "swizzle":
        return this.swizzle(fault);
      case "stream_reset":
        this.world.network.reset(fault.direction);
        return null;
      case "half_open":
        return this.breakLinks([fault.direction], "half_open");
      case "stuck_connect":
        return this.breakLinks([fault.direction], "stuck_connect");

      case "image_break":
        return this.world.addImageFilter(breakStream(fault.probability));
      case "image_stall":
        return this.world.addImageFilter(whenChunk(({ number }) => number >= fault.chunk, stallStream()));
      case "image_damage":
        return this.world.addImageFilter(damageChunks(fault.probability));

      case "crash":
        this.downtime.crash(this.seatOf(fault.target).id, fault.downUs);
        return null;
      case "crash_at":
        return this.trap(fault, fault);
      case "crash_loop":
        this.crashAgain(this.seatOf(fault.target).id, fault);
        return null;
      case "crash_all":
        for (const [position, id] of this.members.entries()) {
          this.downtime.crash(id, fault.downUs + position * fault.apartUs);
        }
        return null;
      case "pause":
        return this.pauses.pause(this.seatOf(fault.target).id);
      case "stalls":
        this.stall(this.seatOf(fault.target).id, fault);
        return null;

      case "slow_disk":
        return this.writeTimes.put(this.seatOf(fault.target), fault.writeMeanUs);
      case "failed_fsync":
        this.seatOf(fault.target).disk.failNextWrite(fault.disk, "kept");
        return null;
      case "write_error":
        this.seatOf(fault.target).disk.failNextWrite(fault.disk, "lost");
        return null;
      case "low_space":
        return this.lowOnSpace(fault.members);
      case "disk_full":
        return this.fill(fault);
      case "torn_write":
        return this.trap(fault, {
          ...fault,
          point: fault.disk === "log" ? "during_log_append" : "during_state_write",
        });
      case "unsynced_loss":
        return this.trap(fault, { ...fault, point: "after_state_write", skip: fault.batches - 1 });
      case "log_bit_flip":
      case "state_bit_flip":
      case "wiped_directory":
      case "state_roll_back":
        this.damage(fault);
        return null;
      case "record_damage":
        for (let left = fault.records; left > 0; left -= 1) this.world.damageRecord(fault.member);
        return null;

      case "clock_skew":
        return this.wallOffsets.put(this.world.seat(fault.member), fault.offsetMs);
      case "clock_drift":
        return this.clockRates.put(this.world.seat(fault.member), fault.rate);
      case "clock_jump":
        this.wallOffsets.put(this.world.seat(fault.member), fault.byMs);
        return null;
      case "frozen_clock":
        return this.clockRates.put(this.seatOf(fault.target), 0);

      case "leadership_transfer":
        this.transfer(fault.to);
        return null;
      case "forced_campaign":
        this.forceCampaign(fault.member);
        return null;
      case "member_add":
        this.operator.add(
          fault.member,
          { promoteWhenCaughtUp: fault.promotes, replaces: null },
          fault.joinsInUs,
        );
        return null;
      case "member_promote":
        this.operator.promote(fault.member);
        return null;
      case "member_remove":
        this.operator.remove(this.seatOf(fault.target).id);
        return null;
      case "member_replace": {
        const replaces = this.seatOf(fault.target).id;
        if (replaces === fault.member) return null;
        this.operator.add(fault.member, { promoteWhenCaughtUp: false, replaces }, fault.joinsInUs);
        return null;
      }
      case "member_recover":
        this.operator.recover(fault.member);
        return null;
      case "member_changes":
        this.operator.change(fault.changes);
        return null;
      case "member_priority":
        this.operator.setPriority(this.seatOf(fault.target).id, fault.priority);
        return null;
      case "member_move":
        this.world.move(this.seatOf(fault.target).id);
        return null;
      case "snapshot":
        this.operator.takeSnapshot(this.seatOf(fault.target).id);
        return null;
      default:
        return unreachable(fault);
    }
  }

  private at(timeUs: number, run: () => void): void {
    this.world.timeline.at(timeUs, () => {
      if (!this.isOver) run();
    });
  }

  private after(delayUs: number, run: () => void): void {
    this.at(this.world.timeline.nowUs + delayUs, run);
  }

  private seatOf(target: Target): Seat {
    return (target === LEADER ? this.leader() : null) ?? this.world.seat(this.namedOrAny(target));
  }

  private namedOrAny(target: Target): MemberId {
    return target === LEADER ? this.members[this.random.below(this.members.length)]! : target;
  }

  /** Of those who believe that they lead, the one that was elected last. */
  private leader(): Seat | null {
    let latest: Seat | null = null;
    for (const seat of this.world.seats) {
      if (seat.replica === null || !seat.replica.isLeader) continue;
      const term = latest?.replica?.leader.term ?? 0;
      if (seat.replica.leader.term > term) latest = seat;
    }
    return latest;
  }

  private filter(filter: NetworkFilter, only: Direction | null): End {
    return this.world.network.add(only === null ? filter : direction(only, filter));
  }

  private breakLinks(directions: readonly Direction[], breakage: Breakage = "cut"): End {
    return this.links.break(directions, breakage);
  }

  private clog(directions: readonly Direction[]): End {
    const clogs = directions.map((link) => {
      const held = hold();
      return { held, remove: this.filter(held, link) };
    });
    return () => {
      for (const { held, remove } of clogs) {
        remove();
        held.release();
      }
    };
  }

  private swizzle({ clogs }: FaultOf<"swizzle">): End {
    const opened = new Set<End>();
    for (const { member, atUs, untilUs } of clogs) {
      this.at(atUs, () => {
        const end = this.clog(splitLinks([member], without(this.members, [member])));
        const endOnce = (): void => {
          if (opened.delete(endOnce)) end();
        };
        opened.add(endOnce);
        this.at(untilUs, endOnce);
      });
    }
    return () => {
      for (const end of [...opened]) end();
    };
  }

  private trap({ target }: { readonly target: Target }, trap: Omit<Trap, "member">): End {
    const { point, skip, downUs } = trap;
    return this.crashPoints.arm({ member: this.seatOf(target).id, point, skip, downUs });
  }

  private crashAgain(id: MemberId, fault: FaultOf<"crash_loop">): void {
    if (this.world.timeline.nowUs >= fault.untilUs) return;
    this.downtime.crash(id, fault.downUs);
    this.after(fault.downUs + fault.upUs, () => this.crashAgain(id, fault));
  }

  private stall(id: MemberId, fault: FaultOf<"stalls">): void {
    if (this.world.timeline.nowUs >= fault.untilUs) return;
    const resume = this.pauses.pause(id);
    this.after(fault.stallUs, resume);
    this.after(fault.everyUs, () => this.stall(id, fault));
  }

  /** More than one may want a disk to be nearly full: the last of them gives the space back. */
  private lowOnSpace(members: readonly MemberId[]): End {
    const ends = members.map((id) => this.shortages.put(this.world.seat(id), 1));
    return () => {
      for (const end of ends) end();
    };
  }

  /** Whoever is started again meanwhile finds the disk as full as before. */
  private fill({ target, disk }: FaultOf<"disk_full">): End {
    const { id } = this.seatOf(target);
    let isFull = true;
    this.world.seat(id).disk.failNextWrite(disk, "lost");
    this.world.observe({
      started: (seat) => {
        if (isFull && seat.id === id) seat.disk.failNextWrite(disk, "lost");
      },
    });
    return () => {
      isFull = false;
      const seat = this.world.seat(id);
      (disk === "log" ? seat.logDisk : seat.stateDisk).faults.takeFailure();
    };
  }

  private damage({
    kind,
    member,
    downUs,
  }: Extract<DiskFault, { readonly member: MemberId; readonly downUs: number }>): void {
    this.downtime.crash(member, downUs);
    switch (kind) {
      case "log_bit_flip":
        this.world.corruptLog(member);
        return;
      case "state_bit_flip":
        this.world.corruptState(member);
        return;
      case "wiped_directory":
        this.world.wipe(member);
        return;
      case "state_roll_back":
        this.world.rollBackState(member);
        return;
      default:
        unreachable(kind);
    }
  }

  private transfer(to: MemberId): void {
    const leader = this.leader();
    if (leader === null) return;
    this.world.call(leader.id, (replica) => {
      replica.transferLeadership(to).then(
        ({ kind }) => this.world.note(`transfer to ${to}: ${kind}`),
        (error: unknown) => this.world.note(`transfer to ${to}: ${String(error)}`),
      );
    });
  }

  /** What the leader would say to end a transfer (thesis 3.10), though this member's log may lag: elections are safe of that. */
  private forceCampaign(member: MemberId): void {
    this.world.call(member, (replica) => {
      const { id, term } = replica.leader;
      if (id === null || id === member) return;
      replica.receive([{ kind: "timeout_now", from: id, to: member, term }]);
    });
  }
}

/** Sets a schedule to work on a world that has not begun to run; observers that judge are to be there before. */
export function applySchedule(world: World, schedule: Schedule): Attack {
  const attack = new Attack(world, schedule);
  attack.start();
  return attack;
}
