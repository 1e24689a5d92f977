import { parseArgs } from "node:util";
import { PROFILES, type Profile } from "@quorate/services/launcher";
import { FEW_KEYS, OPPONENTS, type OpponentName } from "./contender";
import { RATIO_GOALS, ROUNDS_MIN } from "./goals";
import { type Load, OPERATIONS, type Operation, ROUTES, type Route, type Workload } from "./workload";

/** What one run of the bench measures. */
export interface BenchOptions {
  readonly workloads: readonly Workload[];
  /** Whether what keys cost at rest is measured too. */
  readonly footprint: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** For how long a loaded cluster is waited for at most; 0 measures right after loading. */
  readonly settleSeconds: number;
  readonly keys: number;
  readonly footprintKeys: number;
  readonly valueBytes: number;
  readonly profile: Profile;
  readonly seed: number;
  /** What runs beside, to be compared with. */
  readonly against: readonly OpponentName[];
  /** Files to write; null for none. "-" as the JSON's is standard output. */
  readonly json: string | null;
  readonly html: string | null;
  readonly saveBaseline: string | null;
  /** A file to hold the run against; null for none. */
  readonly baseline: string | null;
}

export const VIAS = ["leader", "follower", "gateway"] as const;
export type Via = (typeof VIAS)[number];

export const HELP = `npm run bench -- [options]

Starts three nodes and a gateway on this machine and loads them from this process.

What is measured
  --cell NAME          several with commas (default: put,get):
                         put, get (linearizable), get-stale, mixed (half put, half get), cas (compare-and-set),
                         scan (1000 keys), txn (a comparison, two puts and a get), ycsb-a to ycsb-f, footprint;
                         ycsb: all six; goals: what there are goals for, with its numbers in flight; all: everything.
                         NAME@ROUTE takes that cell's way from ${ROUTES.join(", ")}
  --in-flight N        closed loop: operations open at a time; several with commas (default: 1,64,256)
  --rate N             open loop instead: operations begun a second, latency counted from when each was due;
                       several with commas
  --via WHICH          leader, follower or gateway: what the client talks to (default: leader)
  --unary              one plain unary call an operation instead of the typed client
  --against WHAT       starts another cluster beside, loads it in the same rounds and prints ratios; several with commas:
                         etcd: three members of it, through the npm client etcd3
                         etcd-go: the same three members through etcd's own Go client, in a process of its own
                         few-keys: three nodes with ${FEW_KEYS} keys; wants --keys, such as 1000000

How
  --rounds N           rounds, cells interleaved; medians and the range are printed (default: 3; with --against: ${ROUNDS_MIN})
  --seconds N          length of a measurement (default: 5)
  --warm-up-seconds N  before each measurement, not counted (default: 1)
  --settle-seconds N   after loading, until members hardly write to disk any more, at most (default: 120);
                       0 measures right after loading
  --keys N             keys of 16 bytes, drawn at random (default: 20000)
  --value-bytes N      (default: 256)
  --footprint-keys N   keys that the cell footprint loads (default: 100000)
  --profile NAME       timing of the nodes: default, fast or wan (default: default)
  --seed N             of the keys and values (default: 1)

What is written
  --json FILE          everything that was measured; "-" for standard output instead of tables
  --html FILE          one page with plots that needs nothing else
  --save-baseline FILE ratios and microseconds, for later runs
  --baseline FILE      holds this run against such a file

Exit codes: 0 done, 2 a bad option, 3 worse than the base line, 1 anything else.

npm run bench -- soak --help: a steady load for a long time.
npm run bench -- watch|connections|spike|failover|start --help: scenarios, each with its goals.
npm run bench -- page FILE: the table of a report that --json wrote, into docs/performance.md.
`;

/** A command line that does not fit; the message names the option. */
export class BadOption extends Error {}

