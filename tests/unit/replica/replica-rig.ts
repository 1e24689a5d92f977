import { type Answer, encodeCommand, incrementCommand, putCommand, StateMachine } from "@quorate/services/kv";
import {
  MemoryLogDisk,
  MemoryStateDisk,
  openMemoryLogStore,
  openMemoryStateStore,
} from "@quorate/services/memory";
import type { Message } from "@quorate/services/raft";
import { Replica, type ReplicaBounds, type SubmitOutcome } from "@quorate/services/replica";
import { seededRandom } from "@quorate/services/std";

const ELECTION_TICKS = 10;

/** One member: its disks outlive its replica. */
interface Seat {
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
  readonly seats: readonly Seat[];
  /** Links that drop everything, as "n1>n2". */
  readonly cut = new Set<string>();
  /** Every message that was sent, for tests that look at the traffic. */
  readonly sent: Message[] = [];
  nowMs = 1_000;
  private readonly network: Message[] = [];
  private readonly turns: (() => void)[] = [];

  constructor(
    size: number,
    private readonly bounds: Partial<ReplicaBounds> = {},
  ) {
    this.seats = Array.from({ length: size }, (_, at) => ({
      id: `n${at + 1}`,
      log: new MemoryLogDisk(),
      state: new MemoryStateDisk(),
      replica: null,
      starts: 0,
    }));
    for (const seat of this.seats) this.start(seat.id);
  }

  /** @param stateDisk another than the seat's own, such as an empty one */
  start(id: string, stateDisk?: MemoryStateDisk): Replica {
    const seat = this.seat(id);
    const state = openMemoryStateStore(stateDisk ?? seat.state);
    seat.starts += 1;
    seat.replica = new Replica({
      id,
      storeId: `store-${id}`,
      configuration: {
        voters: this.seats.map((other) => other.id),
        votersOutgoing: [],
        learners: [],
        learnersNext: [],
        autoLeave: false,
      },
      timing: { electionTicks: ELECTION_TICKS, heartbeatTicks: 1 },
      log: openMemoryLogStore(seat.log),
      state,
      machine: new StateMachine(state.opened.resident),
      transport: { send: (messages) => this.send(messages) },
      clock: { monotonicMs: () => this.nowMs, wallMs: () => 1_700_000_000_000 + this.nowMs },
      scheduler: { afterThisTurn: (run) => this.turns.push(run) },
      random: seededRandom(this.seats.indexOf(seat) + 100 * seat.starts),
      bounds: this.bounds,
    });
    return seat.replica;
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
      const turns = this.turns.splice(0);
      for (const turn of turns) turn();
      const messages = this.network.splice(0);
      for (const message of messages) {
        if (!this.cut.has(`${message.from}>${message.to}`)) this.seat(message.to).replica?.receive([message]);
      }
      quiet = turns.length + messages.length === 0 ? quiet + 1 : 0;
    }
  }

  /** Time passes for all that run. */
  async tick(count = 1, msPerTick = 100): Promise<void> {
    for (let step = 0; step < count; step += 1) {
      this.nowMs += msPerTick;
      for (const { replica } of this.seats) replica?.tick();
      await this.settle();
    }
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

  private send(messages: readonly Message[]): void {
    this.sent.push(...messages);
    this.network.push(...messages);
  }
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
