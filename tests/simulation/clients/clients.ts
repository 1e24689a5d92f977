import { putCommand } from "@quorate/services/kv";
import type { MemberId } from "@quorate/services/raft";
import { type Random, utf8Encode } from "@quorate/services/std";
import type { BankRecord } from "../../judge/bank";
import type { HistoryRecord } from "../../judge/history";
import { HistoryRecorder } from "../../judge/history-recorder";
import type { SessionEvent } from "../../judge/session-guarantees";
import type { RecordedTransaction } from "../../judge/transactions";
import type { ClientFaults } from "../faults/client-faults";
import { ARCHIVE_NAMESPACE, type Seat, type World } from "../world-contract";
import { Archivist } from "./archivist";
import { Asker } from "./asking";
import { Banker } from "./banker";
import { Caller, type CallerParts } from "./caller";
import type { ClientWatcher } from "./events";
import { Lessee } from "./lessee";
import { LIST_KEYS, ListTransactor } from "./list-transactor";
import { BRIEF_NAMESPACE, Mixer, SWEPT_NAMESPACE } from "./mixer";
import { Pipeliner } from "./pipeliner";
import { LINEARIZABLE, RecordedCaller } from "./recorded-caller";
import { WatchWire } from "./watch-wire";
import { WatchingClient } from "./watching-client";
import { Wire } from "./wire";
import { KEYS, Workload } from "./workload";

export interface ClientsOptions {
  /** How many the clients do in all, those that are not recorded included. */
  readonly operations: number;
  /** About how long they are to take for it. */
  readonly durationUs: number;
  readonly faults: ClientFaults;
  /** Told what the members answer. */
  readonly watcher: ClientWatcher;
}

/** What one client does, one after another. */
interface Worker {
  readonly caller: Caller;
  work(): Promise<void>;
  /** No more is to be begun. */
  end?(): void;
}

const CLIENTS_MIN = 2;
const CLIENTS_MAX = 5;
/** Of each kind that does something else; some runs have none of it. */
const SPECIALISTS_MAX = 2;
const WATCHERS_MAX = 4;
/** Clients come in bursts, in which they meet, and rest in between, so that every fault finds some at work. */
const THINK_US_MEAN = 4_000;
const BURST_OPERATIONS_MEAN = 12;
const REST_SHARE = 0.7;
/** Below the bound of the liveness phase, which waits for whoever rests. */
const REST_US_MAX = 8_000_000;
const RETRY_US = 60_000;
const ANSWER_US_MAX = 2_000_000;

/** Starts clients that begin to work at once, as far as the world runs. */
export function startClients(world: World, options: ClientsOptions): Clients {
  return new Clients(world, options);
}

/** The clients of one run. */
export class Clients {
  /** In the order in which operations ended. */
  readonly history: HistoryRecord[] = [];
  readonly transactions: RecordedTransaction[] = [];
  readonly bank: BankRecord[] = [];
  readonly sessionEvents: SessionEvent[] = [];
  private readonly recorder = new HistoryRecorder((record) => this.history.push(record));
  private readonly random: Random;
  private readonly workers: readonly Worker[];
  private readonly watchers: readonly WatchingClient[];
  private readonly restUsMean: number;
  private left: number;
  private begun = 0;
  private active: number;
  private isFinishing = false;
  private isFinished = false;

  constructor(
    private readonly world: World,
    private readonly options: ClientsOptions,
  ) {
    this.random = world.random("clients");
    this.left = options.operations;
    const workload = new Workload(this.random.fork(), options.faults.staleReadProbability);
    const count = CLIENTS_MIN + this.random.below(CLIENTS_MAX - CLIENTS_MIN + 1);
    const workers: Worker[] = [];
    for (let at = 1; at <= count; at += 1) {
      const recorded = this.newRecordedCaller(`c${at}`);
      workers.push({
        caller: recorded.caller,
        work: async () => {
          await recorded.carryOut(workload.next());
          if (this.random.below(100) === 0) await recorded.caller.closeSession();
        },
      });
    }
    workers.push(...this.specialists(), ...this.pipeliners());
    this.workers = workers;
    this.watchers = this.newWatchers();
    this.active = workers.length;
    const burstsEach = options.operations / BURST_OPERATIONS_MEAN / workers.length;
    this.restUsMean = (REST_SHARE * options.durationUs) / Math.max(1, burstsEach);
    for (const worker of workers) void this.keepBusy(worker);
  }

