import { type ImageFilter, ImageInterference, Network } from "@quorate/services/faults";
import { foundingMembership, type MembershipState, StateMachine } from "@quorate/services/kv";
import { openMemoryLogStore, openMemoryStateStore } from "@quorate/services/memory";
import type { MemberId, Message } from "@quorate/services/raft";
import {
  type HistoryLimits,
  type LogKeeping,
  type LogStore,
  Replica,
  type ReplicaBounds,
  StoreFailure,
  type Transport,
} from "@quorate/services/replica";
import { assert, hexEncode, type Random, seededRandom } from "@quorate/services/std";
import { type VerificationLimits, type Verifier, verifyReplica } from "@quorate/services/verification";
import { type WatchBounds, watchReplica } from "@quorate/services/watch";
import { MORE_SEATS } from "../faults/schedule";
import type { Observer, World } from "../world-contract";
import { drawBounds, drawHistory, drawLogKeeping, drawWatchBounds } from "./bounds";
import { ImageStreams } from "./image-streams";
import { messageText } from "./message-text";
import { type LogWrite, ObservedLogStore, ObservedStateStore, type StateWrite } from "./observed-stores";
import { RecordDamage } from "./record-damage";
import { addressesOf, SimulatedSeat } from "./seat";
import { bringState } from "./state-bringer";
import { EventTimeline } from "./timeline";
import type { Trace } from "./trace";
import { ALL_KEYS, DIGEST, drawVerification, VerificationWire } from "./verification-wire";

export interface WorldOptions {
  readonly seed: number;
  /** How many the cluster begins with. */
  readonly nodes: number;
  readonly trace: Trace;
}

/** Heartbeats and elections as in the default profile, in ticks of a heartbeat each. */
const CONFIGURATION = { electionTicks: 10, heartbeatTicks: 1, tickUs: 100_000 } as const;
/** Two election timeouts. */
const NO_LEADER_MS = (2 * CONFIGURATION.electionTicks * CONFIGURATION.tickUs) / 1000;
/** A process that ended because a store failed is started again by whoever watches it, some time later. */
const RESTART_US_MIN = 100_000;
const RESTART_US_MAX = 2_000_000;
/** What a message takes at least; filters of the network add to it. */
const LATENCY_US_MIN = 50;
const LATENCY_US_MAX = 2_000;

/** Between two attempts to bring a state. */
const BRING_PAUSE_US_MAX = 1_000_000;
/** One of so many that are removed does not heed it for a while. */
const STUBBORN_ONE_OF = 3;
const STUBBORN_US_MAX = 20_000_000;

/** What happened in a run, counted. */
export interface WorldCounts {
  events: number;
  elections: number;
  /** Processes that ended, whatever the cause. */
  crashes: number;
  starts: number;
  /** States of peers that were installed, by a running replica or before a start. */
  installs: number;
  joins: number;
  removals: number;
  /** Records damaged, and repairs of members by themselves. */
  damages: number;
  repairs: number;
  /** Other clusters that began with a backup of this one. */
  restores: number;
}

/** Whole replicas on simulated time, network, clocks and disks. */
export class SimulatedWorld implements World {
  readonly seed: number;
  readonly timeline = new EventTimeline();
  readonly network: Network;
  readonly seats: readonly SimulatedSeat[];
  readonly configuration = CONFIGURATION;
  readonly bounds: ReplicaBounds;
  readonly history: HistoryLimits;
  readonly logKeeping: LogKeeping;
  readonly founding: MembershipState;
  private readonly watchBounds: WatchBounds;
  private readonly verification: Partial<VerificationLimits>;
  private readonly images: ImageInterference;
  private readonly imageStreams: ImageStreams;
  readonly counts: WorldCounts = {
    events: 0,
    elections: 0,
    crashes: 0,
    starts: 0,
    installs: 0,
    joins: 0,
    removals: 0,
    damages: 0,
    repairs: 0,
    restores: 0,
  };
  private readonly trace: Trace;
  private readonly generators = new Map<string, Random>();
  private readonly observers: Observer[] = [];
  /** Seats that the present event has entered. */
  private touched: SimulatedSeat[] = [];
  private failure: Error | null = null;

