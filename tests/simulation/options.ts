import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { isProfileName, PROFILE_NAMES, type ProfileName, profiles, profileUsage } from "./faults";

/** Which seeds to run. */
export type SeedChoice =
  | { readonly kind: "range"; readonly from: number; readonly to: number }
  /** Fresh ones, for as long as that. */
  | { readonly kind: "minutes"; readonly minutes: number }
  /** The one of a schedule that was written down. */
  | { readonly kind: "schedule"; readonly file: string };

export interface SimulateOptions {
  readonly seeds: SeedChoice;
  /** Seeds take them in turns. */
  readonly profiles: readonly ProfileName[];
  /** null: by the seed, 3 or 5. */
  readonly nodes: number | null;
  readonly operations: number;
  readonly jobs: number;
  readonly trace: string | null;
  readonly history: string | null;
  readonly shrink: boolean;
  readonly json: boolean;
}

/** What came of reading the flags: options, a text that was asked for, or a text that says what is wrong. */
export type OptionsOutcome =
  | { readonly kind: "options"; readonly options: SimulateOptions }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "wrong"; readonly text: string };

interface Flags {
  readonly seed?: number;
  readonly seeds?: readonly [number, number];
  readonly minutes?: number;
  readonly profile: readonly ProfileName[];
  readonly nodes?: number;
  readonly operations: number;
  readonly jobs: number;
  readonly trace?: string;
  readonly history?: string;
  readonly schedule?: string;
  readonly shrink: boolean;
  readonly json: boolean;
}

/** The lowest 32 bits of a seed count. */
const SEED_MAX = 2 ** 32 - 1;

const EPILOGUE = `
Profiles:
${PROFILE_NAMES.map((name) => `  ${name.padEnd(11)} ${profiles[name].summary}`).join("\n")}
  all         each in turns

Exit codes: 0 nothing found, 2 the command line is wrong, 10 the code under test threw (crash), 11 all is healed and
there is no progress (liveness), 12 an invariant is broken (correctness). Of several findings the highest counts.
`;

/** Reads what follows `npm run simulate --`. */
export function readOptions(argv: readonly string[]): OptionsOutcome {
  let text = "";
  const command = new Command("npm run simulate --")
    .description(
      "Runs whole replicas on simulated time, network, clocks and disks, attacks them, and judges them.",
    )
    .addOption(new Option("--seed <seed>", "one seed").argParser(seed))
    .addOption(new Option("--seeds <from..to>", "a range of them, both ends included").argParser(seedRange))
    .addOption(new Option("--minutes <minutes>", "fresh seeds for so long").argParser(minutes))
    .addOption(
      new Option("--profile <name>", "what they are attacked with")
        .argParser(profileList)
        .default(["swarm"], "swarm"),
    )
    .addOption(new Option("--nodes <count>", "3 to 9 (default: by the seed, 3 or 5)").argParser(whole(3, 9)))
    .addOption(
      new Option("--operations <count>", "what clients do in a run, at most")
        .argParser(whole(0, 1_000_000))
        .default(1000),
    )
    .addOption(
      new Option("--jobs <count>", "processes that share the work").argParser(whole(1, 64)).default(1),
    )
    .option("--trace <file>", "write down what happens in the run of a single seed")
    .option("--history <file>", "write down what its clients did and saw, for npm run judge")
    .option("--schedule <file>", "replay a schedule that a failure was shrunk to")
    .option("--no-shrink", "do not look for a smaller schedule that fails too")
    .option("--json", "one JSON document instead of text", false)
    .addHelpText("after", EPILOGUE)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({
      writeOut: (part) => {
        text += part;
      },
      writeErr: () => undefined,
    });
  try {
    command.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? { kind: "help", text } : { kind: "wrong", text: error.message };
  }
  const {
    profile,
    nodes,
    trace = null,
    history = null,
    seed: _seed,
    seeds: _seeds,
    minutes: _minutes,
    schedule: _schedule,
    ...rest
  } = command.opts<Flags>();
  const seeds = seedChoice(command.opts<Flags>());
  if (typeof seeds === "string") return { kind: "wrong", text: seeds };
  const isSingle = seeds.kind === "schedule" || (seeds.kind === "range" && seeds.from === seeds.to);
  const flag = trace !== null ? "--trace" : history !== null ? "--history" : null;
  if (flag !== null && !isSingle) {
    return { kind: "wrong", text: `${flag} is for the run of a single seed: give one with --seed` };
  }
  return {
    kind: "options",
    options: { ...rest, seeds, profiles: profile, nodes: nodes ?? null, trace, history },
  };
}

function seedChoice(flags: Flags): SeedChoice | string {
  const choices: SeedChoice[] = [];
  if (flags.seed !== undefined) choices.push({ kind: "range", from: flags.seed, to: flags.seed });
  if (flags.seeds !== undefined) choices.push({ kind: "range", from: flags.seeds[0], to: flags.seeds[1] });
  if (flags.minutes !== undefined) choices.push({ kind: "minutes", minutes: flags.minutes });
  if (flags.schedule !== undefined) choices.push({ kind: "schedule", file: flags.schedule });
  const [first, second] = choices;
  if (first === undefined) return "give the seeds: --seed 7, --seeds 1..100, --minutes 3, or --schedule FILE";
  if (second !== undefined) return "give one of --seed, --seeds, --minutes and --schedule";
  return first;
}

function seed(text: string): number {
  return whole(0, SEED_MAX)(text);
}

function seedRange(text: string): readonly [number, number] {
  const [from = "", to = "", ...more] = text.split("..");
  if (more.length > 0 || to === "") throw new InvalidArgumentError("It must be like 1..100.");
  const range = [seed(from), seed(to)] as const;
  if (range[0] > range[1]) throw new InvalidArgumentError("It must not end before it begins.");
  return range;
}

function minutes(text: string): number {
  const number = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || number <= 0)
    throw new InvalidArgumentError("It must be a number above 0.");
  return number;
}

function profileList(text: string): readonly ProfileName[] {
  if (text === "all") return PROFILE_NAMES;
  if (!isProfileName(text)) throw new InvalidArgumentError(profileUsage(text));
  return [text];
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < min || number > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return number;
  };
}
