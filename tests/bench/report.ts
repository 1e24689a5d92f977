import type { Footprint } from "./footprint";
import type { Machine } from "./machine";
import type { Measurement } from "./measure";
import { type Spread, spreadOf } from "./statistics";
import type { Workload } from "./workload";

/** All rounds of one cell. */
export interface Cell {
  readonly workload: Workload;
  readonly rounds: readonly Measurement[];
}

const MIB = 1024 * 1024;

/** Noise that makes figures hard to compare: other work on the machine when the run began. */
const LOAD_NOISY = 0.7;

export function machineText(machine: Machine): string {
  return [
    `machine  ${machine.cores} x ${machine.cpu}, ${Math.round(machine.memoryBytes / MIB / 1024)} GiB, ${machine.system}`,
    `disk     ${machine.disk}`,
    `node     ${machine.node}, commit ${machine.commit}`,
    `load     ${machine.loadBefore.toFixed(2)} before the run${machine.loadBefore > LOAD_NOISY ? ": NOISY, others are at work" : ""}`,
  ].join("\n");
}

export function cellText({ workload, rounds }: Cell): string {
  const of = (figure: (round: Measurement) => number) => spreadOf(rounds.map(figure));
  const names = Object.keys(rounds[0]?.cpuMicrosPerOperation ?? {});
  const members = Object.keys(rounds[0]?.entriesPerSync ?? {});
  const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
  const changes = rounds.filter(({ leaderChanged }) => leaderChanged).length;
  const leader = rounds.at(-1)?.leader ?? "";
  return [
    `${workload.operation}, ${workload.inFlight} in flight, ${rounds.length} rounds, leader ${leader}`,
    `  throughput      ${ranged(
      of(({ operationsPerSecond }) => operationsPerSecond),
      0,
    )} operations/s`,
    `  latency         p50 ${ranged(
      of(({ p50Ms }) => p50Ms),
      2,
    )}  p95 ${ranged(
      of(({ p95Ms }) => p95Ms),
      2,
    )}  p99 ${ranged(
      of(({ p99Ms }) => p99Ms),
      2,
    )} ms`,
    `  CPU             ${names.map((name) => `${name} ${of((round) => round.cpuMicrosPerOperation[name] ?? 0).median.toFixed(0)}`).join("  ")} microseconds an operation`,
    `  writes a sync   ${members.map((id) => `${id} ${batch(rounds, id)}`).join("  ")}`,
    `  RSS             ${members.map((id) => `${id} ${mib(of((round) => round.rssBytes[id] ?? 0).median)}`).join("  ")}`,
    ...(failed > 0 ? [`  FAILED          ${failed} operations`] : []),
    ...(changes > 0 ? [`  LEADER CHANGED  in ${changes} rounds`] : []),
  ].join("\n");
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
    `  disk            ${each(footprint.diskBytes)}`,
    `  restart         ${ranged(spreadOf(footprint.restartsMs), 0)} ms to the first linearizable read after SIGKILL of all`,
    `  keys            ${footprint.keysAfterwards} afterwards`,
  ].join("\n");
}

function batch(rounds: readonly Measurement[], id: string): string {
  const held = rounds.flatMap(({ entriesPerSync }) => entriesPerSync[id] ?? []);
  return held.length === 0 ? "-" : spreadOf(held).median.toFixed(1);
}

function ranged({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}
