import type { Kv, Quorate } from "@quorate/client";
import { type Command, InvalidArgumentError, Option } from "commander";
import { gatesOf, PERF_LOADS, type PerfLoadName } from "./check/gates";
import { deleteAll, PREFIX_BYTES_MAX, writePaced } from "./check/perf";
import { EXIT, type ExitCode, UsageFault } from "./exit-codes";
import { progressOf } from "./progress";
import { keysText } from "./record-output";
import { type Session, withClient } from "./session";
import { type GlobalOptions, milliseconds } from "./settings";
import { writeJson } from "./write-json";

/** How long a single call may take, where nothing else is said: too slow a write is found too slow, not given up. */
const CALL_SECONDS = 30;

const PREFIX = "_check/perf/";

const DURATION_MS = 60_000;

interface PerfFlags extends GlobalOptions {
  readonly load: PerfLoadName;
  readonly prefix: string;
  readonly duration?: number;
  readonly clean?: boolean;
}

/** check perf */
export function addCheckCommand(program: Command, session: Session): void {
  const check = program
    .command("check")
    .description("check what a cluster is capable of")
    .addHelpText("after", "\nExample\n  quorate check perf --load m");
  check
    .command("perf")
    .description("write at a steady rate for a minute; exit code 1 when the cluster does not keep up")
    .addOption(
      new Option("--load <size>", "how many writes a second")
        .choices(Object.keys(PERF_LOADS) as PerfLoadName[])
        .default("s"),
    )
    .option(
      "--prefix <prefix>",
      "what the keys begin with that are written, and deleted afterwards",
      prefixOf,
      PREFIX,
    )
    .option("--duration <time>", "how long, such as 30s (default: 60s)", duration)
    .option("--clean", "only delete what a check that was killed left under the prefix")
    .addHelpText(
      "after",
      `
Examples
  quorate check perf
  quorate check perf --load l --json

Loads: ${Object.entries(PERF_LOADS)
        .map(
          ([name, { writesPerSecond, inFlightMax }]) =>
            `${name} ${writesPerSecond}/s (${inFlightMax} at a time)`,
        )
        .join(", ")}.
Keys have 256 bytes, values 1 KiB. As with "etcdctl check perf" the check passes when throughput is above 90 % of the
rate, no write took 0.5 s, and the standard deviation of what writes took is below 0.1 s; and when no write failed.
Writes go where --endpoints says: to the nodes themselves, or through a gateway.`,
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<PerfFlags>();
      await withClient(session, options, (client) => checkPerf(session, client, options), CALL_SECONDS);
    });
}

async function checkPerf(session: Session, { kv }: Quorate, options: PerfFlags): Promise<ExitCode> {
  const { prefix, duration: durationMs = DURATION_MS } = options;
  const load = PERF_LOADS[options.load];
  const seconds = durationMs / 1000;
  if (options.clean) return clean(session, kv, options);
  const present = await kv.count({ prefix });
  if (present > 0) {
    throw new UsageFault(
      `--prefix: there are ${keysText(present)} under ${prefix} already: choose another prefix, or delete them with --clean`,
    );
  }
  const say = async (line: string): Promise<void> => {
    if (!options.json) await session.terminal.out(`${line}\n`);
  };
  await say(
    `writing ${load.writesPerSecond}/s for ${seconds} s under ${prefix}, ${load.inFlightMax} at a time`,
  );
  const stopped = new AbortController();
  const stop = (): void => stopped.abort();
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  const progress = progressOf(session.terminal, Math.ceil(seconds), "s");
  try {
    const figures = await writePaced(kv, {
      load,
      seconds,
      prefix,
      signal: stopped.signal,
      onProgress: (done) => progress.update(done),
    });
    progress.stop();
    const deleted = await deleteAll(kv, prefix);
    const interrupted = stopped.signal.aborted;
    const gates = gatesOf(figures, load);
    const passed = !interrupted && gates.every((gate) => gate.passed);
    if (options.json) {
      await writeJson(session, {
        load: options.load,
        writesPerSecondWanted: load.writesPerSecond,
        inFlightMax: load.inFlightMax,
        seconds,
        ...figures,
        gates,
        deleted,
        interrupted,
        passed,
      });
    } else {
      for (const gate of gates) await say(`${gate.passed ? "PASS" : "FAIL"}: ${gate.text}`);
      await say(`${keysText(deleted)} deleted again`);
      await say(interrupted ? "interrupted" : passed ? "PASS" : "FAIL");
    }
    return passed ? EXIT.ok : EXIT.failed;
  } finally {
    progress.stop();
    process.removeListener("SIGINT", stop);
    process.removeListener("SIGTERM", stop);
  }
}

async function clean(session: Session, kv: Kv, { prefix, json }: PerfFlags): Promise<ExitCode> {
  const deleted = await deleteAll(kv, prefix);
  if (json) await writeJson(session, { deleted });
  else await session.terminal.out(`${keysText(deleted)} deleted\n`);
  return EXIT.ok;
}

function prefixOf(text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes < 1 || bytes > PREFIX_BYTES_MAX) {
    throw new InvalidArgumentError(`It must have 1 to ${PREFIX_BYTES_MAX} bytes.`);
  }
  return text;
}

function duration(text: string): number {
  const value = milliseconds(text);
  if (value < 1) throw new InvalidArgumentError("It must be at least 1ms.");
  return value;
}
