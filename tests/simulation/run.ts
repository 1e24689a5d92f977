import type { CrashEvent } from "../judge/durability-check";
import type { HistoryRecord } from "../judge/history";
import { type Clients, type ClientWatcher, startClients } from "./clients";
import { guardAgainstRejections } from "./crash-guard";
import {
  applySchedule,
  drawSchedule,
  type FaultKind,
  type Profile,
  type ProfileName,
  profiles,
  type Schedule,
} from "./faults";
import {
  checkAnswers,
  checkHistory,
  checkSessionEvents,
  checkSurvival,
  checkTransactions,
  configurationText,
  invariants,
} from "./invariants";
import { BackupTaker, RESTORED_SIZES, RestoredCluster, type RestoredParts } from "./restore";
import { Violation, type ViolationKind } from "./violation";
import type { WorldCounts } from "./world/counts";
import { secondsText, Trace } from "./world/trace";
import { SimulatedWorld } from "./world/world";
import type { SeatCondition } from "./world-contract";

export interface RunOptions {
  readonly seed: number;
  readonly profile: ProfileName;
  /** null: the seed decides between 3 and 5. */
  readonly nodes: number | null;
  readonly operations: number;
  /** Replayed instead of the one that the seed draws. */
  readonly schedule?: Schedule;
  /** Takes the trace, line by line. */
  readonly traceSink?: (line: string) => void;
  /** Takes what the clients did and saw, once, also of a run that fails. */
  readonly historySink?: (history: readonly HistoryRecord[]) => void;
  /** Whether another cluster is to begin with a backup of this one; by default the seed decides. */
  readonly isRestored?: boolean;
  /** For tests of the simulator: what the other cluster is made of, or judged by, is otherwise. */
  readonly plantRestored?: (parts: RestoredParts) => RestoredParts;
  /** For tests of the simulator: looks at the world before anything has happened. */
  readonly plant?: (world: SimulatedWorld) => void;
}