  /** How many operations were begun. */
  get operations(): number {
    return this.begun;
  }

  /** No operation is under way, and none is to come. */
  get done(): boolean {
    return this.active === 0;
  }

  /** After finish(): the last reads and the last write were answered. */
  get finished(): boolean {
    return this.isFinished;
  }

  /** Begins no more; what is open ends, and then a new client reads every key once more, and writes. */
  finish(): void {
    if (this.isFinishing) return;
    this.isFinishing = true;
    this.left = 0;
    for (const { caller, end } of this.workers) {
      caller.end();
      end?.();
    }
    for (const watcher of this.watchers) watcher.end();
    if (this.active === 0) void this.conclude();
  }

  /** The run is over: what is under way has an unknown outcome in the history. */
  close(): void {
    this.recorder.close();
  }

  private async keepBusy({ work }: Worker): Promise<void> {
    while (this.left > 0) {
      const isResting = this.random.below(BURST_OPERATIONS_MEAN) === 0;
      const thoughtUs = -Math.log(1 - this.random.float()) * (isResting ? this.restUsMean : THINK_US_MEAN);
      await this.pass(Math.min(thoughtUs, REST_US_MAX));
      if (this.left === 0) break;
      this.left -= 1;
      this.begun += 1;
      await work();
    }
    this.active -= 1;
    if (this.active === 0 && this.isFinishing) void this.conclude();
  }

  private async conclude(): Promise<void> {
    const reader = this.newRecordedCaller("final");
    for (const key of KEYS) {
      while ((await reader.get(key)) === null) await this.pass(RETRY_US);
    }
    const lists = this.newListTransactor("final lists");
    while (!(await lists.readAll(LIST_KEYS))) await this.pass(RETRY_US);
    const banker = this.newBanker("final bank");
    while (!(await banker.readAll())) await this.pass(RETRY_US);
    for (const seat of this.world.seats) {
      while (this.isToAnswer(seat) && !(await this.isAnswering(seat.id))) await this.pass(RETRY_US);
    }
    let lastRevision: number | null = null;
    while (lastRevision === null) {
      lastRevision = await this.writeLast();
      if (lastRevision === null) await this.pass(RETRY_US);
    }
    // Where few members are left there may not be room for all at once.
    for (let left = this.watchers; left.length > 0; left = left.filter((watcher) => !watcher.isLeft)) {
      for (const watcher of left) if (watcher.hasCaughtUp(lastRevision)) watcher.leave();
      await this.pass(RETRY_US);
    }
    this.isFinished = true;
  }

  private isToAnswer({ id, condition }: Seat): boolean {
    return condition === "up" && this.world.membership.members.some(({ memberId }) => memberId === id);
  }

  /** Whether that very member answers a read that must be linearizable, be it that it has to ask its leader. */
  private isAnswering(member: MemberId): Promise<boolean> {
    return new Promise((resolve) => {
      // Its process may end meanwhile, or be one that nobody talks to any more.
      this.world.timeline.after(ANSWER_US_MAX, () => resolve(false));
      this.world.call(member, (replica) => {
        void replica
          .readPoint({ namespace: "", ...LINEARIZABLE })
          .then(({ kind }) => resolve(kind === "ready"));
      });
    });
  }

  /** Something that was not there can be written: Ticks alone might wait, and reads need no new entry. null: not yet. */
  private async writeLast(): Promise<number | null> {
    const key = utf8Encode("last");
    const put = { key, value: key, leaseId: 0n, returnPrevious: false, expectedModRevision: null };
    const writer = this.newCaller("last", "", this.options.faults);
    const written = await writer.writeWithoutSession((source) => putCommand(source, put));
    return written.kind === "done" ? Number(written.answer.revision) : null;
  }

