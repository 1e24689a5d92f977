import {
  FailPoints,
  FilteredSnapshotSource,
  FilteredTransport,
  guardLogStore,
  guardSnapshotSource,
  guardStateStore,
  guardTransport,
  ImageInterference,
  Interference,
  Network,
} from "@quorate/services/faults";
import {
  type Answer,
  type CommandSource,
  encodeCommand,
  foundingMembership,
  incrementCommand,
  openSessionCommand,
  type ResidentState,
  StateMachine,
  type WriteId,
} from "@quorate/services/kv";
import {
  MemoryLogDisk,
  MemoryStateDisk,
  openMemoryLogStore,
  openMemoryStateStore,
} from "@quorate/services/memory";
import type { Message } from "@quorate/services/raft";
import {
  type ImageChunk,
  type LogKeeping,
  type LogStore,
  Replica,
  type SnapshotSource,
  type StateStore,
  type StoreFailure,
  type SubmitOutcome,
  type Transport,
} from "@quorate/services/replica";
import { seededRandom } from "@quorate/services/std";
import { VirtualTimers } from "./virtual-timers";

const TICK_MS = 100;
const ELECTION_TICKS = 10;

/** One member: its disks and fail points outlive its replica. */
interface Seat {
  readonly id: string;
  readonly log: MemoryLogDisk;
  readonly state: MemoryStateDisk;
  readonly failPoints: FailPoints;
  replica: Replica | null;
  starts: number;
  /** What ended its replica, where one of its stores did. */
  failure: StoreFailure | null;
  /** Breaks the streams that its process takes part in. */
  readonly streams: Set<(error: Error) => void>;
}

/** Whole replicas on disks in memory, over a Network, in time that passes only when the test says so. */
export class VirtualCluster {
  readonly timers = new VirtualTimers();
  readonly network = new Network({ timers: this.timers, random: seededRandom(1) });
  /** Between the images of all. */
  readonly images = new ImageInterference({ timers: this.timers, random: seededRandom(3) });
  /** Between each replica and the network, as it would stand before a real transport. */
  readonly interference = new Interference({ timers: this.timers, random: seededRandom(2) });
  readonly seats: readonly Seat[];
  /** All that arrived anywhere, and when. */
  readonly arrived: { readonly message: Message; readonly atMs: number }[] = [];
  /** Every leader that any member has heard of, by term. */
  readonly leaders = new Map<number, Set<string>>();

  constructor(
    size: number,
    private readonly options: {
      readonly logKeeping?: LogKeeping;
      /** Batches between two checkpoints of a state. */
      readonly checkpointBatches?: number;
    } = {},
  ) {
    const ids = Array.from({ length: size }, (_, at) => `n${at + 1}`);
    const members = ids.map((id) => ({ id, clientAddress: `${id}:1`, peerAddress: `${id}:2` }));
    this.seats = ids.map((id) => {
      const failPoints = new FailPoints({ onCrash: () => this.crash(id) });
      return {
        id,
        log: new MemoryLogDisk(),
        state: new MemoryStateDisk(options.checkpointBatches ?? 64, 0, foundingMembership(members)),
        failPoints,
        replica: null,
        starts: 0,
        failure: null,
        streams: new Set(),
      };
    });
    for (const { id } of this.seats) this.start(id);
  }

  /** Its log is made to go on after its state first, where a crash came between the two. */
  start(id: string): void {
    const seat = this.seat(id);
    const state = openMemoryStateStore(seat.state);
    const log = openMemoryLogStore(seat.log);
    const { applied } = state.opened;
    if (log.term(applied.index) === applied.term) this.launch(seat, log, state);
    else void log.reset(applied).then(() => this.launch(seat, log, state));
  }

