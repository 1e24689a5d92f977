import { delay, type ImageFilter, ImageInterference, Network, when } from "@quorate/services/faults";
import { foundingMembership, type MembershipState } from "@quorate/services/kv";
import type { MemberId } from "@quorate/services/raft";
import type { HistoryLimits, LogKeeping, Replica, ReplicaBounds } from "@quorate/services/replica";
import { assert, hexEncode, type Random } from "@quorate/services/std";
import { MORE_SEATS } from "../faults/schedule";
import type { Observer, World } from "../world-contract";
import { drawLimits, type WorldLimits } from "./bounds";
import { Chronicle } from "./chronicle";
import type { WorldCounts } from "./counts";
import { EventLoop } from "./event-loop";
import { ImageStreams } from "./image-streams";
import { NamedChance } from "./named-chance";
import { CONFIGURATION } from "./running-process";
import { addressesOf, SimulatedSeat } from "./seat";
import { Supervisor } from "./supervisor";
import { EventTimeline } from "./timeline";
import type { Trace } from "./trace";
import { ALL_KEYS } from "./verification-wire";

export interface WorldOptions {
  readonly seed: number;
  /** How many the cluster begins with. */
  readonly nodes: number;
  readonly trace: Trace;
  /** Whether replicas read by their leader's lease; not by default. */
  readonly readsByLease?: boolean;
  /** Whether turns of replicas come right behind what calls for them where they can, as in a process; not by default. */
  readonly hasPromptTurns?: boolean;
}

/** Clocks differ so much at most, to either side, where leaders read by their lease. */
const LEASE_RATE_RANGE = 0.05;
/** What a message takes longer to who hears late: more than a lease is shorter than a pledge, and little for an election. */
const LATE_MS = 120;

/** What a message takes at least; filters of the network add to it. */
const LATENCY_US_MIN = 50;
const LATENCY_US_MAX = 2_000;

/** Whole replicas on simulated time, network, clocks and disks. */
export class SimulatedWorld implements World {
  readonly seed: number;
  readonly timeline = new EventTimeline();
  readonly network: Network;
  readonly seats: readonly SimulatedSeat[];
  readonly configuration = CONFIGURATION;
  readonly founding: MembershipState;
  readonly readsByLease: boolean;
  private readonly limits: WorldLimits;
  private readonly chance: NamedChance;
  private readonly chronicle: Chronicle;
  private readonly loop: EventLoop;
  private readonly images: ImageInterference;
  private readonly supervisor: Supervisor;

  constructor({ seed, nodes, trace, readsByLease = false, hasPromptTurns = false }: WorldOptions) {
    this.seed = seed;
    this.readsByLease = readsByLease;
    this.chance = new NamedChance(seed);
    this.chronicle = new Chronicle(trace, this.timeline);
    this.loop = new EventLoop(this.timeline, this.chronicle);
    this.limits = drawLimits(this.chance);
    const latencyUs = LATENCY_US_MIN + this.random("latency").below(LATENCY_US_MAX - LATENCY_US_MIN);
    this.network = new Network({
      random: this.random("network"),
      timers: {
        nowMs: () => this.timeline.nowUs / 1000,
        after: (delayMs, run) => {
          const delayUs = delayMs * 1000 + latencyUs;
          // A message only gets into an inbox, which moves no promise, unless a turn comes right behind it.
          if (hasPromptTurns) this.timeline.after(delayUs, run);
          else this.timeline.quietlyAfter(delayUs, run);
        },
      },
    });
    this.images = new ImageInterference({
      random: this.random("images"),
      timers: {
        nowMs: () => this.timeline.nowUs / 1000,
        after: (delayMs, run) => this.timeline.after(delayMs * 1000, run),
      },
    });
    const ids = Array.from({ length: nodes + MORE_SEATS }, (_, at) => `n${at + 1}`);
    this.founding = foundingMembership(ids.slice(0, nodes).map((id) => ({ id, ...addressesOf(id, 0) })));
    this.seats = ids.map((id, at) => this.newSeat(id, at < nodes ? this.founding : null));
    if (readsByLease) this.setMembersApart();
    const { timeline, chance, chronicle, limits, network, seats } = this;
    const seatOf = (id: MemberId): SimulatedSeat => this.seat(id);
    const imageStreams = new ImageStreams({
      seatOf,
      isOpen: (from, to) => network.isOpen({ from, to }) && network.isOpen({ from: to, to: from }),
      random: this.random("image streams"),
      interference: this.images,
      onDamageFound: (seat) => this.supervisor.foundDamage(seat),
    });
    this.supervisor = new Supervisor({
      timeline,
      chance,
      chronicle,
      limits,
      readsByLease,
      hasPromptTurns,
      network,
      imageStreams,
      seats,
      seatOf,
    });
  }