  constructor({ seed, nodes, trace }: WorldOptions) {
    this.seed = seed;
    this.trace = trace;
    this.bounds = drawBounds(this.random("bounds"));
    this.history = drawHistory(this.random("history"));
    this.logKeeping = drawLogKeeping(this.random("log keeping"));
    this.watchBounds = drawWatchBounds(this.random("watch bounds"));
    this.verification = drawVerification(this.random("verification"));
    const latencyUs = LATENCY_US_MIN + this.random("latency").below(LATENCY_US_MAX - LATENCY_US_MIN);
    this.network = new Network({
      random: this.random("network"),
      timers: {
        nowMs: () => this.timeline.nowUs / 1000,
        // A message only gets into an inbox, which moves no promise.
        after: (delayMs, run) => this.timeline.quietlyAfter(delayMs * 1000 + latencyUs, run),
      },
    });
    this.images = new ImageInterference({
      random: this.random("images"),
      timers: {
        nowMs: () => this.timeline.nowUs / 1000,
        after: (delayMs, run) => this.timeline.after(delayMs * 1000, run),
      },
    });
    this.imageStreams = new ImageStreams({
      seatOf: (id) => this.seat(id),
      isOpen: (from, to) => this.isOpen(from, to) && this.isOpen(to, from),
      random: this.random("image streams"),
      interference: this.images,
      onDamageFound: (seat) => {
        this.note(`${seat.id} finds a damaged record and ends`);
        this.end(seat, 0);
        seat.stateDisk.damage();
        this.startLater(seat);
      },
    });
    const ids = Array.from({ length: nodes + MORE_SEATS }, (_, at) => `n${at + 1}`);
    this.founding = foundingMembership(ids.slice(0, nodes).map((id) => ({ id, ...addressesOf(id, 0) })));
    this.seats = ids.map((id, at) => this.newSeat(id, at < nodes ? this.founding : null));
  }

  get comparesAll(): boolean {
    return this.verification.scrubKeys === ALL_KEYS;
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
    let generator = this.generators.get(name);
    if (generator === undefined) {
      generator = seededRandom(seedOf(this.seed, name));
      this.generators.set(name, generator);
    }
    return generator;
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
    const seat = this.seat(id);
    if (seat.condition !== "down") return;
    if (seat.directory === "empty") {
      this.refuse(seat, "its directory is empty, and it may not be bootstrapped");
      return;
    }
    this.open(seat);
  }

  join(id: MemberId): void {
    const seat = this.seat(id);
    if (isRunning(seat)) this.end(seat, 0);
    seat.replaceDisks("joining");
    seat.directory = "own";
    seat.condition = "down";
    this.counts.joins += 1;
    this.note(`${id} joins with ${seat.storeId}`);
    this.tellAll((observer) => observer.joined?.(seat));
    this.open(seat);
  }

  /** The process comes back, some time later, and is reached elsewhere. */
  move(id: MemberId): void {
    const seat = this.seat(id);
    if (seat.condition !== "up") return;
    seat.moves += 1;
    this.note(`${id} moves to ${seat.addresses.peerAddress}`);
    this.end(seat, 0);
    this.startLater(seat);
  }

  crash(id: MemberId): void {
    const seat = this.seat(id);
    if (!isRunning(seat)) return;
    const batchesLost = this.random(`batches lost ${id}`).below(seat.stateDisk.unsyncedBatches + 1);
    this.note(`${id} crashes, ${batchesLost} batches of its state are lost`);
    this.end(seat, batchesLost);
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
    this.trace.note(this.timeline.nowUs, line);
  }

  observe(observer: Observer): void {
    this.observers.push(observer);
  }