  private launch(seat: Seat, openedLog: LogStore, openedState: StateStore): void {
    const { id } = seat;
    const state = guardStateStore(openedState, seat.failPoints);
    const transport: { port: Transport | null } = { port: null };
    seat.starts += 1;
    seat.failure = null;
    const replica = new Replica({
      id,
      storeId: `store-${id}`,
      timing: { electionTicks: ELECTION_TICKS, heartbeatTicks: 1 },
      log: guardLogStore(openedLog, seat.failPoints),
      state,
      machineOf: (resident) => new StateMachine(resident),
      transport: { send: (messages) => transport.port?.send(messages) },
      clock: { monotonicMs: () => this.timers.nowMs(), wallMs: () => this.timers.nowMs() },
      scheduler: {
        afterThisTurn: (run) => this.timers.after(0, run),
        afterMs: (delayMs, run) => this.timers.after(delayMs, run),
      },
      random: seededRandom(this.seats.indexOf(seat) + 100 * seat.starts),
      snapshots: guardSnapshotSource(
        new FilteredSnapshotSource(this.imagesOf(seat), id, this.images),
        seat.failPoints,
      ),
      ...(this.options.logKeeping === undefined ? {} : { logKeeping: this.options.logKeeping }),
    });
    const wire = this.network.attach({
      id,
      storeId: `store-${id}`,
      receive: (messages) => {
        for (const message of messages) this.arrived.push({ message, atMs: this.timers.nowMs() });
        replica.receive(messages);
      },
      reportUnreachable: (peer) => replica.reportUnreachable(peer),
      reportReset: (peer) => replica.reportReset(peer),
      memberStore: (memberId) => replica.memberStore(memberId),
      addresses: null,
      get membership() {
        return replica.membership;
      },
      noteIntroduction: (introduction) => replica.noteIntroduction(introduction),
      removed: () => undefined,
    });
    transport.port = guardTransport(new FilteredTransport(wire, this.interference), seat.failPoints);
    replica.subscribe({
      leaderChanged: (leaderId, term) => {
        if (leaderId === null) return;
        this.leaders.set(term, (this.leaders.get(term) ?? new Set()).add(leaderId));
      },
      failed: (failure) => {
        seat.failure = failure;
      },
    });
    seat.replica = replica;
    this.tickForEver(seat, replica);
  }

  /** SIGKILL and the power: what was not synced is lost. */
  crash(id: string): void {
    const seat = this.seat(id);
    seat.replica = null;
    for (const breakStream of seat.streams) breakStream(new Error(`${id} is gone`));
    this.network.detach(id);
    seat.log.crash();
    seat.state.crash({ batchesLost: 3 });
  }

  seat(id: string): Seat {
    const seat = this.seats.find((other) => other.id === id);
    if (seat === undefined) throw new Error(`no seat ${id}`);
    return seat;
  }

  replica(id: string): Replica {
    const { replica } = this.seat(id);
    if (replica === null) throw new Error(`${id} is down`);
    return replica;
  }

  get running(): string[] {
    return this.seats.filter(({ replica }) => replica !== null).map(({ id }) => id);
  }

  others(...ids: readonly string[]): string[] {
    return this.seats.map(({ id }) => id).filter((id) => !ids.includes(id));
  }

  /** Lets so much time pass. */
  async run(ms: number): Promise<void> {
    const untilMs = this.timers.nowMs() + ms;
    await this.settle();
    for (let next = this.timers.nextMs; next !== null && next <= untilMs; next = this.timers.nextMs) {
      this.timers.advance(next - this.timers.nowMs());
      await this.settle();
    }
    this.timers.advance(untilMs - this.timers.nowMs());
  }

  /** Lets time pass until the condition holds. */
  async until(what: string, condition: () => boolean, withinMs = 60_000): Promise<void> {
    const deadlineMs = this.timers.nowMs() + withinMs;
    while (!condition()) {
      if (this.timers.nowMs() >= deadlineMs) throw new Error(`${what}: not within ${withinMs} ms`);
      await this.run(TICK_MS / 10);
    }
  }

  /** The id of the one that leads the highest term among those given, once its first entry has committed. */
  async leader(among: readonly string[] = this.others()): Promise<string> {
    let found = "";
    await this.until("a leader", () => {
      const leading = among.filter((id) => this.seat(id).replica?.isLeader === true);
      found = leading.length === 1 ? leading[0]! : "";
      return found !== "" && this.statusOf(found).raft.commit >= this.statusOf(found).raft.last.index;
    });
    return found;
  }

  /** Adds one to the counter, once however often it is submitted with one request id. */
  increment(id: string, requestId: WriteId | null = null): Promise<SubmitOutcome> {
    return this.replica(id).submit(encodeCommand(incrementCommand(source(requestId), COUNTER, 1n)));
  }

  /** Increments one after the other and returns what became of them. */
  async incrementTimes(id: string, count: number): Promise<readonly SubmitOutcome["kind"][]> {
    const kinds: SubmitOutcome["kind"][] = [];
    for (let at = 0; at < count; at += 1) kinds.push((await this.outcome(this.increment(id))).kind);
    return kinds;
  }

  /** Increments so many times as a client in a session does: each until it was applied, wherever the leader is. */
  async incrementInSession(count: number): Promise<void> {
    const opened = await this.untilApplied((leader) =>
      this.replica(leader).submit(encodeCommand(openSessionCommand(source(null), 3_600_000))),
    );
    const clientId = opened.result?.$case === "done" ? Number(opened.result.value.clientId) : 0;
    for (let sequence = 1; sequence <= count; sequence += 1) {
      const requestId = { clientId, sequence, firstUnanswered: sequence };
      await this.untilApplied((leader) => this.increment(leader, requestId));
    }
  }