  get bounds(): ReplicaBounds {
    return this.limits.bounds;
  }

  get history(): HistoryLimits {
    return this.limits.history;
  }

  get logKeeping(): LogKeeping {
    return this.limits.logKeeping;
  }

  get counts(): WorldCounts {
    return this.chronicle.counts;
  }

  get comparesAll(): boolean {
    return this.limits.verification.scrubKeys === ALL_KEYS;
  }

  get membership(): MembershipState {
    let latest = this.founding;
    let applied = -1;
    for (const { replica, isStrange, stateDisk } of this.seats) {
      if (replica === null || isStrange || replica.membership.epoch < latest.epoch) continue;
      const { index } = stateDisk.applied;
      if (replica.membership.epoch === latest.epoch && index <= applied) continue;
      latest = replica.membership;
      applied = index;
    }
    return latest;
  }

  addImageFilter(filter: ImageFilter): () => void {
    return this.images.add(filter);
  }

  random(name: string): Random {
    return this.chance.of(name);
  }

  seat(id: MemberId): SimulatedSeat {
    const seat = this.seats.find((candidate) => candidate.id === id);
    assert(seat !== undefined, "a seat is asked for by the id of a member");
    return seat;
  }

  call(id: MemberId, run: (replica: Replica) => void): void {
    const seat = this.seat(id);
    const { replica } = seat;
    if (replica === null) return;
    seat.enter(() => run(replica));
  }

  start(id: MemberId): void {
    this.supervisor.start(this.seat(id));
  }

  join(id: MemberId): void {
    const seat = this.seat(id);
    if (isRunning(seat)) this.supervisor.end(seat, { batchesLost: 0 });
    seat.replaceDisks("joining");
    seat.directory = "own";
    seat.condition = "down";
    this.counts.joins += 1;
    this.note(`${id} joins with ${seat.storeId}`);
    this.chronicle.tell((observer) => observer.joined?.(seat));
    this.supervisor.start(seat);
  }

  /** The process comes back, some time later, and is reached elsewhere. */
  move(id: MemberId): void {
    const seat = this.seat(id);
    if (seat.condition !== "up") return;
    seat.moves += 1;
    this.note(`${id} moves to ${seat.addresses.peerAddress}`);
    this.supervisor.restart(seat);
  }

  crash(id: MemberId): void {
    const seat = this.seat(id);
    if (!isRunning(seat)) return;
    const batchesLost = this.random(`batches lost ${id}`).below(seat.stateDisk.unsyncedBatches + 1);
    this.note(`${id} crashes, ${batchesLost} batches of its state are lost`);
    this.supervisor.end(seat, { batchesLost });
  }

  pause(id: MemberId): void {
    const seat = this.seat(id);
    if (seat.condition !== "up") return;
    seat.condition = "paused";
    this.note(`${id} pauses`);
  }

  resume(id: MemberId): void {
    const seat = this.seat(id);
    if (seat.condition !== "paused") return;
    seat.condition = "up";
    this.note(`${id} resumes`);
    seat.release();
  }

  wipe(id: MemberId): void {
    const seat = this.seat(id);
    if (seat.condition !== "down") return;
    seat.directory = seat.directory !== "empty" && this.isBound(seat) ? "strange" : "empty";
    seat.replaceDisks("founding");
    this.note(`${id} is wiped`);
  }

  corruptLog(id: MemberId): void {
    const seat = this.seat(id);
    if (seat.condition !== "down") return;
    seat.logDisk.damage();
    this.note(`${id} has a damaged log`);
  }

