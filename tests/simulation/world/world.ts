import { Network, type NetworkPort } from "@quorate/services/faults";
import { StateMachine } from "@quorate/services/kv";
import { openMemoryLogStore, openMemoryStateStore } from "@quorate/services/memory";
import { configurationOf, type MemberId, type Message } from "@quorate/services/raft";
import {
  type HistoryLimits,
  type LogStore,
  Replica,
  type ReplicaBounds,
  type StateStore,
  StoreFailure,
  type Transport,
} from "@quorate/services/replica";
import { assert, type Random, seededRandom } from "@quorate/services/std";
import { type WatchBounds, watchReplica } from "@quorate/services/watch";
import type { Observer, World } from "../world-contract";
import { drawBounds, drawHistory, drawWatchBounds } from "./bounds";
import { messageText } from "./message-text";
import { ObservedLogStore, ObservedStateStore } from "./observed-stores";
import { SimulatedSeat } from "./seat";
import { EventTimeline } from "./timeline";
import type { Trace } from "./trace";

export interface WorldOptions {
  readonly seed: number;
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

/** What happened in a run, counted. */
export interface WorldCounts {
  events: number;
  elections: number;
  /** Processes that ended, whatever the cause. */
  crashes: number;
  starts: number;
}

/** Whole replicas on simulated time, network, clocks and disks. */
export class SimulatedWorld implements World {
  readonly seed: number;
  readonly timeline = new EventTimeline();
  readonly network: NetworkPort;
  readonly seats: readonly SimulatedSeat[];
  readonly configuration = CONFIGURATION;
  readonly bounds: ReplicaBounds;
  readonly history: HistoryLimits;
  private readonly watchBounds: WatchBounds;
  readonly counts: WorldCounts = { events: 0, elections: 0, crashes: 0, starts: 0 };
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
    this.watchBounds = drawWatchBounds(this.random("watch bounds"));
    const latencyUs = LATENCY_US_MIN + this.random("latency").below(LATENCY_US_MAX - LATENCY_US_MIN);
    this.network = new Network({
      random: this.random("network"),
      timers: {
        nowMs: () => this.timeline.nowUs / 1000,
        // A message only gets into an inbox, which moves no promise.
        after: (delayMs, run) => this.timeline.quietlyAfter(delayMs * 1000 + latencyUs, run),
      },
    });
    this.seats = Array.from({ length: nodes }, (_, at) => this.newSeat(`n${at + 1}`));
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

  crash(id: MemberId): void {
    const seat = this.seat(id);
    if (seat.replica === null) return;
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
    seat.replaceDisks();
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
    const batches = this.random(`roll back ${id}`).below(seat.stateDisk.knownBatches + 1);
    seat.stateDisk.rollBack({ batches });
    this.note(`${id} has its state of ${batches} batches ago`);
  }

