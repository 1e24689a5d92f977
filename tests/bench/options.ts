import { parseArgs } from "node:util";
import { PROFILES, type Profile } from "@quorate/services/launcher";
import { OPERATIONS, type Operation } from "./workload";

/** What one run of the bench measures. */
export interface BenchOptions {
  readonly cells: readonly (Operation | "footprint")[];
  readonly inFlight: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly keys: number;
  readonly footprintKeys: number;
  readonly valueBytes: number;
  /** Which endpoint the client is given first. */
  readonly via: Via;
  readonly profile: Profile;
  readonly seed: number;
  /** Print one JSON document instead of tables. */
  readonly json: boolean;
}

export const VIAS = ["leader", "follower", "gateway"] as const;
export type Via = (typeof VIAS)[number];

export const HELP = `npm run bench -- [options]

Starts three nodes and a gateway on this machine and loads them from this process through the typed client.

  --cell NAME          put, get (linearizable), get-stale, mixed (half put, half get), footprint, or all;
                       several with commas (default: put,get)
  --in-flight N        operations open at a time; several with commas (default: 1,16,64,256)
  --rounds N           rounds, cells interleaved; medians and the range are printed (default: 3)
  --seconds N          length of a measurement (default: 5)
  --warm-up-seconds N  before each measurement, not counted (default: 1)
  --keys N             keys of 16 bytes, drawn at random (default: 20000)
  --value-bytes N      (default: 256)
  --footprint-keys N   keys that the cell footprint loads (default: 100000)
  --via WHICH          leader, follower or gateway: what the client talks to (default: leader)
  --profile NAME       timing of the nodes: default, fast or wan (default: default)
  --seed N             of the keys and values (default: 1)
  --json               one JSON document on standard output

npm run bench -- soak --help: a steady load for a long time.
npm run bench -- watch|connections|spike|failover|start --help: scenarios, each with its goals.
`;

/** A command line that does not fit; the message names the option. */
export class BadOption extends Error {}

const CELLS = [...OPERATIONS, "footprint"] as const;

/** @throws BadOption */
export function benchOptions(args: readonly string[]): BenchOptions | "help" {
  const values = parsed(args);
  if (values.help === true) return "help";
  const cell = values.cell ?? "put,get";
  return {
    cells: cell === "all" ? CELLS : list(cell).map((name) => oneOf("--cell", name, CELLS)),
    inFlight: list(values["in-flight"] ?? "1,16,64,256").map((text) => whole("--in-flight", text)),
    rounds: whole("--rounds", values.rounds ?? "3"),
    seconds: whole("--seconds", values.seconds ?? "5"),
    warmUpSeconds: whole("--warm-up-seconds", values["warm-up-seconds"] ?? "1", 0),
    keys: whole("--keys", values.keys ?? "20000"),
    footprintKeys: whole("--footprint-keys", values["footprint-keys"] ?? "100000"),
    valueBytes: whole("--value-bytes", values["value-bytes"] ?? "256", 0),
    via: oneOf("--via", values.via ?? "leader", VIAS),
    profile: oneOf("--profile", values.profile ?? "default", PROFILES),
    seed: whole("--seed", values.seed ?? "1", 0),
    json: values.json ?? false,
  };
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        cell: text,
        "in-flight": text,
        rounds: text,
        seconds: text,
        "warm-up-seconds": text,
        keys: text,
        "footprint-keys": text,
        "value-bytes": text,
        via: text,
        profile: text,
        seed: text,
        json: { type: "boolean" },
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

/** @throws BadOption */
export function oneOf<Name extends string>(option: string, text: string, names: readonly Name[]): Name {
  const name = names.find((known) => known === text);
  if (name === undefined) throw new BadOption(`${option} must be one of ${names.join(", ")}, not "${text}"`);
  return name;
}
