import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { describeMachine } from "../machine";
import { machineText } from "../report";
import { connections } from "./connections";
import { failover } from "./failover";
import type { Figures } from "./goal";
import { type ScenarioOptions, scenarioHelp, scenarioOptions } from "./options";
import { isReached, type ScenarioReport, scenarioText, verdictsOf } from "./report";
import type { Scenario } from "./scenario";
import { spike } from "./spike";
import { ColumnStage } from "./stages";
import { start } from "./start";
import { watch } from "./watch";

export const SCENARIOS = { watch, connections, spike, failover, start } as const;

/** What a scenario that missed a goal ends with under `--gate`. */
const MISSED_EXIT_CODE = 3;

/** The work that the arguments ask for; null where they name no scenario. @throws BadOption */
export function scenarioWork(args: readonly string[]): (() => Promise<void>) | null {
  const [name, ...rest] = args;
  const scenario = Object.entries(SCENARIOS).find(([known]) => known === name)?.[1] as Scenario | undefined;
  if (name === undefined || scenario === undefined) return null;
  const options = scenarioOptions(scenario, rest);
  if (options === "help") return async () => void process.stdout.write(scenarioHelp(name, scenario));
  return () => carryOut(name, scenario, options, args);
}

async function carryOut(
  name: string,
  scenario: Scenario,
  options: ScenarioOptions,
  args: readonly string[],
): Promise<void> {
  const say = (text: string) => {
    if (options.json !== "-") console.log(text);
  };
  const command = ["npm run bench --", ...args].join(" ");
  const machine = describeMachine(tmpdir());
  say(`${command}\n${machineText(machine)}\n`);
  const rounds = await roundsOf(scenario, options);
  const columns = options.columns.map((column, at) => {
    const own = column.store === "quorate";
    const goals = own ? scenario.goals(column.profile, options.numbers) : [];
    return { ...column, rounds: rounds[at] ?? [], verdicts: verdictsOf(goals, rounds[at] ?? []) };
  });
  const report: ScenarioReport = { command, scenario: name, machine, options, columns };
  say(scenarioText(report));
  const document = `${JSON.stringify(report, null, 2)}\n`;
  if (options.json === "-") process.stdout.write(document);
  else if (options.json !== null) writeFileSync(options.json, document);
  if (options.gate && !isReached(report)) process.exitCode = MISSED_EXIT_CODE;
}

/** Interleaved, so that a slow spell of the machine touches all columns alike. */
async function roundsOf(
  scenario: Scenario,
  { columns, rounds, numbers }: ScenarioOptions,
): Promise<readonly (readonly Figures[])[]> {
  const stages = columns.map((column) => new ColumnStage(column));
  const close = () => Promise.all(stages.map((stage) => stage.close()));
  const leave = () => void close().finally(() => process.exit(130));
  process.once("SIGINT", leave);
  try {
    const results: Figures[][] = columns.map(() => []);
    for (let round = 0; round < rounds; round += 1) {
      for (const [at, stage] of stages.entries()) {
        try {
          results[at]?.push(await scenario.round(stage, numbers));
        } finally {
          await stage.endRound();
        }
      }
    }
    return results;
  } finally {
    process.off("SIGINT", leave);
    await close();
  }
}
