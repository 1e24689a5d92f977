import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { formatHistory } from "../judge/history-file";
import { EXIT_PASSED, EXIT_USAGE, exitCodeOf } from "./exit-codes";
import { type Schedule, shrink } from "./faults";
import { readOptions, type SimulateOptions } from "./options";
import { failureText, shrunkText, summaryText } from "./report";
import { type RunOptions, type RunResult, runSeed } from "./run";
import { SeedSource } from "./seed-source";
import { tallyOf } from "./tally";
import { type RunRequest, runInProcesses } from "./workers";

/** What the command needs of its surroundings. */
export interface SimulateOutput {
  out(line: string): void;
  error(line: string): void;
  /** Where schedules of failures are written. */
  readonly directory: string;
}

/** For tests of the simulator. */
export interface Rigging {
  /** Does something wrong to each world, in this process only. */
  readonly plant?: RunOptions["plant"];
  readonly shrinkRunsMax?: number;
}

/** What a run writes down. */
type RunFiles = Pick<SimulateOptions, "trace" | "history">;

/** A schedule that was written down, with what is needed to run it again. */
interface ScheduleFile {
  readonly seed: number;
  readonly commit: string;
  readonly finding: RunResult["finding"];
  readonly schedule: Schedule;
}

const FRESH_SEEDS = 2 ** 31;
/** Of how many failures a smaller schedule is looked for: each takes as long as a few hundred runs. */
const SHRUNK_MAX = 1;
const SHRINK_RUNS_MAX = 300;
const TRACE_BUFFER_CHARS = 1 << 20;

/** The whole of `npm run simulate`. Returns its exit code. */
export async function simulate(
  argv: readonly string[],
  output: SimulateOutput,
  rigging: Rigging = {},
): Promise<number> {
  const outcome = readOptions(argv);
  switch (outcome.kind) {
    case "help":
      output.out(outcome.text);
      return EXIT_PASSED;
    case "wrong":
      output.error(outcome.text);
      return EXIT_USAGE;
    case "options":
      return new Simulation(outcome.options, output, rigging).run();
  }
}

class Simulation {
  private readonly results: RunResult[] = [];
  private readonly commit = presentCommit();
  private readonly startedMs = performance.now();
  private shrunk = 0;

  constructor(
    private readonly options: SimulateOptions,
    private readonly output: SimulateOutput,
    private readonly rigging: Rigging,
  ) {}

  async run(): Promise<number> {
    const { seeds } = this.options;
    const ran = seeds.kind === "schedule" ? await this.replay(seeds.file) : await this.runSeeds(seeds);
    if (ran === null) return EXIT_USAGE;
    const failures = this.results.filter(({ finding }) => finding !== null);
    for (const failure of failures) await this.tell(failure);
    const tally = tallyOf(this.results);
    const realMs = performance.now() - this.startedMs;
    if (this.options.json) {
      this.output.out(JSON.stringify({ commit: this.commit, seeds: ran, realMs, tally, failures }, null, 2));
    } else {
      this.output.out(summaryText(tally, ran, realMs));
    }
    return exitCodeOf(failures.map(({ finding }) => finding?.kind).filter((kind) => kind !== undefined));
  }

  /** Returns which seeds were run. */
  private async runSeeds(seeds: Exclude<SimulateOptions["seeds"], { kind: "schedule" }>): Promise<string> {
    const endMs = this.startedMs + (seeds.kind === "minutes" ? seeds.minutes * 60_000 : 0);
    const source = new SeedSource(
      seeds,
      () => performance.now() < endMs,
      () => randomInt(FRESH_SEEDS),
    );
    const take = (): RunRequest | null => {
      const seed = source.take();
      return seed === null ? null : this.request(seed);
    };
    const { jobs, trace, history } = this.options;
    if (jobs > 1 && trace === null && history === null) {
      await runInProcesses(jobs, take, (result) => this.note(result));
    } else {
      for (let request = take(); request !== null; request = take()) this.note(await this.runHere(request));
    }
    return source.text;
  }

  /** null when there is no such schedule. */
  private async replay(file: string): Promise<string | null> {
    let stored: ScheduleFile;
    try {
      stored = JSON.parse(readFileSync(file, "utf8"));
    } catch (error) {
      this.output.error(`--schedule: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
    const { seed, schedule } = stored;
    const { profile, nodes, operations } = schedule;
    this.note(await this.runHere({ seed, profile, nodes, operations, schedule }));
    return String(seed);
  }

  private request(seed: number): RunRequest {
    const { profiles, nodes, operations } = this.options;
    return { seed, profile: profiles[seed % profiles.length]!, nodes, operations };
  }

  private async runHere(request: RunRequest, files: RunFiles = this.options): Promise<RunResult> {
    const { plant } = this.rigging;
    const { trace, history } = files;
    const options: RunOptions = {
      ...request,
      ...(plant === undefined ? {} : { plant }),
      ...(history === null
        ? {}
        : { historySink: (records) => writeFileSync(history, formatHistory(records)) }),
    };
    if (trace === null) return runSeed(options);
    const file = openSync(trace, "w");
    let buffered = "";
    const flush = (): void => {
      writeSync(file, buffered);
      buffered = "";
    };
    try {
      return await runSeed({
        ...options,
        traceSink: (line) => {
          buffered += line;
          if (buffered.length >= TRACE_BUFFER_CHARS) flush();
        },
      });
    } finally {
      flush();
      closeSync(file);
    }
  }

  private note(result: RunResult): void {
    this.results.push(result);
    if (result.finding !== null && !this.options.json) this.output.out(failureText(result, this.commit));
  }

  /** Looks for less that fails in the same way, and writes it down. */
  private async tell(failure: RunResult): Promise<void> {
    if (!this.options.shrink || this.shrunk >= SHRUNK_MAX || this.options.seeds.kind === "schedule") return;
    this.shrunk += 1;
    const { seed, profile, nodes, finding, schedule } = failure;
    const smaller = await shrink(
      schedule,
      async (candidate) => {
        const request = { seed, profile, nodes, operations: candidate.operations, schedule: candidate };
        const again = (await this.runHere(request, { trace: null, history: null })).finding;
        return again?.kind === finding?.kind && again?.invariant === finding?.invariant;
      },
      { runsMax: this.rigging.shrinkRunsMax ?? SHRINK_RUNS_MAX },
    );
    const file = join(this.output.directory, `seed-${seed}-${profile}.json`);
    const content: ScheduleFile = { seed, commit: this.commit, finding, schedule: smaller.schedule };
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
    if (this.options.json) return;
    this.output.out(`of seed ${seed}:\n${shrunkText(schedule, smaller, file)}`);
  }
}

function presentCommit(): string {
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], {
      cwd: __dirname,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown"; // Not a checkout, or no git: the replay command is all the same.
  }
}
