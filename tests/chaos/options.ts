import { parseArgs } from "node:util";
import { FAULT_GROUPS, type FaultGroup } from "./fault";
import { FAULT_NAMES, type FaultName, faultsOf } from "./faults";

/** What one run of chaos does. */
export interface ChaosOptions {
  /** How long faults are injected, in milliseconds; the last one is brought to its end. */
  readonly durationMs: number;
  /** At most so many faults. */
  readonly stepsMax: number;
  readonly faults: readonly FaultName[];
  readonly nodes: number;
  readonly profile: Profile;
  readonly seed: number;
  readonly opsPerSecond: number;
  /** The directory that the report, the history and the logs are written to. */
  readonly out: string;
  /** Print one JSON document on standard output. */
  readonly json: boolean;
}

export const PROFILES = { fast: 250, default: 1000 } as const;
export type Profile = keyof typeof PROFILES;

export const HELP = `npm run chaos -- [options]

Starts a cluster of real processes, hurts it in one way after another while clients work on it, and judges what they saw.

  --minutes M       how long faults are injected (default: 2)
  --steps N         at most so many faults (default: as many as fit)
  --faults LIST     groups or single faults, with commas (default: all groups)
                    groups:  ${FAULT_GROUPS.join(", ")}
                    faults:  ${lines(FAULT_NAMES)}
  --nodes N         3 or 5 (default: 3)
  --profile NAME    timing of the nodes: default or fast (default: default)
  --seed S          of the plan and the operations (default: drawn, and printed)
  --rate N          operations a second (default: 200)
  --out DIR         where the report goes (default: reports/chaos-S)
  --json            one JSON document on standard output

Exit codes: 0 all is well, 2 a bad option, 10 a process ended by itself, 11 no recovery in time, 12 a wrong answer,
1 anything else.
`;

/** A command line that does not fit; the message names the option. */
export class BadOption extends Error {}

/** @param drawSeed for runs that name none @throws BadOption */
export function chaosOptions(args: readonly string[], drawSeed: () => number): ChaosOptions | "help" {
  const values = parsed(args);
  if (values.help === true) return "help";
  const nodes = whole("--nodes", values.nodes ?? "3");
  if (nodes !== 3 && nodes !== 5) throw new BadOption(`--nodes must be 3 or 5, not "${nodes}"`);
  const seed = values.seed === undefined ? drawSeed() : whole("--seed", values.seed, 0);
  return {
    durationMs: positive("--minutes", values.minutes ?? "2") * 60_000,
    stepsMax: values.steps === undefined ? Number.MAX_SAFE_INTEGER : whole("--steps", values.steps),
    faults: faultList(values.faults ?? FAULT_GROUPS.join(",")),
    nodes,
    profile: profileOf(values.profile ?? "default"),
    seed,
    opsPerSecond: whole("--rate", values.rate ?? "200"),
    out: values.out ?? `reports/chaos-${seed}`,
    json: values.json ?? false,
  };
}

/** The command that runs the same plan again. */
export function commandOf(options: ChaosOptions): string {
  const { durationMs, stepsMax, faults, nodes, profile, seed, opsPerSecond } = options;
  const steps = stepsMax === Number.MAX_SAFE_INTEGER ? "" : ` --steps ${stepsMax}`;
  const isAll = faults.length === FAULT_NAMES.length;
  return (
    `npm run chaos -- --seed ${seed} --minutes ${durationMs / 60_000}${steps}` +
    `${isAll ? "" : ` --faults ${faults.join(",")}`} --nodes ${nodes} --profile ${profile} --rate ${opsPerSecond}`
  );
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        minutes: text,
        steps: text,
        faults: text,
        nodes: text,
        profile: text,
        seed: text,
        rate: text,
        out: text,
        json: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (problem) {
    throw new BadOption(problem instanceof Error ? problem.message : String(problem));
  }
}

/** Each fault once, in the order of the table, so that the order in which they were named changes no plan. */
function faultList(text: string): readonly FaultName[] {
  const chosen = new Set<FaultName>();
  for (const word of text.split(",").map((part) => part.trim())) {
    const group = FAULT_GROUPS.find((known) => known === word) as FaultGroup | undefined;
    const single = FAULT_NAMES.find((known) => known === word);
    if (group === undefined && single === undefined)
      throw new BadOption(
        `--faults: there is no "${word}"; there are ${FAULT_GROUPS.join(", ")}, and single faults`,
      );
    for (const name of group === undefined ? [] : faultsOf(group)) chosen.add(name);
    if (single !== undefined) chosen.add(single);
  }
  return FAULT_NAMES.filter((name) => chosen.has(name));
}

function profileOf(text: string): Profile {
  const known = (Object.keys(PROFILES) as Profile[]).find((name) => name === text);
  if (known === undefined) throw new BadOption(`--profile must be default or fast, not "${text}"`);
  return known;
}

function whole(option: string, text: string, min = 1): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < min)
    throw new BadOption(`${option} must be a whole number of at least ${min}, not "${text}"`);
  return value;
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!/^\d*\.?\d+$/.test(text) || !(value > 0))
    throw new BadOption(`${option} must be a number above 0, not "${text}"`);
  return value;
}

function lines(names: readonly string[]): string {
  const rows: string[] = [];
  for (let at = 0; at < names.length; at += 5) rows.push(names.slice(at, at + 5).join(", "));
  return rows.join(",\n                             ");
}
