import {
  type Answer,
  encodeCommand,
  foundingMembership,
  incrementCommand,
  putCommand,
  StateMachine,
} from "@quorate/services/kv";
import {
  MemoryLogDisk,
  MemoryStateDisk,
  openMemoryLogStore,
  openMemoryStateStore,
} from "@quorate/services/memory";
import type { Message } from "@quorate/services/raft";
import {
  DEFAULT_LOG_KEEPING,
  type ImageChunk,
  type LogKeeping,
  Replica,
  type ReplicaBounds,
  type SnapshotSource,
  type SubmitOutcome,
} from "@quorate/services/replica";
import { seededRandom } from "@quorate/services/std";

const ELECTION_TICKS = 10;

/** One member: its disks outlive its replica. */
export interface Seat {
  readonly id: string;
  readonly log: MemoryLogDisk;
  readonly state: MemoryStateDisk;
  replica: Replica | null;
  starts: number;
}

/**
 * Whole replicas on disks in memory, a network that the test cuts as it likes, and a clock that stands still until the
 * test ticks. Everything runs in one process, without a timer.
 */
export class ReplicaRig {
  readonly seats: Seat[];
  /** Links that drop everything, as "n1>n2". */
  readonly cut = new Set<string>();
  /** Every message that was sent, for tests that look at the traffic. */
  readonly sent: Message[] = [];
  nowMs = 1_000;
  /** What becomes of the chunks of images on their way: throw to break the stream. */
  onChunk: (chunk: ImageChunk, to: string) => ImageChunk = (chunk) => chunk;
  private readonly network: Message[] = [];
  /** What is to run after the input that is being taken in. */
  readonly afterInputs: (() => void)[] = [];
  /** What is to run after all input of a turn. */
  readonly turns: (() => void)[] = [];
  private timers: { readonly atMs: number; readonly run: () => void }[] = [];

  constructor(
    size: number,
    private readonly bounds: Partial<ReplicaBounds> = {},
    private readonly logKeeping: LogKeeping = DEFAULT_LOG_KEEPING,
  ) {
    const ids = Array.from({ length: size }, (_, at) => `n${at + 1}`);
    this.seats = ids.map((id) => seatOf(id, ids));
    for (const seat of this.seats) this.start(seat.id);
  }

  /** A seat for a member that joins, with the state of another. */
  async join(id: string, from: string): Promise<Replica> {
    this.seats.push(seatOf(id, []));
    const image = this.replica(from).state.freeze();
    const store = openMemoryStateStore(this.seat(id).state);
    const receiver = await store.receive(image.header);
    for await (const chunk of image.chunks(null)) await receiver.put(chunk);
    await receiver.complete();
    const { applied } = await store.install(receiver);
    await store.close();
    const log = openMemoryLogStore(this.seat(id).log);
    await log.reset(applied);
    await log.close();
    image.close();
    const introduction = { memberId: id, storeId: `store-${id}`, addresses: null, epoch: 0 };
    for (const { replica } of this.seats) replica?.noteIntroduction(introduction);
    const replica = this.start(id);
    // The leader records it with its next Tick.
    await this.tick(11);
    return replica;
  }

  /** @param stateDisk another than the seat's own, such as an empty one */
  start(id: string, stateDisk?: MemoryStateDisk): Replica {
    const seat = this.seat(id);
    const state = openMemoryStateStore(stateDisk ?? seat.state);
    seat.starts += 1;
    seat.replica = new Replica({
      id,
      storeId: `store-${id}`,
      timing: { electionTicks: ELECTION_TICKS, heartbeatTicks: 1 },
      log: openMemoryLogStore(seat.log),
      state,
      machineOf: (resident) => new StateMachine(resident),
      snapshots: this.snapshotsTo(id),
      logKeeping: this.logKeeping,
      transport: { send: (messages) => this.send(messages) },
      clock: { monotonicMs: () => this.nowMs, wallMs: () => 1_700_000_000_000 + this.nowMs },
      scheduler: {
        afterThisTurn: (run) => this.turns.push(run),
        afterThisInput: (run) => this.afterInputs.push(run),
        afterMs: (delayMs, run) => this.timers.push({ atMs: this.nowMs + delayMs, run }),
      },
      random: seededRandom(this.seats.indexOf(seat) + 100 * seat.starts),
      bounds: this.bounds,
    });
    return seat.replica;
  }

  /** A state as it was before the first command. */
  emptyStateDisk(): MemoryStateDisk {
    return seatOf(
      "",
      this.seats.map(({ id }) => id),
    ).state;
  }

