import type { Baseline, BaselineOutcome, Regression } from "./baseline";
import { type Cell, cellName, cpuMicrosOf } from "./cells";
import type { CpuCost, Ratio } from "./comparison";
import { OPPONENT_TITLES, type OpponentName } from "./contender";
import type { Footprint } from "./footprint";
import { FOOTPRINT_GOALS, FOOTPRINT_VALUE_BYTES, type Mark } from "./goals";
import type { Machine } from "./machine";
import { LOAD, type Measurement } from "./measure";
import type { BenchOptions } from "./options";
import type { Settling } from "./settling";
import { type Spread, spreadOf } from "./statistics";

/** What `--json` writes. */
export interface Report {
  readonly command: string;
  readonly machine: Machine;
  readonly options: BenchOptions;
  /** How each cluster came to rest before the first round; empty where that was not waited for. */
  readonly settlings: readonly Settling[];
  readonly cells: readonly Cell[];
  /** Empty where no other store ran beside. */
  readonly ratios: readonly Ratio[];
  readonly cpuCosts: readonly CpuCost[];
  readonly footprint: Footprint | null;
  /** null where the run was held against no base line. */
  readonly baseline: (BaselineOutcome & { readonly of: Baseline["machine"] }) | null;
}

const MIB = 1024 * 1024;

/** Noise that makes figures hard to compare: other work on the machine when the run began. */
const LOAD_NOISY = 0.7;

/** What CPU is told by: the member that leads, the others together, and what else there is. */
export const ROLES = ["leader", "followers", "gateway", "load"] as const;
export type Role = (typeof ROLES)[number];

export const MARKS = {
  stretch: "STRETCH",
  reached: "reached",
  missed: "MISSED",
  undecided: "too few rounds",
} as const satisfies Record<Mark, string>;

export function machineText(machine: Machine): string {
  return [
    `machine  ${machine.cores} x ${machine.cpu}, ${Math.round(machine.memoryBytes / MIB / 1024)} GiB, ${machine.system}`,
    `disk     ${machine.disk}`,
    `node     ${machine.node}, commit ${machine.commit}`,
    `load     ${machine.loadBefore.toFixed(2)} before the run${isNoisy(machine) ? ": NOISY, others are at work" : ""}`,
  ].join("\n");
}

export function isNoisy({ loadBefore }: Machine): boolean {
  return loadBefore > LOAD_NOISY;
}

/** How clusters came to rest, a line for each. */
export function settlingsText(settlings: readonly Settling[]): string {
  const lines = settlings.map(({ store, seconds, diskBytes, gaveUp }) => {
    const cost = `${seconds.toFixed(0)} s after loading, ${mib(diskBytes)} written meanwhile`;
    return `settled  ${store} ${gaveUp ? `NOT in ${cost}: what follows tells of the loading too` : cost}`;
  });
  return lines.join("\n");
}

/** One line for a round that has just ended. */
export function roundText(measurement: Measurement, round: number): string {
  const { operationsPerSecond, p50Ms, p99Ms } = measurement;
  return `round ${round + 1}  ${cellName(measurement).padEnd(22)} ${operationsPerSecond.toFixed(0).padStart(8)}/s  p50 ${p50Ms.toFixed(2)} ms  p99 ${p99Ms.toFixed(2)} ms`;
}

/** Medians of the rounds, a line for each cell. */
export function cellsText(cells: readonly Cell[]): string {
  return `${tableText(
    [
      "cell",
      "operations/s",
      "(range)",
      "p50",
      "p95",
      "p99",
      "p99.9 ms",
      ...ROLES.map((role) => `${role}${role === "load" ? " us" : ""}`),
      "all us",
      "syncs",
      "writes/sync",
      "disk B",
      "written B",
    ],
    cells.map(rowOf),
  )}
Medians of the rounds. us: CPU microseconds an operation; syncs and bytes: an operation, of all members together; written: to
files and connections, by all processes; writes/sync: log entries one sync of the leader's log held.`;
}

