import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { decodeCommand } from "@quorate/services/kv";
import { utf8Decode } from "@quorate/services/std";
import { parseHistory } from "../judge/history-file";
import { checkLinearizable } from "../judge/linearizable";
import { PROFILE_NAMES } from "./faults";
import type { RunOptions } from "./run";
import { simulate } from "./simulate";
import { Violation } from "./violation";
import type { SimulatedWorld } from "./world/world";

type Plant = NonNullable<RunOptions["plant"]>;

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "quorate-simulate-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

interface Outcome {
  readonly exitCode: number;
  readonly text: string;
  readonly errors: string;
}

async function run(line: string, plant?: Plant, shrinkRunsMax = 20): Promise<Outcome> {
  const printed: string[] = [];
  const errors: string[] = [];
  const output = {
    out: (text: string) => printed.push(text),
    error: (text: string) => errors.push(text),
    directory,
  };
  const argv = line.split(" ").filter(Boolean);
  const exitCode = await simulate(argv, output, plant === undefined ? {} : { plant, shrinkRunsMax });
  return { exitCode, text: printed.join("\n"), errors: errors.join("\n") };
}

async function traceOf(flags: string): Promise<string> {
  const file = join(directory, "trace.txt");
  const outcome = await run(`${flags} --trace ${file}`);
  expect(outcome.text).toMatch(/1 passed, 0 failed$/);
  return readFileSync(file, "utf8");
}

/** Whatever the leader of the moment does five seconds after the start breaks an invariant. */
const brokenInvariant: Plant = (world) => {
  world.observe({
    stepped: (seat) => {
      if (world.timeline.nowUs < 5_000_000 || seat.replica?.isLeader !== true) return;
      throw new Violation("correctness", "planted", `${seat.id} leads`);
    },
  });
};

/** When a leader has stored a write to a register, the client that made it has no answer yet. */
const brokenAmidWrites: Plant = (world) => {
  world.observe({
    appended: ({ id, replica }, { entries }) => {
      if (world.timeline.nowUs < 5_000_000 || replica?.isLeader !== true) return;
      if (!entries.some(({ data }) => isPutOfRegister(data))) return;
      throw new Violation("correctness", "planted", `${id} stores`);
    },
  });
};

function isPutOfRegister(data: Uint8Array): boolean {
  const operation = decodeCommand(data)?.operation;
  return operation?.$case === "put" && utf8Decode(operation.value.key) === "r1";
}

const neverHeals: Plant = (world) => {
  world.network.clear = world.network.heal = () => undefined;
  world.timeline.after(1_000_000, () => {
    for (const { id } of world.seats) world.network.isolate(id);
  });
};

const throws: Plant = (world) => {
  atLeader(world, (replica) => {
    replica.tick = () => {
      throw new Error("planted: a tick too many");
    };
  });
};

function atLeader(world: SimulatedWorld, change: (replica: { tick(): void }) => void): void {
  world.observe({
    leaderChanged: (seat, leaderId) => {
      if (leaderId === seat.id && seat.replica !== null) change(seat.replica);
    },
  });
}