  /** Lets time pass until the condition holds, which is asked after each event; false when `untilUs` comes first. */
  run(until: () => boolean, untilUs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          const ended = this.stepUntilPromisesMove(until, untilUs);
          if (ended === null) setImmediate(step);
          else resolve(ended);
        } catch (error) {
          reject(error);
        }
      };
      setImmediate(step);
    });
  }

  /** The run has come to its end. */
  ended(): void {
    this.tellAll((observer) => observer.ended?.());
    this.throwFailure();
  }

  /** Runs what may throw a Violation, which then ends the run after the present event. */
  judge(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Someone outside the events found something wrong. */
  fail(error: Error): void {
    this.failure ??= error;
  }

  private stepUntilPromisesMove(until: () => boolean, untilUs: number): boolean | null {
    for (;;) {
      this.endEvent();
      if (until()) return true;
      const event = this.timeline.next(untilUs);
      if (event === null) return false;
      this.counts.events += 1;
      event.run();
      if (!event.isQuiet) return null;
    }
  }

  /** Whatever the event brought about has happened: promises, too. */
  private endEvent(): void {
    const { touched } = this;
    if (touched.length > 0) {
      this.touched = [];
      for (const seat of touched) {
        if (seat.replica === null) continue;
        this.tellAll((observer) => observer.stepped?.(seat));
      }
    }
    this.throwFailure();
  }

  private throwFailure(): void {
    if (this.failure !== null) throw this.failure;
  }

  /** Observers are called from within the code under test: what they throw must not pass through it. */
  private tellAll(call: (observer: Observer) => void): void {
    for (const observer of this.observers) {
      try {
        call(observer);
      } catch (error) {
        this.fail(error instanceof Error ? error : new Error(String(error)));
      }
    }
  }

  private newSeat(id: MemberId, founding: MembershipState | null): SimulatedSeat {
    const chance = { disk: this.random(`disk ${id}`), process: this.random(`process ${id}`) };
    const onEntered = (seat: SimulatedSeat): void => {
      if (!this.touched.includes(seat)) this.touched.push(seat);
    };
    return new SimulatedSeat(id, this.timeline, chance, onEntered, founding);
  }

  private open(seat: SimulatedSeat): void {
    for (const { faults } of [seat.logDisk, seat.stateDisk]) faults.beforeWrite = faults.afterWrite = null;
    if (seat.stateDisk.isDamaged) {
      this.note(`${seat.id} begins its state anew`);
      seat.damage = new RecordDamage(seat.stateDisk);
    }
    const openedState = openMemoryStateStore(seat.stateDisk);
    let openedLog: LogStore;
    try {
      openedLog = openMemoryLogStore(seat.logDisk);
    } catch (error) {
      if (!(error instanceof StoreFailure && error.dataLoss)) throw error;
      seat.stateDisk.faults.release("the log was not opened");
      this.refuse(seat, error.message);
      return;
    }
    const inLife = seat.beginLife();
    const log = new ObservedLogStore(openedLog, {
      begins: (write) => this.logWriteBegins(seat, write),
      tookEffect: (write) => this.logWritten(seat, write),
    });
    let before = 0;
    const state = new ObservedStateStore(openedState, {
      begins: (write) => {
        before = seat.stateDisk.applied.index;
        this.stateWriteBegins(seat, write);
      },
      tookEffect: (write) => this.stateWritten(seat, write, before),
    });
    seat.state = state;
    hookWrites(seat, log, state);
    seat.condition = "bringing";
    const { membership } = state.opened.resident;
    const isWithoutState = membership.members.length === 0;
    if (isWithoutState || state.opened.applied.index < log.firstIndex() - 1) {
      this.note(`${seat.id} asks its peers for a state`);
      const { id } = seat;
      const random = this.random(`bring ${id}`);
      const brought = bringState({
        pick: () => this.someoneToAsk(id, random),
        source: this.imageStreams.sourceFor(seat),
        state,
        log,
        pause: () => new Promise((resolve) => seat.after(random.below(BRING_PAUSE_US_MAX), resolve)),
      });
      this.afterwards(seat, brought, () => inLife(() => this.fitLog(seat, log, state, inLife)));
      return;
    }
    this.fitLog(seat, log, state, inLife);
  }

  /** As in services/node: a log that does not hold what the state has applied goes on after that. */
  private fitLog(
    seat: SimulatedSeat,
    log: ObservedLogStore,
    state: ObservedStateStore,
    inLife: InLife,
  ): void {
    const { applied } = state.opened;
    const launch = (): void => this.launch(seat, log, state, inLife);
    if (log.term(applied.index) === applied.term) launch();
    else this.afterwards(seat, log.reset(applied), () => inLife(launch));
  }

  /** Goes on when a step of a start is made; the process ends where its stores fail. */
  private afterwards(seat: SimulatedSeat, step: Promise<void>, next: () => void): void {
    const { life } = seat;
    step.then(next, (error: Error) => {
      if (seat.life !== life) return;
      if (error instanceof StoreFailure) this.onFailed(seat, error);
      else this.fail(error);
    });
  }

  private someoneToAsk(asking: MemberId, random: Random): MemberId | null {
    const others = this.seats.filter(({ id, replica }) => id !== asking && replica !== null);
    return others[random.below(Math.max(1, others.length))]?.id ?? null;
  }

  private launch(
    seat: SimulatedSeat,
    log: ObservedLogStore,
    state: ObservedStateStore,
    inLife: InLife,
  ): void {
    const { id, addresses } = seat;
    if (state.opened.resident.membership.retiredStores.includes(seat.storeId)) {
      this.remove(seat);
      return;
    }
    let network: Transport | null = null;
    const replica = new Replica({
      id,
      storeId: seat.storeId,
      timing: CONFIGURATION,
      log,
      state,
      machineOf: (resident) => new StateMachine(resident),
      transport: {
        send: (messages) => {
          for (const message of messages) {
            // An observer may have killed it at the message before.
            if (seat.replica !== replica) return;
            this.sent(message);
          }
          network?.send(messages);
        },
      },
      clock: seat.clock,
      scheduler: { afterThisTurn: (run) => seat.afterThisTurn(run) },
      random: this.random(`replica ${id}`).fork(),
      bounds: this.bounds,
      history: this.history,
      logKeeping: this.logKeeping,
      snapshots: this.imageStreams.sourceFor(seat),
      addresses,
    });
    seat.replica = replica;
    seat.hub = watchReplica(replica, { noLeaderMs: NO_LEADER_MS, bounds: this.watchBounds });
    seat.verifier = this.newVerifier(seat, replica);
    seat.condition = seat.directory === "own" ? "up" : "refused";
    seat.starts += 1;
    this.counts.starts += 1;
    this.note(
      `${id} starts, log from ${log.firstIndex()} to ${log.lastIndex()}, applied ${state.opened.applied.index}`,
    );
    replica.subscribe({
      leaderChanged: (leaderId, term) => {
        if (leaderId === id) this.counts.elections += 1;
        this.note(`${id} follows ${leaderId ?? "nobody"} t${term}`);
        this.tellAll((observer) => observer.leaderChanged?.(seat, leaderId, term));
      },
      membershipChanged: ({ epoch, configuration }) =>
        this.note(`${id} knows of change ${epoch}: ${JSON.stringify(configuration)}`),
      removed: () => this.onRemoved(seat, replica),
      failed: (failure) => {
        if (seat.replica === replica) this.onFailed(seat, failure);
      },
    });
    if (seat.isLowOnSpace) replica.setLowOnSpace(true);
    this.tellAll((observer) => observer.started?.(seat));
    network = this.network.attach({
      id,
      storeId: seat.storeId,
      addresses,
      get membership() {
        return replica.membership;
      },
      receive: (messages) => inLife(() => this.deliver(replica, messages)),
      reportUnreachable: (peer) => inLife(() => replica.reportUnreachable(peer)),
      memberStore: (memberId) => replica.memberStore(memberId),
      noteIntroduction: (introduction) => inLife(() => replica.noteIntroduction(introduction)),
      removed: () => inLife(() => this.onRemoved(seat, replica)),
    });
    this.tickOn(seat, replica, this.random(`ticks ${id}`).below(CONFIGURATION.tickUs));
  }

  private newVerifier(seat: SimulatedSeat, replica: Replica): Verifier {
    return verifyReplica(replica, {
      peers: new VerificationWire(seat, {
        seatOf: (id) => this.seat(id),
        isOpen: (from, to) => this.isOpen(from, to),
        random: this.random("verification wire"),
      }),
      digest: DIGEST,
      clock: seat.clock,
      scheduler: { afterThisTurn: (run) => seat.afterThisTurn(run) },
      limits: this.verification,
      observer: {
        hashed: (round) => {
          if (seat.replica === replica) this.tellAll((observer) => observer.hashed?.(seat, round));
        },
        repaired: (outcome) => {
          if (seat.replica !== replica) return;
          if (outcome.kind !== "put_off") this.counts.repairs += 1;
          this.note(`${seat.id} heals itself: ${JSON.stringify(outcome)}`);
          this.tellAll((observer) => observer.healed?.(seat, outcome));
        },
      },
    });
  }

  private isOpen(from: MemberId, to: MemberId): boolean {
    return this.network.isOpen({ from, to });
  }

  private logWriteBegins(seat: SimulatedSeat, write: LogWrite): void {
    if (write.kind === "append") this.tellAll((observer) => observer.appending?.(seat, write.batch));
  }

  private logWritten(seat: SimulatedSeat, write: LogWrite): void {
    switch (write.kind) {
      case "append":
        this.tellAll((observer) => observer.appended?.(seat, write.batch));
        return;
      case "reset":
        this.note(`${seat.id} has its log go on after ${write.entry.index}`);
        this.tellAll((observer) => observer.logReset?.(seat, write.entry));
        return;
      case "cut":
        this.tellAll((observer) => observer.logCut?.(seat, write.index));
    }
  }

  private stateWriteBegins(seat: SimulatedSeat, write: StateWrite): void {
    switch (write.kind) {
      case "write":
        this.tellAll((observer) => observer.stateWriting?.(seat, write.batch));
        return;
      case "put":
      case "complete":
      case "install":
        this.tellAll((observer) => observer.receiving?.(seat, write.kind));
    }
  }

  private stateWritten(seat: SimulatedSeat, write: StateWrite, before: number): void {
    switch (write.kind) {
      case "write":
        this.tellAll((observer) => observer.stateWritten?.(seat, write.batch));
        return;
      case "install":
        this.counts.installs += 1;
        this.note(`${seat.id} has installed a state at ${seat.stateDisk.applied.index}`);
        this.tellAll((observer) => observer.installed?.(seat, before));
        return;
      case "repair":
        this.note(`${seat.id} has put ${write.repairs.length} records right`);
        this.tellAll((observer) => observer.repaired?.(seat));
    }
  }

  /** It stops, unless it is one that does not heed it for a while. */
  private onRemoved(seat: SimulatedSeat, replica: Replica): void {
    if (seat.replica !== replica || seat.isStrange || seat.isLeaving) return;
    seat.isLeaving = true;
    const random = this.random(`removed ${seat.id}`);
    const stubbornUs = random.below(STUBBORN_ONE_OF) === 0 ? random.below(STUBBORN_US_MAX) : 0;
    this.note(`${seat.id} hears that it was removed`);
    this.timeline.after(stubbornUs, () => {
      if (seat.replica === replica) this.remove(seat);
    });
  }

  private remove(seat: SimulatedSeat): void {
    this.end(seat, 0);
    seat.condition = "removed";
    this.counts.removals += 1;
    this.note(`${seat.id} is out`);
  }

  /** Ticks come at the pace of the seat's clock, and one that is due while the process is paused comes once. */
  private tickOn(seat: SimulatedSeat, replica: Replica, delayUs: number): void {
    seat.after(delayUs, () => {
      const { rate } = seat.clock;
      if (rate > 0) {
        replica.tick();
        if (replica.status().raft.leaderId === null) this.network.greet(seat.id);
        seat.hub?.tick(seat.clock.monotonicMs());
        seat.verifier?.tick(seat.clock.monotonicMs());
      }
      this.tickOn(seat, replica, CONFIGURATION.tickUs / (rate > 0 ? rate : 1));
    });
  }

  private sent(message: Message): void {
    this.note(messageText(message));
    this.tellAll((observer) => observer.sent?.(message));
  }

  private deliver(replica: Replica, messages: readonly Message[]): void {
    for (const message of messages) {
      this.note(`got ${messageText(message)}`);
      this.tellAll((observer) => observer.delivered?.(message));
    }
    replica.receive(messages);
  }

  /** Its process ends, without loss of power, and is started again by whoever watches it. */
  private onFailed(seat: SimulatedSeat, failure: StoreFailure): void {
    this.note(`${seat.id} ends: ${failure.message}`);
    this.end(seat, 0);
    this.startLater(seat);
  }

  private startLater(seat: SimulatedSeat): void {
    const delayUs = RESTART_US_MIN + this.random(`restart ${seat.id}`).below(RESTART_US_MAX - RESTART_US_MIN);
    const { life } = seat;
    this.timeline.after(delayUs, () => {
      if (seat.life === life) this.start(seat.id);
    });
  }

  private end(seat: SimulatedSeat, batchesLost: number): void {
    seat.endLife();
    seat.condition = seat.condition === "refused" ? "refused" : "down";
    seat.logDisk.crash();
    seat.stateDisk.crash({ batchesLost });
    this.network.detach(seat.id);
    this.imageStreams.ended(seat.id);
    this.counts.crashes += 1;
    this.tellAll((observer) => observer.crashed?.(seat));
  }

  private refuse(seat: SimulatedSeat, reason: string): void {
    seat.condition = "refused";
    this.note(`${seat.id} is refused: ${reason}`);
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

/** Runs in the process that it was made for, and no more once that has ended. */
type InLife = (run: () => void) => void;

function isRunning({ condition, replica }: SimulatedSeat): boolean {
  return replica !== null || condition === "bringing";
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

/** FNV-1a over the name, begun from the seed: who asks for another name gets another generator. */
function seedOf(seed: number, name: string): number {
  let hash = Math.imul(seed ^ 0x811c9dc5, 0x01000193);
  for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
