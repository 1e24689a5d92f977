import type { Fault, Schedule } from "./faults";
import type { RunResult } from "./run";
import type { Tally } from "./tally";

/** What to tell of a run that found something. */
export function failureText(result: RunResult, commit: string): string {
  const { seed, profile, nodes, finding, simulatedUs } = result;
  if (finding === null) return `seed ${seed}: nothing was found`;
  return [
    `FAILED seed ${seed}: ${finding.kind}`,
    `  invariant  ${finding.invariant}`,
    `  detail     ${finding.detail.replaceAll("\n", "\n             ")}`,
    `  run        profile ${profile}, ${nodes} nodes, after ${(simulatedUs / 1_000_000).toFixed(1)} s of simulated time`,
    `  commit     ${commit}`,
    `  replay     ${replayCommand(result)}`,
  ].join("\n");
}

/** Runs the same seed again, exactly. */
export function replayCommand({ seed, profile, nodes, operationsMax }: RunResult): string {
  return `npm run simulate -- --seed ${seed} --profile ${profile} --nodes ${nodes} --operations ${operationsMax}`;
}

export function shrunkText(
  before: Schedule,
  after: { readonly schedule: Schedule; readonly runs: number; readonly isMinimal: boolean },
  file: string,
): string {
  const { schedule, runs, isMinimal } = after;
  return [
    `  shrunk     from ${before.faults.length} faults and ${before.operations} operations to ${schedule.faults.length} and ${schedule.operations}, in ${runs} runs${isMinimal ? "" : " (there may be smaller ones)"}`,
    ...schedule.faults.map((fault) => `             ${faultText(fault)}`),
    `  replay     npm run simulate -- --schedule ${file}`,
  ].join("\n");
}

function faultText({ kind, atUs, ...parameters }: Fault): string {
  return `${(atUs / 1_000_000).toFixed(6)} ${kind} ${JSON.stringify(parameters)}`;
}

/** The last line is the count of seeds that passed and failed. */
export function summaryText(tally: Tally, seeds: string, realMs: number): string {
  const { simulatedHours } = tally;
  const faults = Object.entries(tally.faults).map(([kind, count]) => `${kind} ${count}`);
  const speed = (simulatedHours * 3_600_000) / realMs;
  return [
    `seeds      ${seeds}`,
    `ran        ${thousands(tally.events)} events, ${thousands(tally.operations)} operations, ${thousands(tally.elections)} elections, ${thousands(tally.crashes)} crashes`,
    `came to    ${thousands(tally.installs)} snapshots installed, ${thousands(tally.repairs)} repairs, ${thousands(tally.restores)} clusters restored`,
    `faults     ${faults.length === 0 ? "none" : faults.join(", ")}`,
    `time       ${simulatedHours.toFixed(2)} simulated hours in ${(realMs / 1000).toFixed(1)} s: ${Math.round(speed)} times as fast as real time`,
    `${tally.seeds - tally.failed} passed, ${tally.failed} failed`,
  ].join("\n");
}

function thousands(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}