describe("npm run simulate", () => {
  it.each(["calm", "crashes", "swarm"])(
    "K1: the same seed gives byte-identical traces (%s)",
    async (profile) => {
      const flags = `--seed 11 --profile ${profile} --operations 200`;
      const trace = await traceOf(flags);
      expect(trace.split("\n").length).toBeGreaterThan(500);
      expect((await traceOf(flags)) === trace).toBe(true);
      expect((await traceOf(flags.replace("11", "13"))) === trace).toBe(false);
    },
  );

  it("K5: writes a history down that the judge can read and finds linearizable", async () => {
    const file = join(directory, "history.jsonl");
    expect((await run(`--seed 6 --operations 300 --history ${file}`)).exitCode).toBe(0);
    const records = parseHistory(readFileSync(file, "utf8"));
    expect(records.length).toBeGreaterThan(100);
    expect(checkLinearizable(records)).toEqual({ kind: "linearizable" });
  });

  it("K5: what was under way when a run failed is of unknown outcome in its history, not left out", async () => {
    const file = join(directory, "history.jsonl");
    const flags = `--seed 3 --profile calm --nodes 3 --history ${file} --no-shrink`;
    expect((await run(flags, brokenAmidWrites)).exitCode).toBe(12);
    const records = parseHistory(readFileSync(file, "utf8"));
    expect(records.filter(({ status }) => status === "unknown")).not.toEqual([]);
    expect(checkLinearizable(records)).toEqual({ kind: "linearizable" });
  });

  it("K2: seeds of every profile, with 3 and 5 nodes, find nothing, in processes that share the work", () => {
    // Odd seeds have 3 nodes and even ones 5, and the profiles come in turns.
    const seeds = `1..${PROFILE_NAMES.length}`;
    const flags = ["--seeds", seeds, "--profile", "all", "--operations", "400", "--jobs", "2", "--json"];
    const main = join(__dirname, "../dist/simulation/main.js");
    const { status, stdout } = spawnSync(process.execPath, [main, ...flags], { encoding: "utf8" });
    const report = JSON.parse(stdout);
    expect(report.failures).toEqual([]);
    expect(status).toBe(0);
    expect(report.seeds).toBe(seeds);
    expect(report.tally).toMatchObject({ seeds: PROFILE_NAMES.length, failed: 0 });
    expect(report.tally.operations).toBeGreaterThan(200 * PROFILE_NAMES.length);
  });

  it.each([
    ["correctness", 12, "planted", brokenInvariant],
    ["liveness", 11, "a leader is elected", neverHeals],
    ["crash", 10, "the code under test does not throw", throws],
  ] as const)(
    "K2: %s has an exit code of its own (%s), and prints how to replay it",
    async (kind, code, name, plant) => {
      const flags = "--seed 3 --profile network --nodes 3 --operations 100";
      const { exitCode, text } = await run(`${flags} --no-shrink`, plant);
      expect(exitCode).toBe(code);
      expect(text).toContain(`FAILED seed 3: ${kind}\n  invariant  ${name}\n`);
      expect(text).toMatch(/\n {2}commit {5}([0-9a-f]{40}|unknown)\n/);
      expect(text).toMatch(/\n0 passed, 1 failed$/);
      const replay = /npm run simulate -- (.*)/.exec(text)?.[1] ?? "";
      expect(replay).toBe(flags);
      const again = await run(`${replay} --no-shrink`, plant);
      expect(detailOf(again.text)).toBe(detailOf(text));
    },
  );

  it("K2: a promise that rejects, and that nobody handles, is a crash", () => {
    // In a process of its own: jest keeps such rejections to itself.
    const script = `
      const { simulate } = require(${JSON.stringify(join(__dirname, "../dist/simulation/simulate.js"))});
      const plant = (world) => world.timeline.after(2e6, () => void Promise.reject(new Error("planted rejection")));
      const output = { out: console.log, error: console.error, directory: "." };
      simulate(["--seed", "3", "--profile", "calm", "--no-shrink"], output, { plant }).then((exitCode) => {
        process.exitCode = exitCode;
      });`;
    const { status, stdout } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8" });
    expect(stdout).toContain("detail     Error: planted rejection");
    expect(status).toBe(10);
  });

  it("K2: the trace of a failure is that of its seed, not of a schedule that was tried in its place", async () => {
    const file = join(directory, "trace.txt");
    const flags = `--seed 3 --profile network --nodes 3 --operations 100 --trace ${file}`;
    await run(`${flags} --no-shrink`, brokenInvariant);
    const trace = readFileSync(file, "utf8");
    expect((await run(flags, brokenInvariant, 5)).text).toContain("shrunk");
    expect(readFileSync(file, "utf8") === trace).toBe(true);
  });

  it("K2: a failure is shrunk to a smaller schedule that fails in the same way", async () => {
    const needsCrash: Plant = (world) => {
      world.observe({ crashed: (seat) => void world.timeline.after(1000, () => broken(seat.id)) });
    };
    const { text, exitCode } = await run("--seed 5 --profile crashes --nodes 3 --operations 100", needsCrash);
    expect(exitCode).toBe(12);
    const [, before, after] = /from (\d+) faults and \d+ operations to (\d+) and/.exec(text) ?? [];
    expect(Number(before)).toBeGreaterThan(1);
    expect(Number(after)).toBeLessThan(Number(before));
    const [file] = readdirSync(directory);
    expect(text).toContain(`npm run simulate -- --schedule ${join(directory, file ?? "none")}`);
    const again = await run(`--schedule ${join(directory, file ?? "none")}`, needsCrash);
    expect(again.exitCode).toBe(12);
    expect(again.text).toContain("FAILED seed 5: correctness");
  });

  it.each([
    ["", "give the seeds"],
    ["--seed 1 --minutes 2", "give one of"],
    ["--seed x", "--seed"],
    ["--seeds 5..1", "must not end before it begins"],
    ["--seed 1 --profile wild", 'there is no profile "wild"'],
    ["--seeds 1..2 --trace trace.txt", "--trace is for the run of a single seed"],
    ["--minutes 1 --history history.jsonl", "--history is for the run of a single seed"],
    ["--schedule none.json", "--schedule"],
    ["--seed 1 extra", "too many arguments"],
  ])("K2: the command line %p is refused with exit code 2", async (line, message) => {
    const { exitCode, errors } = await run(line);
    expect(exitCode).toBe(2);
    expect(errors).toContain(message);
  });

  it("names each profile and each exit code in its help", async () => {
    const { exitCode, text } = await run("--help");
    expect(exitCode).toBe(0);
    for (const name of PROFILE_NAMES) expect(text).toContain(`\n  ${name} `);
    expect(text).toMatch(/2 the command line.*10 .*crash.*11 .*liveness.*12 .*correctness/s);
  });
});

function broken(id: string): never {
  throw new Violation("correctness", "planted", `${id} crashed`);
}

function detailOf(text: string): string {
  return text.slice(text.indexOf("FAILED"), text.indexOf("  commit"));
}
