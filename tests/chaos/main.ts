// `npm run chaos`: a cluster of real processes under attack, and what its clients saw of it.
import { randomInt } from "node:crypto";
import { BadOption, type ChaosOptions, chaosOptions, commandOf, HELP } from "./options";
import { type ChaosReport, exitCodeOf } from "./report";
import { runChaos } from "./run";

const SEED_COUNT = 2 ** 32;

function main(args: readonly string[]): void {
  let options: ChaosOptions | "help";
  try {
    options = chaosOptions(args, () => randomInt(SEED_COUNT));
  } catch (problem) {
    if (!(problem instanceof BadOption)) throw problem;
    console.error(problem.message);
    process.exitCode = 2;
    return;
  }
  if (options === "help") {
    process.stdout.write(HELP);
    return;
  }
  const chosen = options;
  // The guard of the cluster's directory ends its processes when this one is gone.
  process.once("SIGINT", () => process.exit(130));
  const say = chosen.json ? () => undefined : (line: string) => console.log(line);
  say(commandOf(chosen));
  runChaos(chosen, say).then(
    (report) => {
      if (chosen.json) console.log(json(report));
      process.exitCode = exitCodeOf(report);
    },
    (failure: unknown) => {
      console.error(failure);
      process.exitCode = 1;
    },
  );
}

function json(report: ChaosReport): string {
  return JSON.stringify(
    report,
    (_, value: unknown) => {
      if (typeof value === "bigint") return String(value);
      return value instanceof Map ? Object.fromEntries(value) : value;
    },
    2,
  );
}

main(process.argv.slice(2));