  private pass(delayUs: number): Promise<void> {
    return new Promise((resolve) => this.world.timeline.after(delayUs, resolve));
  }

  /** Those whose work no history of single keys can express. */
  private specialists(): Worker[] {
    const { random } = this;
    const { timeline } = this.world;
    const { faults } = this.options;
    const workers: Worker[] = [];
    const count = (): number => random.below(SPECIALISTS_MAX + 1);
    for (let at = count(); at > 0; at -= 1) {
      const lists = this.newListTransactor(`t${at}`);
      workers.push({ caller: lists.caller, work: () => lists.carryOut() });
    }
    for (let at = count(); at > 0; at -= 1) {
      const banker = this.newBanker(`b${at}`);
      workers.push({ caller: banker.caller, work: () => banker.carryOut() });
    }
    for (let at = count(); at > 0; at -= 1) {
      const lessee = new Lessee(this.newCaller(`e${at}`, "", faults), { timeline, random: random.fork() });
      workers.push({ caller: lessee.caller, work: () => lessee.carryOut(), end: () => lessee.end() });
    }
    const archivist = new Archivist(this.newCaller("a1", ARCHIVE_NAMESPACE, faults), random.fork());
    workers.push({ caller: archivist.caller, work: () => archivist.carryOut() });
    for (const [name, namespace] of [
      ["s1", SWEPT_NAMESPACE],
      ["s2", BRIEF_NAMESPACE],
    ] as const) {
      if (namespace === BRIEF_NAMESPACE && random.below(2) === 0) continue;
      const mixer = new Mixer(this.newCaller(name, namespace, faults), namespace, random.fork());
      workers.push({ caller: mixer.caller, work: () => mixer.carryOut() });
    }
    return workers;
  }

  /** In every other run. What they draw shifts nothing that the other clients draw. */
  private pipeliners(): Worker[] {
    const random = this.world.random("pipeliners");
    if (random.below(2) === 0) return [];
    const { faults } = this.options;
    const caller = new Caller("p1", "", this.partsOf(random, faults));
    const pipeliner = new Pipeliner(caller, this.partsOf(random, faults));
    return [{ caller, work: () => pipeliner.carryOut(), end: () => pipeliner.end() }];
  }

  private newWatchers(): WatchingClient[] {
    const { random, world } = this;
    const { faults, watcher } = this.options;
    const members = world.seats.map(({ id }) => id);
    return Array.from({ length: random.below(WATCHERS_MAX + 1) }, (_, at) => {
      const wire = new WatchWire(world, random.fork(), watcher);
      return new WatchingClient(`w${at + 1}`, {
        world,
        wire,
        watcher,
        random: random.fork(),
        faults,
        members,
      });
    });
  }

  private newListTransactor(name: string): ListTransactor {
    const { transactions } = this;
    const { timeline } = this.world;
    const caller = this.newCaller(name, "", this.options.faults);
    return new ListTransactor(caller, { timeline, random: this.random.fork(), transactions });
  }

  private newBanker(name: string): Banker {
    const { timeline } = this.world;
    const caller = this.newCaller(name, "", this.options.faults);
    return new Banker(caller, { timeline, random: this.random.fork(), records: this.bank });
  }

  private newRecordedCaller(name: string): RecordedCaller {
    const { recorder } = this;
    const { timeline } = this.world;
    const random = this.random.fork();
    return new RecordedCaller(this.newCaller(name, "", this.options.faults), {
      recorder,
      timeline,
      random,
    });
  }

  private newCaller(name: string, namespace: string, faults: ClientFaults): Caller {
    return new Caller(name, namespace, this.partsOf(this.random, faults));
  }

  private partsOf(random: Random, faults: ClientFaults): CallerParts {
    const { sessionEvents: events, world } = this;
    const { timeline } = world;
    const members = world.seats.map(({ id }) => id);
    // A network that makes callers give up loses some of their calls, too.
    const wire = new Wire(world, random.fork(), faults.timeoutProbability / 10, this.options.watcher);
    const asker = new Asker(timeline, random.fork(), members, faults);
    return { timeline, wire, asker, random: random.fork(), faults, events };
  }
}
