import { createHash } from "node:crypto";
import {
  type CheckedCommand,
  type Command,
  encodeCommand,
  foundingMembership,
  putCommand,
  type ResidentState,
  readCommand,
  StateMachine,
  verifyCommand,
} from "@quorate/services/kv";
import { MemoryStateDisk, openMemoryStateStore } from "@quorate/services/memory";
import type { Digest, FrozenState, StateStore } from "@quorate/services/replica";
import { utf8Encode } from "@quorate/services/std";
import {
  type Comparison,
  type HashedRound,
  type RepairOutcome,
  type VerificationLimits,
  type VerificationPeers,
  type VerifiedReplica,
  Verifier,
  type VerifyOutcome,
} from "@quorate/services/verification";

export const digest: Digest = {
  sha256: (parts) => {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
};

export const ANYONE = { namespace: "", requestId: null, wallTimeMs: 1000 };

export function put(key: string | Uint8Array, value = "v"): Command {
  return putCommand(ANYONE, {
    key: typeof key === "string" ? utf8Encode(key) : key,
    value: utf8Encode(value),
    leaseId: 0n,
    returnPrevious: false,
    expectedModRevision: null,
  });
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const DEADLINE_MS = 90_000;

interface Log {
  readonly entries: Uint8Array[];
}

/** A replica as the verifier sees it: a machine over a store in memory, which applies the log as far as it is told. */
export class VirtualMember {
  readonly disk: MemoryStateDisk;
  readonly store: StateStore;
  readonly verifier: Verifier;
  readonly hashed: HashedRound[] = [];
  readonly compared: Comparison[] = [];
  readonly repaired: RepairOutcome[] = [];
  machine: StateMachine;
  appliedIndex = 0;
  /** States that were frozen and not let go of. */
  readonly frozenStates = new Set<FrozenState>();
  /** How its software sees what is resident. */
  sees: (resident: ResidentState) => ResidentState = (resident) => resident;
  /** Called while a repair holds the applying, before it reads anything. */
  onExclusive: () => Promise<void> = async () => undefined;
  private work: Promise<unknown> = Promise.resolve();

  constructor(
    readonly id: string,
    private readonly cluster: VirtualCluster,
    private readonly log: Log,
    limits: Partial<VerificationLimits>,
    store: StateStore | null,
  ) {
    this.disk = new MemoryStateDisk(64, 0, cluster.founding);
    this.store = store ?? openMemoryStateStore(this.disk);
    this.machine = new StateMachine(this.store.opened.resident);
    this.verifier = new Verifier({
      replica: this.asReplica(),
      peers: cluster.peersOf(id),
      digest,
      clock: { monotonicMs: () => cluster.nowMs },
      scheduler: { afterThisTurn: (run) => void setImmediate(run) },
      observer: {
        hashed: (round) => this.hashed.push(round),
        compared: (comparison) => this.compared.push(comparison),
        repaired: (outcome) => this.repaired.push(outcome),
      },
      limits: { intervalMs: 0, patienceMs: 2000, ...limits },
    });
  }

  /** Applies the log up to an index, in batches of at most so many entries. */
  applyTo(index: number, batchMax = 16): Promise<void> {
    return this.alone(async () => {
      while (this.appliedIndex < Math.min(index, this.log.entries.length))
        await this.applyBatch(index, batchMax);
    });
  }

  /** Waits for what is being applied, and holds it up meanwhile. */
  alone<T>(run: () => Promise<T>): Promise<T> {
    const done = this.work.then(run);
    this.work = done.catch(() => undefined);
    return done;
  }

  private async applyBatch(to: number, batchMax: number): Promise<void> {
    const commands: (CheckedCommand | null)[] = [];
    const keys = [];
    let ranges: ReturnType<StateMachine["reads"]>["ranges"] = [];
    while (commands.length < batchMax && this.appliedIndex + commands.length < to) {
      const entry = this.log.entries[this.appliedIndex + commands.length];
      if (entry === undefined) break;
      const command = readCommand(entry);
      const reads = this.machine.reads(command);
      if (commands.length > 0 && reads.startsBatch) break;
      if (reads.startsBatch) ranges = reads.ranges;
      keys.push(...reads.keys);
      commands.push(command);
      if (reads.endsBatch) break;
    }
    const view = await this.store.read({ keys, ranges });
    const { writes } = this.machine.apply(commands, view);
    this.appliedIndex += commands.length;
    await this.store.write({ applied: { term: 1, index: this.appliedIndex }, writes });
    this.verifier.written(writes);
  }

  asReplica(): VerifiedReplica {
    const member = this;
    const { cluster, store } = this;
    return {
      id: this.id,
      get isLeader() {
        return cluster.leaderId === member.id;
      },
      get leader() {
        return { id: cluster.leaderId, term: 1 };
      },
      get membership() {
        return { ...member.machine.membership, configuration: cluster.configuration };
      },
      get meta() {
        return member.machine.meta;
      },
      state: {
        freeze: () => noted(member.frozenStates, slowly(store.freeze(), cluster)),
        records: (query) => store.records(query),
        repair: (records) => store.repair(records),
      },
      resident: (): ResidentState => member.sees(member.machine.resident()),
      namespaces: () => member.machine.resident().namespaces,
      status: () => ({ appliedIndex: member.appliedIndex }),
      proposeVerify: async () => {
        const index = await cluster.propose(verifyCommand(1000));
        return { kind: "applied", answer: { revision: 0n, result: undefined }, entry: { term: 1, index } };
      },
      exclusive: (run) =>
        member.alone(async () => {
          await member.onExclusive();
          return run({
            applied: { term: 1, index: member.appliedIndex },
            revision: member.machine.meta.revision,
          });
        }),
      reinstall: (from) => member.reinstall(cluster.member(from)),
      transferLeadership: async (target) => {
        cluster.leaderId = target ?? cluster.leaderId;
        return { kind: "transferred", leaderId: cluster.leaderId, term: 1 };
      },
    };
  }

  private reinstall(from: VirtualMember): Promise<boolean> {
    return this.alone(async () => {
      const frozen = from.store.freeze();
      const receiver = await this.store.receive(frozen.header);
      for await (const chunk of frozen.chunks(null)) await receiver.put(chunk);
      await receiver.complete();
      const opened = await this.store.install(receiver);
      frozen.close();
      this.machine = new StateMachine(opened.resident);
      this.appliedIndex = opened.applied.index;
      this.verifier.installed();
      return true;
    });
  }
}

/** The same, but each range takes a while to read. */
function slowly(frozen: FrozenState, cluster: { nowMs: number; readonly readMs: number }): FrozenState {
  return {
    header: frozen.header,
    chunks: (after) => frozen.chunks(after),
    async *scan(query) {
      cluster.nowMs += cluster.readMs;
      yield* frozen.scan(query);
    },
    close: () => frozen.close(),
  };
}

/** The same, but it is among those until it is let go of. */
function noted(open: Set<FrozenState>, frozen: FrozenState): FrozenState {
  open.add(frozen);
  return {
    ...frozen,
    close: () => {
      open.delete(frozen);
      frozen.close();
    },
  };
}

/** Members that have one log; what one asks of another is a call. */
export class VirtualCluster {
  readonly founding;
  readonly members: readonly VirtualMember[];
  readonly configuration;
  leaderId = "n1";
  nowMs = 0;
  /** How long it takes to read a range. */
  readMs = 0;
  /** Members that do not answer. */
  readonly silent = new Set<string>();
  /** Those that do not apply what is committed. */
  readonly behind = new Set<string>();
  private readonly log: Log = { entries: [] };

  constructor(
    ids: readonly string[] = ["n1", "n2", "n3"],
    {
      limits = {},
      learners = [],
      stores = {},
    }: {
      readonly limits?: Partial<VerificationLimits>;
      readonly learners?: readonly string[];
      /** In the place of stores in memory. */
      readonly stores?: Readonly<Record<string, StateStore>>;
    } = {},
  ) {
    const all = ids.map((id) => ({ id, clientAddress: `${id}:1`, peerAddress: `${id}:2` }));
    this.founding = foundingMembership(all);
    const voters = ids.filter((id) => !learners.includes(id));
    this.configuration = { voters, votersOutgoing: [], learners, learnersNext: [], autoLeave: false };
    this.members = ids.map((id) => new VirtualMember(id, this, this.log, limits, stores[id] ?? null));
  }

  get lastIndex(): number {
    return this.log.entries.length;
  }

  member(id: string): VirtualMember {
    const found = this.members.find((member) => member.id === id);
    if (found === undefined) throw new Error(`there is no member ${id}`);
    return found;
  }

  get leader(): VirtualMember {
    return this.member(this.leaderId);
  }

  /** Commits commands, and applies them on those that are not behind; returns the index of the last one. */
  async commit(...commands: readonly Command[]): Promise<number> {
    for (const command of commands) this.append(command);
    await Promise.all(this.replicated());
    return this.lastIndex;
  }

  /** Time passes until the promise settles. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const done = promise.finally(() => {
      isDone = true;
    });
    await this.eventually("it ended", () => isDone);
    return done;
  }

  /** Time passes until something is so. */
  async eventually(what: string, isSo: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + DEADLINE_MS;
    while (!isSo()) {
      if (performance.now() > deadlineMs)
        throw new Error(`in ${DEADLINE_MS} ms it did not come to be that ${what}`);
      await this.step();
    }
  }

  async verify(): Promise<Comparison> {
    return compared(await this.until(this.leader.verifier.verifyNow()));
  }

  /** The same, once the leader has applied it. */
  async propose(command: Command): Promise<number> {
    this.append(command);
    const index = this.lastIndex;
    for (const applied of this.replicated()) void applied;
    await this.leader.applyTo(index);
    return index;
  }

  /** Puts a command into the log, which nobody applies yet. */
  append(command: Command): void {
    this.log.entries.push(encodeCommand(command));
  }

  /** Begins a round and does not wait for it. */
  async begin(): Promise<void> {
    await this.commit(verifyCommand(1000));
  }

  /** One round, until all members that are not behind have hashed it; returns its number. */
  async round(): Promise<number> {
    await this.commit(verifyCommand(1000));
    const round = this.leader.machine.meta.verifyRound;
    const present = this.members.filter(({ id }) => !this.behind.has(id));
    await this.eventually("all have hashed the round", () =>
      present.every(({ verifier }) => verifier.status().round >= round),
    );
    return round;
  }

  close(): void {
    for (const member of this.members) member.verifier.close();
  }

  private replicated(): Promise<void>[] {
    const present = this.members.filter(({ id }) => !this.behind.has(id));
    return present.map((member) => member.applyTo(this.lastIndex));
  }

  peersOf(id: string): VerificationPeers {
    const ask = (member: string): Verifier => {
      if (this.silent.has(member) || this.silent.has(id)) throw new Error(`${member} is not reached`);
      return this.member(member).verifier;
    };
    return {
      root: async (member, round) => ask(member).answerRoot(round),
      buckets: async (member, round) => ask(member).answerBuckets(round),
      keys: async (member, round, range) => ask(member).answerKeys(round, range),
      records: async (member, query) => ask(member).answerRecords(query),
    };
  }

  /** Time passes a little. */
  async step(): Promise<void> {
    this.nowMs += 10;
    for (const { verifier } of this.members) verifier.tick(this.nowMs);
    await turn();
  }
}

export function compared(outcome: VerifyOutcome): Comparison {
  if (outcome.kind !== "compared")
    throw new Error(`the members were not compared: ${JSON.stringify(outcome)}`);
  return outcome;
}