export interface RunResult {
  readonly seed: number;
  readonly profile: ProfileName;
  readonly nodes: number;
  readonly schedule: Schedule;
  /** null: nothing wrong was found. */
  readonly finding: Finding | null;
  /** Of the trace: equal for equal runs. */
  readonly digest: string;
  readonly traceLines: number;
  /** How many were started, and how many could have been. */
  readonly operations: number;
  readonly operationsMax: number;
  readonly counts: WorldCounts;
  /** By kind, those that came. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  readonly simulatedUs: number;
}

/** A violation as plain data. */
export interface Finding {
  readonly kind: ViolationKind;
  readonly invariant: string;
  readonly detail: string;
}

/** How long the safety phase lasts at most, so that the operations of most runs fit. */
const SAFETY_US_MIN = 30_000_000;
const SAFETY_US_MAX = 80_000_000;
/** Once all is healed: a few elections, each of which may be split, and everything that waits. */
const LIVENESS_US_MAX = 30_000_000;
/** Within it members compare what they have often enough to find and repair any damage. */
const COMPARING_US_MAX = 120_000_000;

/** Of one in so many runs a backup is taken, with which another cluster begins. */
const RESTORED_ONE_OF = 7;
/** Its world draws otherwise than the one before it. */
const RESTORED_SEED = 0x5ca1ab1e;

/** Runs one seed from its first event to its last. Never rejects: what went wrong is in the result. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  const { seed, profile } = options;
  const trace = new Trace(options.traceSink ?? null);
  const nodes = options.schedule?.nodes ?? options.nodes ?? nodesOf(seed);
  const { readsByLease = false, hasPromptTurns = false }: Profile = profiles[profile];
  const world = new SimulatedWorld({ seed, nodes, trace, readsByLease, hasPromptTurns });
  const durations = world.random("durations");
  const durationUs = SAFETY_US_MIN + durations.below(SAFETY_US_MAX - SAFETY_US_MIN);
  const schedule =
    options.schedule ??
    drawSchedule(world.random("schedule"), { nodes, profile, durationUs, operations: options.operations });
  const isRestored = options.isRestored ?? seed % RESTORED_ONE_OF === 0;
  const taker = isRestored ? new BackupTaker(world) : null;
  let operations = 0;
  let safetyEndUs = Number.POSITIVE_INFINITY;
  const outcome = async (): Promise<void> => {
    const judges = invariants(world);
    for (const observer of judges.observers) world.observe(observer);
    const crashes: CrashEvent[] = [];
    world.observe({
      crashed: ({ id }) => {
        crashes.push({ name: `a crash of ${id}`, timeNs: BigInt(world.timeline.nowUs) * 1000n });
      },
    });
    options.plant?.(world);
    for (const seat of world.seats) world.start(seat.id);
    const attack = applySchedule(world, schedule);
    const { operations: operationsMax, durationUs, clients: faults } = schedule;
    const watcher = alsoTold(safely(world, judges.watcher), taker);
    const clients = startClients(world, { operations: operationsMax, durationUs, faults, watcher });
    try {
      await world.run(() => clients.done, schedule.durationUs);
      safetyEndUs = world.timeline.nowUs;
      attack.heal();
      world.heal();
      await converge(world, clients);
      world.ended();
      checkHistory(clients.history);
      checkTransactions(clients);
      checkSessionEvents(clients.sessionEvents);
      checkSurvival(clients.history, crashes);
    } catch (error) {
      // What was answered wrongly weighs more than a stall that may have come of it.
      if (error instanceof Violation && error.kind === "liveness") {
        clients.close();
        checkAnswers(clients.history);
        checkTransactions(clients);
      }
      throw error;
    } finally {
      operations = clients.operations;
      clients.close();
      options.historySink?.(clients.history);
    }
  };
  let finding = await judged(world, outcome);
  const backup = taker?.backup ?? null;
  if (finding === null && taker !== null && backup !== null) {
    const size = RESTORED_SIZES[world.random("restored size").below(RESTORED_SIZES.length)] as number;
    world.counts.restores += 1;
    world.note(`${size} members begin with the backup at ${backup.header.applied.index}`);
    const restored = new SimulatedWorld({ seed: seed ^ RESTORED_SEED, nodes: size, trace });
    const parts = { backup, sent: taker.sent };
    const cluster = new RestoredCluster(restored, options.plantRestored?.(parts) ?? parts);
    finding = await judged(restored, () => cluster.judge());
  }
  if (finding !== null) world.note(`${finding.kind}: ${finding.invariant}: ${finding.detail}`);
  return {
    seed,
    profile,
    nodes,
    schedule,
    finding,
    digest: trace.digest,
    traceLines: trace.lines,
    operations,
    operationsMax: options.operations,
    counts: world.counts,
    faults: faultsUntil(schedule, safetyEndUs),
    simulatedUs: world.timeline.nowUs,
  };
}

function alsoTold(watcher: ClientWatcher, taker: BackupTaker | null): ClientWatcher {
  if (taker === null) return watcher;
  return {
    ...watcher,
    submitted: (event) => {
      taker.submitted(event);
      watcher.submitted?.(event);
    },
    answered: (event) => {
      taker.answered(event);
      watcher.answered?.(event);
    },
  };
}

/** What a judge throws must not pass through the client that told it. */
function safely(world: SimulatedWorld, watcher: ClientWatcher): ClientWatcher {
  return {
    submitted: (event) => world.judge(() => watcher.submitted?.(event)),
    answered: (event) => world.judge(() => watcher.answered?.(event)),
    read: (event) => world.judge(() => watcher.read?.(event)),
    readRefused: (event) => world.judge(() => watcher.readRefused?.(event)),
    watchBegins: (event) => world.judge(() => watcher.watchBegins?.(event)),
    watched: (event) => world.judge(() => watcher.watched?.(event)),
    taken: (event) => world.judge(() => watcher.taken?.(event)),
    nextRevision: (client) => watcher.nextRevision?.(client) ?? null,
    watchForgets: (client) => watcher.watchForgets?.(client),
  };
}

/** All is healed: within the bound there is one leader, everything asked has an answer, and all have applied the same. */
async function converge(world: SimulatedWorld, clients: Clients): Promise<void> {
  const untilUs = world.timeline.nowUs + LIVENESS_US_MAX;
  const expect = async (what: string, reached: () => boolean): Promise<void> => {
    if (await world.run(reached, untilUs)) return;
    throw new Violation(
      "liveness",
      what,
      `not within ${LIVENESS_US_MAX / 1_000_000} s after all was healed\n${describe(world)}`,
    );
  };
  await expect("a leader is elected", () => leaders(world).length === 1);
  clients.finish();
  await expect("every operation ends", () => clients.finished);
  await expect("all members apply the same entries", () => isSettled(world));
  await expect("one leader is left", () => leaders(world).length === 1);
  const wrong = (): readonly string[] => {
    const members = world.membership.members.map(({ memberId }) => memberId);
    return world.seats
      .filter(
        ({ id, condition, damagedRecords }) => members.includes(id) && !isWhole(condition, damagedRecords),
      )
      .map(({ id }) => id);
  };
  const compare = (): Promise<boolean> =>
    world.run(() => wrong().length === 0 && isSettled(world), world.timeline.nowUs + COMPARING_US_MAX);
  if (await compare()) return;
  // One that was struck again after each of two whole states waits long with a third: its operator starts it anew.
  for (const id of wrong()) {
    world.crash(id);
    world.start(id);
  }
  // What is left of it is for the invariants to judge.
  await compare();
}

function isWhole(condition: SeatCondition, damagedRecords: readonly unknown[]): boolean {
  return condition === "refused" || (condition === "up" && damagedRecords.length === 0);
}

function leaders(world: SimulatedWorld): readonly string[] {
  return world.seats.filter((seat) => seat.condition === "up" && seat.replica?.isLeader).map(({ id }) => id);
}

/** All members that can run do, and are equal; and nobody runs that has been removed. */
function isSettled(world: SimulatedWorld): boolean {
  const { members, configuration, retiredStores } = world.membership;
  if (configuration.votersOutgoing.length > 0) return false;
  let index: number | null = null;
  for (const { id, storeId, condition, replica } of world.seats) {
    if (condition === "refused") continue;
    if (!members.some(({ memberId }) => memberId === id)) {
      if (replica !== null && retiredStores.includes(storeId)) return false;
      continue;
    }
    if (condition !== "up" || replica === null) return false;
    const { appliedIndex, raft } = replica.status();
    if (appliedIndex !== raft.commit || raft.commit !== raft.last.index) return false;
    if (index !== null && index !== appliedIndex) return false;
    index = appliedIndex;
  }
  return true;
}

function describe(world: SimulatedWorld): string {
  const lines = world.seats.map(({ id, condition, replica }) => {
    if (replica === null) return `  ${id} is ${condition}`;
    const { raft, appliedIndex } = replica.status();
    return `  ${id} is ${condition}: ${raft.role} t${raft.term}, leader ${raft.leaderId}, last ${raft.last.index}/${raft.last.term}, commit ${raft.commit}, applied ${appliedIndex}`;
  });
  const { epoch, configuration } = world.membership;
  const members = `  change ${epoch}: ${configurationText(configuration)}`;
  return [`  at ${secondsText(world.timeline.nowUs)} s`, members, ...lines].join("\n");
}

async function judged(world: SimulatedWorld, run: () => Promise<void>): Promise<Finding | null> {
  const unguard = guardAgainstRejections((error) => world.fail(error));
  try {
    await run();
    return null;
  } catch (error) {
    if (error instanceof Violation) {
      const { kind, invariant, detail } = error;
      return { kind, invariant, detail };
    }
    const thrown = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { kind: "crash", invariant: "the code under test does not throw", detail: thrown };
  } finally {
    unguard();
  }
}

function faultsUntil({ faults }: Schedule, endUs: number): RunResult["faults"] {
  const counts: Partial<Record<FaultKind, number>> = {};
  for (const { kind, atUs } of faults) if (atUs <= endUs) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

function nodesOf(seed: number): number {
  return seed % 2 === 0 ? 5 : 3;
}