  corruptState(id: MemberId): void {
    const seat = this.seat(id);
    if (seat.condition !== "down") return;
    seat.stateDisk.damage();
    this.note(`${id} has a damaged state`);
  }

  rollBackState(id: MemberId): void {
    const seat = this.seat(id);
    if (seat.condition !== "down") return;
    // An old copy of what was damaged would be one that never was.
    if (seat.damage.isMarked) return;
    const batches = this.random(`roll back ${id}`).below(seat.stateDisk.knownBatches + 1);
    seat.stateDisk.rollBack({ batches });
    this.note(`${id} has its state of ${batches} batches ago`);
  }

  damageRecord(id: MemberId): void {
    const seat = this.seat(id);
    if (seat.directory !== "own" || seat.replica?.isLeader === true || seat.stateDisk.isDamaged) return;
    const damaged = seat.damage.damage(this.random(`damage ${id}`));
    if (damaged === null) return;
    const { key, value } = damaged;
    this.counts.damages += 1;
    this.note(`${id} has another record of ${hexEncode(key)}: ${value === null ? "none" : hexEncode(value)}`);
  }

  setLowOnSpace(id: MemberId, isLow: boolean): void {
    const seat = this.seat(id);
    if (seat.isLowOnSpace === isLow) return;
    seat.isLowOnSpace = isLow;
    this.note(`${id} is ${isLow ? "" : "not "}low on space`);
    this.call(id, (replica) => replica.setLowOnSpace(seat.isLowOnSpace));
  }

  /** Ends every fault of network, clocks and disks, lets the paused go on, and starts whoever is down. */
  heal(): void {
    this.note("all heals");
    this.network.clear();
    this.images.clear();
    for (const seat of this.seats) {
      seat.clock.rate = 1;
      this.setLowOnSpace(seat.id, false);
      seat.repair();
      this.resume(seat.id);
      this.start(seat.id);
    }
  }

  note(line: string): void {
    this.chronicle.note(line);
  }

  observe(observer: Observer): void {
    this.chronicle.observe(observer);
  }

  /** Lets time pass until the condition holds, which is asked after each event; false when `untilUs` comes first. */
  run(until: () => boolean, untilUs: number): Promise<boolean> {
    return this.loop.run(until, untilUs);
  }

  /** The run has come to its end. */
  ended(): void {
    this.chronicle.tell((observer) => observer.ended?.());
    this.chronicle.throwFailure();
  }

  /** Runs what may throw a Violation, which then ends the run after the present event. */
  judge(check: () => void): void {
    this.chronicle.judge(check);
  }

  /** Someone outside the events found something wrong. */
  fail(error: Error): void {
    this.chronicle.fail(error);
  }

  /**
   * What reads by lease must bear at least: each clock is as fast as it may be, or as slow; and one of three members hears
   * everything late, be it that it was promised something or that another was elected meanwhile.
   */
  private setMembersApart(): void {
    const random = this.random("members apart");
    const late = new Set<MemberId>();
    for (const seat of this.seats) {
      seat.clock.rate = 1 + LEASE_RATE_RANGE * (random.below(2) === 0 ? -1 : 1);
      if (random.below(3) === 0) late.add(seat.id);
    }
    this.network.add(when(({ to }) => late.has(to), delay(LATE_MS)));
  }

  private newSeat(id: MemberId, founding: MembershipState | null): SimulatedSeat {
    const chance = { disk: this.random(`disk ${id}`), process: this.random(`process ${id}`) };
    return new SimulatedSeat(id, this.timeline, chance, (seat) => this.loop.enters(seat), founding);
  }

  /**
   * Whether all peers have once known which directory is the seat's, or that it is none of theirs: then another one that
   * is bootstrapped by mistake is refused by all, for no crash makes them forget it.
   */
  private isBound(seat: SimulatedSeat): boolean {
    if (seat.directory !== "own") return true;
    for (const peer of this.seats) {
      if (peer === seat || peer.condition === "refused" || peer.isStrange) continue;
      const { members } = peer.stateDisk.resident().membership;
      if (members.find(({ memberId }) => memberId === seat.id)?.storeId === null) return false;
    }
    return true;
  }
}

function isRunning({ condition, replica }: SimulatedSeat): boolean {
  return replica !== null || condition === "bringing";
}