export function troublesOf(cells: readonly Cell[]): readonly string[] {
  return cells.flatMap((cell) => {
    const { rounds } = cell;
    const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
    const failure = rounds.find((round) => round.failure !== null)?.failure;
    const changes = rounds.filter(({ leaderChanged }) => leaderChanged).length;
    return [
      ...(failed > 0 ? [`${cellName(cell)}: ${failed} operations FAILED, the first with: ${failure}`] : []),
      ...(changes > 0 ? [`${cellName(cell)}: the LEADER CHANGED in ${changes} rounds`] : []),
    ];
  });
}

/** A table for each store that ran beside. */
export function ratiosText(ratios: readonly Ratio[]): string {
  return [...byOpponent(ratios)].map(([against, own]) => opponentText(own, against)).join("\n\n");
}

/** The ratios to each store that ran beside. */
export function byOpponent(ratios: readonly Ratio[]): ReadonlyMap<OpponentName, readonly Ratio[]> {
  const opponents = new Set(ratios.map(({ against }) => against));
  return new Map([...opponents].map((name) => [name, ratios.filter(({ against }) => against === name)]));
}

function opponentText(ratios: readonly Ratio[], against: OpponentName): string {
  const table = tableText(
    ["cell", "times", "lower quartile", "to reach", "stretch", ""],
    ratios.map(({ name, median, lowerQuartile, goal, mark }) => [
      name,
      median.toFixed(2),
      lowerQuartile.toFixed(2),
      goal === null ? "" : goal.reach.toFixed(1),
      goal?.stretch == null ? "" : goal.stretch.toFixed(1),
      mark === null ? "" : MARKS[mark],
    ]),
  );
  return `${table}\nTimes the throughput of ${OPPONENT_TITLES[against]}: the ratio of the medians, the lower quartile of the ratios of single rounds.`;
}

export function cpuCostsText(costs: readonly CpuCost[]): string {
  return tableText(
    ["CPU of all processes", "us", "at most", "stretch", ""],
    costs.map(({ name, cpuMicros, goal, mark }) => [
      name,
      cpuMicros.toFixed(0),
      goal.reach.toFixed(0),
      goal.stretch?.toFixed(0) ?? "",
      MARKS[mark],
    ]),
  );
}

export function baselineText({ regressions, gaps, of }: NonNullable<Report["baseline"]>): string {
  const head = `against the base line of commit ${of.commit}:`;
  const found = regressions.map((regression) => `  WORSE  ${regressionText(regression)}`);
  return [
    head,
    ...found,
    ...(found.length === 0 ? ["  nothing is worse than it allows"] : []),
    ...gaps.map((gap) => `  ${gap}`),
  ].join("\n");
}

export function regressionText(regression: Regression): string {
  const { name, was, is } = regression;
  return regression.figure === "ratio"
    ? `${name}: ${is.toFixed(2)} times ${OPPONENT_TITLES[regression.against]}, was ${was.toFixed(2)}`
    : `${name}: ${is.toFixed(0)} us of CPU an operation, was ${was.toFixed(0)}`;
}

export function footprintText(footprint: Footprint): string {
  const each = (bytes: Readonly<Record<string, number>>) =>
    Object.entries(bytes)
      .map(([id, value]) => `${id} ${mib(value)}`)
      .join("  ");
  return [
    `footprint, ${footprint.keys} keys of ${footprint.valueBytes} B`,
    `  loaded in       ${footprint.loadSeconds.toFixed(1)} s`,
    `  RSS             ${each(footprint.rssBytesLoaded)} loaded`,
    `                  ${each(footprint.rssBytesRestarted)} restarted and counted`,
    `  disk            ${each(footprint.diskBytes)} loaded`,
    `                  ${each(footprint.diskBytesRestarted)} restarted and counted`,
    `  restart         ${ranged(spreadOf(footprint.restartsMs), 0)} ms to the first linearizable read after SIGKILL of all`,
    `  keys            ${footprint.keysAfterwards} afterwards`,
    ...footprintVerdicts(footprint).map((verdict) => `  goal            ${verdict}`),
  ].join("\n");
}

