import type { Direction } from "@quorate/services/faults";
import type { MemberId, Message } from "@quorate/services/raft";
import type { LogBatch } from "@quorate/services/replica";
import { Trace } from "../world/trace";
import { SimulatedWorld } from "../world/world";
import type { Observer, Seat } from "../world-contract";
import { type Attack, applySchedule } from "./apply";
import { CALM_CLIENTS } from "./client-faults";
import type { Fault } from "./fault";
import { memberIds, type Schedule } from "./schedule";

export const SECOND_US = 1_000_000;

export interface Sent {
  readonly message: Message;
  readonly sentUs: number;
  /** One for each copy. */
  readonly deliveredUs: number[];
}

export interface Moment {
  readonly what: keyof Observer;
  readonly member: MemberId;
  readonly atUs: number;
  readonly batch?: LogBatch;
  /** Of its log disk, and of its state, at this moment. */
  readonly lastIndex: number;
  readonly appliedIndex: number;
}

/** A run of one schedule on a world without clients, and what was seen of it: leaders write of themselves now and then. */
export class Run implements Observer {
  readonly world: SimulatedWorld;
  readonly lines: string[] = [];
  readonly messages: Sent[] = [];
  readonly moments: Moment[] = [];
  /** In the order in which members heard that they lead. */
  readonly leaders: { readonly id: MemberId; readonly term: number; readonly atUs: number }[] = [];
  readonly attack: Attack;
  private readonly known = new Map<Message, Sent>();

  constructor(seed: number, schedule: Schedule) {
    this.world = new SimulatedWorld({
      seed,
      nodes: schedule.nodes,
      trace: new Trace((line) => this.lines.push(line)),
    });
    this.world.observe(this);
    for (const { id } of this.world.seats) this.world.start(id);
    this.attack = applySchedule(this.world, schedule);
  }

  /** Lets simulated time pass up to there. */
  async until(seconds: number): Promise<void> {
    await this.world.run(() => false, seconds * SECOND_US);
  }

  /** Lets `look` see the world at that moment. */
  at(seconds: number, look: (world: SimulatedWorld) => void): void {
    this.world.timeline.at(seconds * SECOND_US, () => look(this.world));
  }

  /** What was sent in [fromUs, untilUs), on that link if one is named. */
  sentWithin(fromS: number, untilS: number, on?: Direction): readonly Sent[] {
    return this.messages.filter(
      ({ message, sentUs }) =>
        sentUs >= fromS * SECOND_US &&
        sentUs < untilS * SECOND_US &&
        (on === undefined || (message.from === on.from && message.to === on.to)),
    );
  }

  momentsOf(what: Moment["what"], member: MemberId): readonly Moment[] {
    return this.moments.filter((moment) => moment.what === what && moment.member === member);
  }

  sent(message: Message): void {
    const sent = { message, sentUs: this.world.timeline.nowUs, deliveredUs: [] };
    this.messages.push(sent);
    this.known.set(message, sent);
  }

  delivered(message: Message): void {
    this.known.get(message)?.deliveredUs.push(this.world.timeline.nowUs);
  }

  leaderChanged(seat: Seat, leaderId: MemberId | null, term: number): void {
    if (leaderId === seat.id) this.leaders.push({ id: seat.id, term, atUs: this.world.timeline.nowUs });
  }

  started(seat: Seat): void {
    this.note("started", seat);
  }

  crashed(seat: Seat): void {
    this.note("crashed", seat);
  }

  appending(seat: Seat, batch: LogBatch): void {
    this.note("appending", seat, batch);
  }

  appended(seat: Seat, batch: LogBatch): void {
    this.note("appended", seat, batch);
  }

  stateWriting(seat: Seat): void {
    this.note("stateWriting", seat);
  }

  stateWritten(seat: Seat): void {
    this.note("stateWritten", seat);
  }

  private note(what: Moment["what"], { id, logDisk, stateDisk }: Seat, batch?: LogBatch): void {
    this.moments.push({
      what,
      member: id,
      atUs: this.world.timeline.nowUs,
      lastIndex: logDisk.lastIndex,
      appliedIndex: stateDisk.applied.index,
      ...(batch === undefined ? {} : { batch }),
    });
  }
}

export function scheduleOf(faults: readonly Fault[], { nodes = 3, latencyMeanMs = 0 } = {}): Schedule {
  return {
    profile: "swarm",
    nodes,
    durationUs: 60 * SECOND_US,
    operations: 0,
    latencyMeanMs,
    faults,
    clients: CALM_CLIENTS,
  };
}

/** Who leads and who does not at that second of a run without faults, which is so too in each run whose faults come later. */
export function rolesAt(
  seconds: number,
  seed: number,
  base: { readonly nodes: number; readonly latencyMeanMs: number },
): Promise<Roles> {
  const question = JSON.stringify([seconds, seed, base]);
  const known = knownRoles.get(question) ?? rolesOf(seconds, seed, base);
  knownRoles.set(question, known);
  return known;
}

/** A run is the same each time, so one answers all who ask the same. */
const knownRoles = new Map<string, Promise<Roles>>();

async function rolesOf(
  seconds: number,
  seed: number,
  base: { readonly nodes: number; readonly latencyMeanMs: number },
): Promise<Roles> {
  const run = new Run(seed, scheduleOf([], base));
  await run.until(seconds);
  const leader = run.leaders.at(-1)!.id;
  return { leader, followers: memberIds(base.nodes).filter((id) => id !== leader) };
}

export interface Roles {
  readonly leader: MemberId;
  /** In order. */
  readonly followers: readonly MemberId[];
}