  /** Lets time pass until the promise settles. */
  async outcome<Outcome>(promise: Promise<Outcome>): Promise<Outcome> {
    let settled = false;
    const settling = promise.finally(() => {
      settled = true;
    });
    await this.until("an outcome", () => settled);
    return settling;
  }

  /** The counter as each member that runs has it: "" where it is not there. */
  async counters(): Promise<readonly string[]> {
    const running = this.seats.flatMap(({ replica }) => replica ?? []);
    return Promise.all(running.map(counterAt));
  }

  /** Waits until all that run have applied the same, and returns the counters. */
  async converged(): Promise<readonly string[]> {
    const applied = (): Set<number> =>
      new Set(this.seats.flatMap(({ replica }) => replica?.status().appliedIndex ?? []));
    await this.until("the same everywhere", () => applied().size === 1);
    return this.counters();
  }

  /** What is stored beside the records, of each that runs. */
  residents(): readonly ResidentState[] {
    return this.seats.filter(({ replica }) => replica !== null).map(({ state }) => state.resident());
  }

  /** Images as they are at a peer, taken at once. */
  private imagesOf(seat: Seat): SnapshotSource {
    return {
      fetch: async (from, resume) => {
        const sender = this.seat(from);
        const { replica } = sender;
        if (replica === null || seat.replica === null) throw new Error(`${from} cannot be reached`);
        const image = resume === null ? replica.images.open() : replica.images.resume(resume.imageId);
        if (image === null || image === "too_many") throw new Error(`${from} has no image to give`);
        const { imageId, state } = image;
        const chunks = state.chunks(resume?.position ?? null);
        return {
          imageId,
          header: state.header,
          chunks: this.streamed(replica, imageId, chunks, [seat, sender]),
        };
      },
    };
  }

  /** As over a network: what fails at the sender breaks the stream, and so does the end of either process. */
  private async *streamed(
    replica: Replica,
    imageId: number,
    chunks: AsyncIterable<ImageChunk>,
    ends: readonly Seat[],
  ): AsyncGenerator<ImageChunk> {
    const iterator = chunks[Symbol.asyncIterator]();
    let tell: (error: Error) => void = () => undefined;
    const broken = new Promise<never>((_, reject) => {
      tell = reject;
    });
    broken.catch(() => undefined);
    for (const { streams } of ends) streams.add(tell);
    try {
      for (;;) {
        replica.images.touch(imageId);
        const next = await Promise.race([broken, iterator.next().catch(brokenStream)]);
        if (next.done === true) return;
        if (next.value.isLast) replica.images.sent(imageId);
        yield next.value;
      }
    } finally {
      for (const { streams } of ends) streams.delete(tell);
    }
  }

  private async untilApplied(submit: (leader: string) => Promise<SubmitOutcome>): Promise<Answer> {
    for (let attempt = 0; attempt < 1_000; attempt += 1) {
      const outcome = await this.outcome(submit(await this.leader()));
      if (outcome.kind === "applied") return outcome.answer;
    }
    throw new Error("1000 attempts, and none was applied");
  }

  private statusOf(id: string) {
    return this.replica(id).status();
  }

  private tickForEver(seat: Seat, replica: Replica): void {
    this.timers.after(TICK_MS, () => {
      if (seat.replica !== replica) return;
      replica.tick();
      this.tickForEver(seat, replica);
    });
  }

  /** Until no promise is left that goes on by itself, and nothing is due now. */
  private async settle(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve));
    while (this.timers.runDue());
  }
}

async function counterAt(replica: Replica): Promise<string> {
  const point = await replica.readPoint({
    namespace: "",
    consistency: "stale",
    revision: 0,
    minRevision: 0,
    maxStalenessMs: 0,
  });
  if (point.kind !== "ready") throw new Error(`no read point: ${point.kind}`);
  const { namespaceId, generation, revision } = point;
  const query = { namespaceId, generation, revision, keysOnly: false };
  const [record] = await replica.state.records({ ...query, keys: [COUNTER] });
  return new TextDecoder().decode(record?.value);
}

function brokenStream(error: unknown): never {
  throw new Error(`the stream of the image broke: ${error instanceof Error ? error.message : String(error)}`);
}

function source(requestId: WriteId | null): CommandSource {
  return { namespace: "", requestId, wallTimeMs: 0 };
}

const COUNTER = new TextEncoder().encode("counter");