/** What the footprint should have come to, where somebody said; of the largest member. */
export function footprintVerdicts(footprint: Footprint): readonly string[] {
  const goal = FOOTPRINT_GOALS.get(footprint.keys);
  if (goal === undefined || footprint.valueBytes !== FOOTPRINT_VALUE_BYTES) return [];
  const { rssBytesLoaded, rssBytesRestarted, diskBytesRestarted, restartsMs } = footprint;
  const rssBytes = Math.max(...Object.values(rssBytesLoaded), ...Object.values(rssBytesRestarted));
  const diskBytes = Math.max(...Object.values(diskBytesRestarted));
  const verdict = (what: string, is: number, below: number | null, text: (value: number) => string) =>
    below === null
      ? []
      : [`${what} ${text(is)}, below ${text(below)}: ${is < below ? MARKS.reached : MARKS.missed}`];
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  return [
    ...verdict("RSS", rssBytes, goal.rssBytes, megabytes),
    ...verdict("disk", diskBytes, goal.diskBytes, megabytes),
    ...verdict("restart", spreadOf(restartsMs).median, goal.restartMs, (ms) => `${ms.toFixed(0)} ms`),
  ];
}

/** CPU microseconds an operation of one round by role; 0 where there is no such process. */
export function cpuByRole({
  cpuMicrosPerOperation,
  leader,
  syncsPerOperation,
}: Measurement): Record<Role, number> {
  const sum = (isOf: (name: string) => boolean) =>
    Object.entries(cpuMicrosPerOperation).reduce(
      (total, [name, micros]) => total + (isOf(name) ? micros : 0),
      0,
    );
  const isMember = (name: string) => Object.hasOwn(syncsPerOperation, name);
  return {
    leader: sum((name) => name === leader),
    followers: sum((name) => isMember(name) && name !== leader),
    gateway: sum((name) => !isMember(name) && name !== LOAD),
    load: sum((name) => name === LOAD),
  };
}

/** A table whose first column is aligned to the left, the others to the right. */
export function tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  return lines
    .map((line) =>
      line
        .map((text, column) =>
          column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function rowOf(cell: Cell): readonly string[] {
  const { rounds } = cell;
  const of = (figure: (round: Measurement) => number) => spreadOf(rounds.map(figure));
  const median = (figure: (round: Measurement) => number, digits: number) =>
    of(figure).median.toFixed(digits);
  const throughput = of(({ operationsPerSecond }) => operationsPerSecond);
  return [
    cellName(cell),
    throughput.median.toFixed(0),
    `(${throughput.min.toFixed(0)}-${throughput.max.toFixed(0)})`,
    median(({ p50Ms }) => p50Ms, 2),
    median(({ p95Ms }) => p95Ms, 2),
    median(({ p99Ms }) => p99Ms, 2),
    median(({ p999Ms }) => p999Ms, 2),
    ...ROLES.map((role) => median((round) => cpuByRole(round)[role], 0)),
    cpuMicrosOf(cell).toFixed(0),
    median(({ syncsPerOperation }) => total(syncsPerOperation), 3),
    batchText(rounds),
    median((round) => membersTotal(round, round.diskBytesPerOperation), 0),
    median(({ writtenBytesPerOperation }) => total(writtenBytesPerOperation), 0),
  ];
}

function membersTotal({ syncsPerOperation }: Measurement, figures: Readonly<Record<string, number>>): number {
  return total(
    Object.fromEntries(Object.entries(figures).filter(([name]) => Object.hasOwn(syncsPerOperation, name))),
  );
}

function total(figures: Readonly<Record<string, number>>): number {
  return Object.values(figures).reduce((sum, figure) => sum + figure, 0);
}

function batchText(rounds: readonly Measurement[]): string {
  const held = rounds.flatMap(({ entriesPerSync, leader }) => entriesPerSync[leader] ?? []);
  return held.length === 0 ? "-" : spreadOf(held).median.toFixed(1);
}

function ranged({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}
