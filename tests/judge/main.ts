// `npm run judge -- history.jsonl`: is a recorded history linearizable?
import { readFileSync } from "node:fs";
import { HistoryFault, parseHistory } from "./history-file";
import { judgeHistoryText } from "./judge-report";
import { judgeKeys } from "./linearizable";
import { BadOption, HELP, judgeOptions } from "./options";

/** Told apart by scripts: what is undecided is not a pass. */
const EXIT_CODES = { linearizable: 0, violation: 1, usage: 2, undecided: 3 } as const;

function main(args: readonly string[]): number {
  try {
    const options = judgeOptions(args);
    if (options === "help") {
      process.stdout.write(HELP);
      return EXIT_CODES.linearizable;
    }
    const records = parseHistory(readFileSync(options.path, "utf8"));
    const judgements = judgeKeys(records, { statesMax: options.statesMax });
    const { verdict, text, json } = judgeHistoryText(judgements);
    process.stdout.write(options.json ? `${JSON.stringify(json, null, 2)}\n` : text);
    return EXIT_CODES[verdict];
  } catch (problem) {
    const isTheirs =
      problem instanceof BadOption || problem instanceof HistoryFault || isFileProblem(problem);
    if (!isTheirs) throw problem;
    console.error(problem.message);
    return EXIT_CODES.usage;
  }
}

function isFileProblem(problem: unknown): problem is Error {
  return problem instanceof Error && "syscall" in problem;
}

process.exitCode = main(process.argv.slice(2));
