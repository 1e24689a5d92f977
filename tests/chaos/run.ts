import { cpSync, createWriteStream, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { type Kv, QuorateError } from "@quorate/client";
import { seededRandom } from "@quorate/services/std";
import { formatRecord, type HistoryRecord } from "../judge";
import { BareFailure } from "../support/bare";
import { startTestCluster, type TestCluster } from "../support/cluster";
import { InVain, NeverWill } from "../support/eventually";
import { PeerLinks } from "../support/peer-links";
import { Arena } from "./arena";
import { checkRestored } from "./backup-file";
import { FaultMissed } from "./fault";
import { FAULTS } from "./faults";
import { type ChaosOptions, PROFILES } from "./options";
import { type FaultStep, faultSteps } from "./plan";
import { RECOVERY_MS_MAX, RecoveryProbe, slowestMs } from "./recovery";
import {
  type ChaosReport,
  type ProblemKind,
  reportText,
  type StepReport,
  stepText,
  writeReport,
} from "./report";
import { Starts } from "./starts";
import { judge, type Verdict } from "./verdict";
import { Workload } from "./workload";

const CALLERS = 8;
/** Nodes that come when members change; those that have left come again. */
const SPARES = 2;
const CALL_MS_MAX = 3000;
const FINAL_CALL_MS_MAX = 30_000;

/**
 * Runs a plan of faults against a cluster of its own and judges what came of it.
 *
 * @param recoveryMsMax how long after a fault a write through each process may take to succeed, in milliseconds
 */
export async function runChaos(
  options: ChaosOptions,
  say: (line: string) => void,
  recoveryMsMax: number = RECOVERY_MS_MAX,
): Promise<ChaosReport> {
  const random = seededRandom(options.seed);
  const linkChance = random.fork();
  const links = await PeerLinks.open(options.nodes + SPARES, () => linkChance.float());
  const starts = new Starts();
  let cluster: TestCluster | null = null;
  try {
    cluster = await startTestCluster({
      nodes: options.nodes,
      spares: SPARES,
      profile: options.profile,
      gateways: 1,
      nodeArgs: starts.argvOf,
      peerAddress: links.peerAddress,
    });
    const arena = new Arena(cluster, links, PROFILES[options.profile], starts);
    return await attack({ ...options, recoveryMsMax }, arena, say);
  } finally {
    await cluster?.stop();
    await links.close();
  }
}

interface Attack extends ChaosOptions {
  readonly recoveryMsMax: number;
}

async function attack(
  { recoveryMsMax, ...options }: Attack,
  arena: Arena,
  say: (line: string) => void,
): Promise<ChaosReport> {
  mkdirSync(options.out, { recursive: true });
  const history: HistoryRecord[] = [];
  const file = createWriteStream(join(options.out, "history.jsonl"));
  const workload = new Workload({
    seed: options.seed,
    opsPerSecond: options.opsPerSecond,
    kvs: callersOf(arena),
    record(record) {
      history.push(record);
      file.write(formatRecord(record));
    },
  });
  let steps: readonly StepReport[];
  try {
    steps = await strikeAll({ ...options, recoveryMsMax }, arena, workload, say);
  } finally {
    await workload.stop();
  }
  const problems = steps.flatMap(({ problem }) => (problem === null ? [] : [problem]));
  let verdict: Verdict | null = null;
  try {
    const { kv } = arena.cluster.client(undefined, { deadlineMs: FINAL_CALL_MS_MAX });
    const agreement = await arena.cluster.agree();
    const lastLook = await workload.lastLook(
      kv,
      history.map(({ key }) => key),
    );
    for (const read of lastLook.reads) file.write(formatRecord(read));
    say(`all nodes agree on ${agreement.count} keys at revision ${agreement.revision}; judging ...`);
    verdict = judge(history, lastLook);
    const backup = arena.backups.at(-1);
    if (backup !== undefined) {
      await checkRestored(backup);
      say(`a cluster that is restored from the backup of revision ${backup.revision} holds the same`);
    }
  } catch (failure) {
    problems.push({ kind: kindOf(failure), text: textOf(failure) });
  }
  arena.finish();
  for (const { name, exit } of arena.crashes) {
    const how = exit.signal === null ? `exit code ${exit.code}` : exit.signal;
    problems.push({ kind: "crash", text: `${name} ended by itself: ${how}` });
  }
  if (!history.some(({ status }) => status === "ok"))
    problems.push({ kind: "liveness", text: "no operation was ever answered, so nothing is shown" });
  for (const { text } of verdict?.faults ?? []) problems.push({ kind: "correctness", text });
  file.end();
  await finished(file);
  const report: ChaosReport = { options, steps, problems, verdict };
  writeReport(report, history);
  say(reportText(report));
  await keepEvidence(options, arena, problems.length > 0);
  return report;
}

/** Half of the callers stay with one endpoint each, the others turn to another when theirs fails. */
function callersOf(arena: Arena): readonly (() => Kv)[] {
  const { nodes, cluster } = arena;
  return Array.from({ length: CALLERS }, (_, at) => {
    if (at === CALLERS - 1) return () => arena.directKv(cluster.topology.gatewayAddress(1), CALL_MS_MAX);
    if (at % 2 === 1) {
      // Of the members of the moment, for one that has left would be asked in vain for ever.
      return () =>
        arena.directKv(cluster.address(arena.nodes[at % arena.nodes.length] as number), CALL_MS_MAX);
    }
    const first = at % nodes.length;
    const { kv } = cluster.client([...nodes.slice(first), ...nodes.slice(0, first)], {
      deadlineMs: CALL_MS_MAX,
    });
    return () => kv;
  });
}

async function strikeAll(
  options: Attack,
  arena: Arena,
  workload: Workload,
  say: (line: string) => void,
): Promise<readonly StepReport[]> {
  const probe = new RecoveryProbe(arena);
  await probe.measure();
  const startedAtMs = performance.now();
  const reports: StepReport[] = [];
  const { seed, faults, durationMs, stepsMax, recoveryMsMax } = options;
  for (const step of faultSteps({ seed, faults, electionTimeoutMs: arena.electionTimeoutMs })) {
    if (step.number > stepsMax || performance.now() - startedAtMs > durationMs) break;
    const report = await strike(step, arena, workload, { probe, recoveryMsMax });
    reports.push(report);
    say(stepText(report));
    // What follows would be attacks on a cluster that is down already.
    if (report.recoveredMs === null || arena.crashes.length > 0) break;
  }
  return reports;
}

/** One fault from its beginning to the recovery and a time of calm. */
async function strike(
  step: FaultStep,
  arena: Arena,
  workload: Workload,
  { probe, recoveryMsMax }: { readonly probe: RecoveryProbe; readonly recoveryMsMax: number },
): Promise<StepReport> {
  const beganAtNs = process.hrtime.bigint();
  workload.resetOutage();
  try {
    const underway = await FAULTS[step.fault].begin(arena, seededRandom(step.seed));
    const struckAtNs = process.hrtime.bigint();
    await span(step.holdMs);
    const healedAtNs = process.hrtime.bigint();
    await underway.heal();
    const recovery = await probe.measure();
    const recoveredAtNs = process.hrtime.bigint();
    const { longestOutageMs: outageMs } = workload;
    await span(step.calmMs);
    const recoveredMs = slowestMs(recovery);
    const isLate = recoveredMs === null || recoveredMs > recoveryMsMax;
    const problem = isLate
      ? ({
          kind: "liveness",
          text: `#${step.number} ${step.fault}: no recovery within ${recoveryMsMax} ms`,
        } as const)
      : null;
    const times = { beganAtNs, struckAtNs, healedAtNs, recoveredAtNs };
    return { step, on: underway.on, ...times, recovery, recoveredMs, outageMs, problem };
  } catch (failure) {
    const text = `#${step.number} ${step.fault}: ${textOf(failure)}`;
    const nowNs = process.hrtime.bigint();
    const times = { beganAtNs, struckAtNs: nowNs, healedAtNs: nowNs, recoveredAtNs: nowNs };
    const problem = { kind: kindOf(failure), text };
    return { step, on: "", ...times, recovery: new Map(), recoveredMs: null, outageMs: 0, problem };
  }
}

/** What is left of the processes once the cluster is gone. */
async function keepEvidence(
  { out }: ChaosOptions,
  { cluster, gateways }: Arena,
  hasFailed: boolean,
): Promise<void> {
  // A database that nobody writes to can be copied whole.
  if (hasFailed) await cluster.killAll();
  for (const gateway of gateways)
    writeFileSync(join(out, `gateway${gateway}.log`), cluster.gatewayLogs(gateway));
  const everyone = cluster.topology.nodes + cluster.topology.spares;
  for (let node = 1; node <= everyone; node += 1) {
    writeFileSync(join(out, `n${node}.log`), cluster.logs(node));
    const copy = join(out, `n${node}`);
    // An earlier run may have left one.
    rmSync(copy, { recursive: true, force: true });
    if (hasFailed && existsSync(cluster.dataDir(node)))
      cpSync(cluster.dataDir(node), copy, { recursive: true });
  }
}

function kindOf(failure: unknown): ProblemKind {
  if (failure instanceof FaultMissed || failure instanceof NeverWill) return "correctness";
  const isUnanswered =
    failure instanceof InVain || failure instanceof QuorateError || failure instanceof BareFailure;
  return isUnanswered ? "liveness" : "harness";
}

function textOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}

/** How long a fault or the calm after it lasts. */
function span(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
