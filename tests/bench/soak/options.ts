import { parseArgs } from "node:util";
import { PROFILES, type Profile } from "@quorate/services/launcher";
import { BadOption, oneOf, whole } from "../options";

/** What one soak does. */
export interface SoakOptions {
  readonly minutes: number;
  /** Operations a second over all nodes. */
  readonly rate: number;
  readonly sampleSeconds: number;
  /** The share of the run, from its beginning, that is shown and not judged. */
  readonly warmUpShare: number;
  readonly keys: number;
  readonly valueBytes: number;
  /** How many past revisions nodes keep: these are written before the load begins, so that the disk is as full as it gets. */
  readonly historyRevisions: number;
  readonly profile: Profile;
  readonly seed: number;
  readonly out: string;
}

export const SOAK_HELP = `npm run bench -- soak [options]

Loads three nodes at a steady rate, half writes and half reads, a third of it through each node, and watches whether
anything grows: resident memory, heap, disk, open handles, latency. Writes soak.json and soak.html.

  --minutes M           (default: 30)
  --rate N              operations a second (default: 1000)
  --sample-seconds N    between two samples (default: 10)
  --warm-up-percent N   of the run, not judged (default: 25)
  --keys N              (default: 20000)
  --value-bytes N       (default: 256)
  --history N           revisions that nodes keep, which are written before (default: 100000)
  --profile NAME        timing of the nodes: default, fast or wan (default: default)
  --seed N              of the keys and values (default: 1)
  --out DIR             (default: reports/soak)

Exit codes: 0 all is flat, 2 a bad option, 3 something grows or an operation failed, 1 anything else.
`;

/** @param args what follows "soak" @throws BadOption */
export function soakOptions(args: readonly string[]): SoakOptions | "help" {
  const values = parsed(args);
  if (values.help === true) return "help";
  const minutes = values.minutes ?? "30";
  if (!/^\d*\.?\d+$/.test(minutes) || !(Number(minutes) > 0))
    throw new BadOption(`--minutes must be a number above 0, not "${minutes}"`);
  const warmUpPercent = whole("--warm-up-percent", values["warm-up-percent"] ?? "25", 0);
  if (warmUpPercent > 90) throw new BadOption(`--warm-up-percent must be at most 90, not "${warmUpPercent}"`);
  return {
    minutes: Number(minutes),
    rate: whole("--rate", values.rate ?? "1000"),
    sampleSeconds: whole("--sample-seconds", values["sample-seconds"] ?? "10"),
    warmUpShare: warmUpPercent / 100,
    keys: whole("--keys", values.keys ?? "20000"),
    valueBytes: whole("--value-bytes", values["value-bytes"] ?? "256", 0),
    historyRevisions: whole("--history", values.history ?? "100000"),
    profile: oneOf("--profile", values.profile ?? "default", PROFILES),
    seed: whole("--seed", values.seed ?? "1", 0),
    out: values.out ?? "reports/soak",
  };
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        minutes: text,
        rate: text,
        "sample-seconds": text,
        "warm-up-percent": text,
        keys: text,
        "value-bytes": text,
        history: text,
        profile: text,
        seed: text,
        out: text,
        help: { type: "boolean" },
      },
    }).values;
  } catch (problem) {
    throw new BadOption(problem instanceof Error ? problem.message : String(problem));
  }
}
