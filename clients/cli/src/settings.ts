import { type Command, InvalidArgumentError } from "commander";

/** The options that every command takes. */
export interface GlobalOptions {
  readonly endpoints?: string;
  readonly deadline?: number;
  readonly namespace: string;
  readonly json?: boolean;
  readonly stale?: boolean;
  readonly minRevision?: number;
  readonly maxStaleness?: number;
}

export const ENDPOINTS_DEFAULT = "127.0.0.1:7400";

export const DEADLINE_SECONDS_DEFAULT = 5;

/** Adds the options that every command takes. */
export function addGlobalOptions(command: Command): Command {
  return command
    .option(
      "-e, --endpoints <list>",
      `nodes or gateways, host:port[,host:port] (default: $QUORATE_ENDPOINTS or ${ENDPOINTS_DEFAULT})`,
    )
    .option(
      "--deadline <seconds>",
      `how long a call may take with all its retries (default: ${DEADLINE_SECONDS_DEFAULT})`,
      seconds,
    )
    .option("-n, --namespace <name>", "the namespace of the keys", "default")
    .option("--json", "write JSON, for programs")
    .option("--stale", "read from the node's own state, which may lag behind")
    .option("--min-revision <revision>", "read what has come at least so far; waits for it", wholeNumber)
    .option("--max-staleness <time>", "accept what is at most so old, such as 500ms", milliseconds);
}

/** How fresh the reads of a command are to be. */
export function freshness({ stale, minRevision, maxStaleness }: GlobalOptions): {
  readonly consistency: "stale" | "linearizable";
  readonly minRevision?: number;
  readonly maxStalenessMs?: number;
} {
  return {
    consistency: stale === true ? "stale" : "linearizable",
    ...(minRevision === undefined ? {} : { minRevision }),
    ...(maxStaleness === undefined ? {} : { maxStalenessMs: maxStaleness }),
  };
}

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value <= 0 || value > 86_400) {
    throw new InvalidArgumentError("It must be a number of seconds above 0, such as 2.5.");
  }
  return value;
}

/** A whole number of at least 0 that a flag or argument names. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError("It must be a whole number of at least 0.");
  }
  return value;
}

/** A whole number of at least 1 that a flag names. */
export function positiveNumber(text: string): number {
  const value = wholeNumber(text);
  if (value === 0) throw new InvalidArgumentError("It must be at least 1.");
  return value;
}

/** A signed 64-bit number that an argument names. */
export function int64(text: string): bigint {
  if (!/^-?\d+$/.test(text) || BigInt.asIntN(64, BigInt(text)) !== BigInt(text)) {
    throw new InvalidArgumentError("It must be a whole number of 64 bits.");
  }
  return BigInt(text);
}

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** A time such as 500ms, 30s, 10m or 1h, in milliseconds. */
export function milliseconds(text: string): number {
  const [, count = "", unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  if (count === "") throw new InvalidArgumentError("It must be a time such as 500ms, 30s, 10m or 1h.");
  return Math.round(Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]);
}