/** @throws BadOption */
export function benchOptions(args: readonly string[]): BenchOptions | "help" {
  const values = parsed(args);
  if (values.help === true) return "help";
  if (values.rate !== undefined && values["in-flight"] !== undefined)
    throw new BadOption(
      "--rate and --in-flight cannot go together: one is an open loop, the other a closed one",
    );
  const against = [
    ...new Set(
      values.against === undefined
        ? []
        : list(values.against).map((name) => oneOf("--against", name, OPPONENTS)),
    ),
  ];
  const route = routeOf(oneOf("--via", values.via ?? "leader", VIAS), values.unary ?? false);
  const loads = values.rate === undefined ? closedLoads(values["in-flight"]) : openLoads(values.rate);
  const cells = list(values.cell ?? "put,get");
  const workloads = cells.flatMap((cell) =>
    cell === "goals"
      ? goalWorkloads(against.length === 0 ? ["etcd"] : against)
      : workloadsOf(cell, route, loads),
  );
  return {
    workloads: distinct(workloads),
    footprint: cells.includes("footprint") || cells.includes("all"),
    rounds: whole("--rounds", values.rounds ?? String(against.length === 0 ? 3 : ROUNDS_MIN)),
    seconds: secondsOf("--seconds", values.seconds ?? "5", 0.1),
    warmUpSeconds: secondsOf("--warm-up-seconds", values["warm-up-seconds"] ?? "1", 0),
    settleSeconds: secondsOf("--settle-seconds", values["settle-seconds"] ?? "120", 0),
    keys: whole("--keys", values.keys ?? "20000", 2),
    footprintKeys: whole("--footprint-keys", values["footprint-keys"] ?? "100000"),
    valueBytes: whole("--value-bytes", values["value-bytes"] ?? "256", 0),
    profile: oneOf("--profile", values.profile ?? "default", PROFILES),
    seed: whole("--seed", values.seed ?? "1", 0),
    against,
    json: values.json ?? null,
    html: values.html ?? null,
    saveBaseline: values["save-baseline"] ?? null,
    baseline: values.baseline ?? null,
  };
}

function workloadsOf(cell: string, route: Route, loads: readonly Load[]): readonly Workload[] {
  if (cell === "footprint") return [];
  const [name = "", way] = cell.split("@");
  const operations = SETS[name] ?? [oneOf("--cell", name, CELLS) as Operation];
  const own = way === undefined ? route : oneOf("--cell", way, ROUTES);
  return operations.flatMap((operation) => loads.map((load) => ({ operation, load, route: own })));
}

const CELLS = [...OPERATIONS, "footprint", "ycsb", "goals", "all"] as const;

const SETS: Readonly<Record<string, readonly Operation[]>> = {
  all: OPERATIONS,
  ycsb: OPERATIONS.filter((operation) => operation.startsWith("ycsb-")),
};

/** The workloads that there are ratios to reach for. */
function goalWorkloads(against: readonly OpponentName[]): readonly Workload[] {
  const names = against.flatMap((opponent) => [...RATIO_GOALS[opponent].keys()]);
  return names.flatMap((name) => {
    const [cell = "", inFlight = ""] = name.split("/");
    return workloadsOf(cell, "leader", closedLoads(inFlight));
  });
}

function closedLoads(text = "1,64,256"): readonly Load[] {
  return list(text).map((part) => ({ kind: "closed", inFlight: whole("--in-flight", part) }));
}

function openLoads(text: string): readonly Load[] {
  return list(text).map((part) => ({ kind: "open", perSecond: whole("--rate", part) }));
}

function routeOf(via: Via, isUnary: boolean): Route {
  if (!isUnary) return via;
  return via === "leader" ? "unary" : `unary-${via}`;
}

function distinct(workloads: readonly Workload[]): readonly Workload[] {
  return [...new Map(workloads.map((workload) => [JSON.stringify(workload), workload])).values()];
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        cell: text,
        "in-flight": text,
        rate: text,
        rounds: text,
        seconds: text,
        "warm-up-seconds": text,
        "settle-seconds": text,
        keys: text,
        "footprint-keys": text,
        "value-bytes": text,
        via: text,
        unary: { type: "boolean" },
        against: text,
        profile: text,
        seed: text,
        json: text,
        html: text,
        "save-baseline": text,
        baseline: text,
        help: { type: "boolean" },
      },
    }).values;
  } catch (problem) {
    throw new BadOption(problem instanceof Error ? problem.message : String(problem));
  }
}

function list(text: string): readonly string[] {
  return text.split(",").map((part) => part.trim());
}

/** @throws BadOption */
export function whole(option: string, text: string, min = 1): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < min) {
    throw new BadOption(`${option} must be a whole number of at least ${min}, not "${text}"`);
  }
  return value;
}

function secondsOf(option: string, text: string, min: number): number {
  const number = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || number < min) {
    throw new BadOption(`${option} must be a number from ${min}, not "${text}"`);
  }
  return number;
}

/** @throws BadOption */
export function oneOf<Name extends string>(option: string, text: string, names: readonly Name[]): Name {
  const name = names.find((known) => known === text);
  if (name === undefined) throw new BadOption(`${option} must be one of ${names.join(", ")}, not "${text}"`);
  return name;
}