  /** Ends every fault of network, clocks and disks, lets the paused go on, and starts whoever is down. */
  heal(): void {
    this.note("all heals");
    this.network.clear();
    for (const seat of this.seats) {
      seat.clock.rate = 1;
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

  private newSeat(id: MemberId): SimulatedSeat {
    const chance = { disk: this.random(`disk ${id}`), process: this.random(`process ${id}`) };
    return new SimulatedSeat(id, this.timeline, chance, (seat) => {
      if (!this.touched.includes(seat)) this.touched.push(seat);
    });
  }

  private open(seat: SimulatedSeat): void {
    for (const { faults } of [seat.logDisk, seat.stateDisk]) faults.beforeWrite = faults.afterWrite = null;
    if (seat.stateDisk.isDamaged) this.note(`${seat.id} rebuilds its state from the log`);
    const state = openMemoryStateStore(seat.stateDisk);
    let log: LogStore;
    try {
      log = openMemoryLogStore(seat.logDisk);
    } catch (error) {
      if (!(error instanceof StoreFailure && error.dataLoss)) throw error;
      seat.stateDisk.faults.release("the log was not opened");
      this.refuse(seat, error.message);
      return;
    }
    if (state.opened.applied.index < log.firstIndex() - 1) {
      seat.stateDisk.faults.release("the log was not opened");
      seat.logDisk.faults.release("it begins after the state ends");
      this.refuse(seat, "its log begins after its state ends");
      return;
    }
    if (log.lastIndex() >= state.opened.applied.index) {
      this.launch(seat, log, state);
      return;
    }
    // As in services/node. The hooks are not set, so that it takes no simulated time.
    log.reset(state.opened.applied).then(
      () => this.launch(seat, log, state),
      (error: Error) => this.fail(error),
    );
  }

  private launch(seat: SimulatedSeat, opened: LogStore, openedState: StateStore): void {
    const { id } = seat;
    const inLife = seat.beginLife();
    const log = new ObservedLogStore(opened, {
      begins: (batch) => this.tellAll((observer) => observer.appending?.(seat, batch)),
      tookEffect: (batch) => this.tellAll((observer) => observer.appended?.(seat, batch)),
    });
    const state = new ObservedStateStore(openedState, {
      begins: (batch) => this.tellAll((observer) => observer.stateWriting?.(seat, batch)),
      tookEffect: (batch) => this.tellAll((observer) => observer.stateWritten?.(seat, batch)),
    });
    hookWrites(seat, log, state);
    let network: Transport | null = null;
    const replica = new Replica({
      id,
      storeId: seat.storeId,
      configuration: configurationOf(this.seats.map((member) => member.id)),
      timing: CONFIGURATION,
      log,
      state,
      machine: new StateMachine(state.opened.resident),
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
    });
    seat.replica = replica;
    seat.hub = watchReplica(replica, { noLeaderMs: NO_LEADER_MS, bounds: this.watchBounds });
    seat.condition = seat.directory === "own" ? "up" : "refused";
    seat.starts += 1;
    this.counts.starts += 1;
    this.note(`${id} starts, log to ${log.lastIndex()}, applied ${state.opened.applied.index}`);
    replica.subscribe({
      leaderChanged: (leaderId, term) => {
        if (leaderId === id) this.counts.elections += 1;
        this.note(`${id} follows ${leaderId ?? "nobody"} t${term}`);
        this.tellAll((observer) => observer.leaderChanged?.(seat, leaderId, term));
      },
      failed: (failure) => {
        if (seat.replica === replica) this.onFailed(seat, failure);
      },
    });
    this.tellAll((observer) => observer.started?.(seat));
    network = this.network.attach({
      id,
      storeId: seat.storeId,
      receive: (messages) => inLife(() => this.deliver(replica, messages)),
      reportUnreachable: (peer) => inLife(() => replica.reportUnreachable(peer)),
      memberStore: (memberId) => replica.memberStore(memberId),
      noteStore: (memberId, storeId) => inLife(() => replica.noteStore(memberId, storeId)),
    });
    this.tickOn(seat, replica, this.random(`ticks ${id}`).below(CONFIGURATION.tickUs));
  }

  /** Ticks come at the pace of the seat's clock, and one that is due while the process is paused comes once. */
  private tickOn(seat: SimulatedSeat, replica: Replica, delayUs: number): void {
    seat.after(delayUs, () => {
      const { rate } = seat.clock;
      if (rate > 0) {
        replica.tick();
        seat.hub?.tick(seat.clock.monotonicMs());
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
    const delayUs = RESTART_US_MIN + this.random(`restart ${seat.id}`).below(RESTART_US_MAX - RESTART_US_MIN);
    this.end(seat, 0);
    const { starts } = seat;
    this.timeline.after(delayUs, () => {
      if (seat.starts === starts) this.start(seat.id);
    });
  }

  private end(seat: SimulatedSeat, batchesLost: number): void {
    seat.endLife();
    seat.condition = seat.condition === "refused" ? "refused" : "down";
    seat.logDisk.crash();
    seat.stateDisk.crash({ batchesLost });
    this.network.detach(seat.id);
    this.counts.crashes += 1;
    this.tellAll((observer) => observer.crashed?.(seat));
  }

  private refuse(seat: SimulatedSeat, reason: string): void {
    seat.condition = "refused";
    this.note(`${seat.id} is refused: ${reason}`);
  }

  /**
   * Whether all peers have once known which directory is the seat's: then another one that is bootstrapped by mistake
   * is refused by all, for no crash makes them forget it.
   */
  private isBound(seat: SimulatedSeat): boolean {
    if (seat.directory !== "own") return true;
    for (const peer of this.seats) {
      if (peer === seat || peer.condition === "refused" || peer.directory !== "own") continue;
      const bound = peer.stateDisk.resident().memberStores.find(({ memberId }) => memberId === seat.id);
      if (bound === undefined) return false;
      assert(bound.storeId === seat.storeId, "a member is bound to the directory that it started with");
    }
    return true;
  }
}

/** Half of what a write takes passes before it takes effect and half after, so that a crash can come at any of the three. */
function hookWrites(seat: SimulatedSeat, log: ObservedLogStore, state: ObservedStateStore): void {
  const { logDisk, stateDisk } = seat;
  logDisk.faults.beforeWrite = () => {
    log.begins();
    return seat.writing("log");
  };
  logDisk.faults.afterWrite = () => {
    log.tookEffect();
    return seat.writing("log");
  };
  stateDisk.faults.beforeWrite = () => {
    state.begins();
    return seat.writing("state");
  };
  stateDisk.faults.afterWrite = () => {
    state.tookEffect();
    return seat.writing("state");
  };
}

/** FNV-1a over the name, begun from the seed: who asks for another name gets another generator. */
function seedOf(seed: number, name: string): number {
  let hash = Math.imul(seed ^ 0x811c9dc5, 0x01000193);
  for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