  /** The power goes: what was not synced is lost. */
  crash(id: string): void {
    const seat = this.seat(id);
    seat.replica = null;
    seat.log.crash();
    seat.state.crash({ batchesLost: 3 });
  }

  replica(id: string): Replica {
    const { replica } = this.seat(id);
    if (replica === null) throw new Error(`${id} is down`);
    return replica;
  }

  seat(id: string): Seat {
    const seat = this.seats.find((other) => other.id === id);
    if (seat === undefined) throw new Error(`no seat ${id}`);
    return seat;
  }

  isolate(id: string): void {
    for (const other of this.seats) this.cut.add(`${id}>${other.id}`).add(`${other.id}>${id}`);
  }

  heal(): void {
    this.cut.clear();
  }

  /** Runs until nothing is left to do: no turn, no message, no write. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      await new Promise((resolve) => setImmediate(resolve));
      const turns = [...this.afterInputs.splice(0), ...this.turns.splice(0)];
      for (const turn of turns) turn();
      const messages = this.network.splice(0);
      for (const message of messages) {
        if (this.cut.has(`${message.from}>${message.to}`)) continue;
        this.seats.find(({ id }) => id === message.to)?.replica?.receive([message]);
      }
      quiet = turns.length + messages.length === 0 ? quiet + 1 : 0;
    }
  }

  /** Time passes for all that run. */
  async tick(count = 1, msPerTick = 100): Promise<void> {
    for (let step = 0; step < count; step += 1) {
      this.nowMs += msPerTick;
      this.runTimers();
      for (const { replica } of this.seats) replica?.tick();
      await this.settle();
    }
  }

  /** Time passes that is too short for a tick. */
  async wait(ms: number): Promise<void> {
    this.nowMs += ms;
    this.runTimers();
    await this.settle();
  }

  private runTimers(): void {
    const due = this.timers.filter(({ atMs }) => atMs <= this.nowMs);
    this.timers = this.timers.filter(({ atMs }) => atMs > this.nowMs);
    for (const { run } of due) run();
  }

  /** Ticks until exactly one member that runs leads the highest term among those in reach of a majority. */
  async elect(except: readonly string[] = []): Promise<Replica> {
    for (let step = 0; step < 20 * ELECTION_TICKS; step += 1) {
      const leaders = this.seats.filter(
        ({ id, replica }) => !except.includes(id) && replica?.isLeader === true,
      );
      if (leaders.length === 1) return this.replica(leaders[0]!.id);
      await this.tick();
    }
    throw new Error("no leader was elected");
  }

  private snapshotsTo(to: string): SnapshotSource {
    return {
      fetch: async (from, resume) => {
        if (this.cut.has(`${from}>${to}`)) throw new Error("cut");
        const replica = this.replica(from);
        const image = resume === null ? replica.images.open() : replica.images.resume(resume.imageId);
        if (image === "too_many" || image === null) throw new Error("no such image");
        const { imageId, state } = image;
        const { onChunk } = this;
        return {
          imageId,
          header: state.header,
          chunks: (async function* () {
            for await (const chunk of state.chunks(resume?.position ?? null)) {
              const arrived = onChunk(chunk, to);
              if (chunk.isLast) replica.images.sent(imageId);
              yield arrived;
            }
          })(),
        };
      },
    };
  }

  private send(messages: readonly Message[]): void {
    this.sent.push(...messages);
    this.network.push(...messages);
  }
}

function seatOf(id: string, founders: readonly string[]): Seat {
  const membership = foundingMembership(
    founders.map((founder) => ({ id: founder, clientAddress: `${founder}:1`, peerAddress: `${founder}:2` })),
  );
  const state = new MemoryStateDisk(undefined, undefined, membership);
  return { id, log: new MemoryLogDisk(), state, replica: null, starts: 0 };
}

const encoder = new TextEncoder();

export function put(key: string, value: string): Uint8Array {
  const source = { namespace: "", requestId: null, wallTimeMs: 0 };
  const bytes = { key: encoder.encode(key), value: encoder.encode(value) };
  return encodeCommand(
    putCommand(source, { ...bytes, leaseId: 0n, returnPrevious: false, expectedModRevision: null }),
  );
}

export function increment(
  key: string,
  requestId: { clientId: number; sequence: number; firstUnanswered: number } | null,
) {
  const source = { namespace: "", requestId, wallTimeMs: 0 };
  return encodeCommand(incrementCommand(source, encoder.encode(key), 1n));
}

export function appliedAnswer(outcome: SubmitOutcome): Answer {
  if (outcome.kind !== "applied") throw new Error(`not applied: ${JSON.stringify(outcome)}`);
  return outcome.answer;
}
