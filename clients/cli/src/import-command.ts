import { createReadStream, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import type { Quorate } from "@quorate/client";
import { type Command, Option } from "commander";
import { EXIT, type ExitCode } from "./exit-codes";
import { FORMATS, FORMATS_HELP, type FormatName, formatOfPath } from "./format";
import { type ImportResult, importRecords } from "./import-records";
import { progressOf } from "./progress";
import { ResumeFile } from "./resume-file";
import { type Session, withClient } from "./session";
import { type GlobalOptions, positiveNumber } from "./settings";
import { writeJson } from "./write-json";

/** Long enough to outlive an election under load. */
const PUT_SECONDS = 30;

const IN_FLIGHT = 64;

/** How many failed records are told one by one. */
const FAILURES_TOLD = 10;

/** How often the place is kept, in milliseconds. */
const KEEP_MS = 250;

interface ImportFlags extends GlobalOptions {
  readonly format?: FormatName;
  readonly inFlight: number;
  readonly state?: string;
  readonly restart?: boolean;
}

/** Where an import stands, and which file it is about. */
interface ImportState {
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly namespace: string;
  readonly clusterId: string;
  readonly done: number;
}

/** import */
export function addImportCommand(program: Command, session: Session): void {
  program
    .command("import")
    .description(
      "write the records of a file; an interrupted import goes on where it was when it is run again",
    )
    .argument("[file]", "a JSON Lines or CSV file; - or nothing reads standard input", "-")
    .addOption(new Option("--format <format>", "the format of the file").choices(Object.keys(FORMATS)))
    .option("--in-flight <count>", "how many writes are under way at a time", positiveNumber, IN_FLIGHT)
    .option("--state <path>", "where to keep how far the import is (default: FILE.quorate-import)")
    .option("--restart", "begin with the first record, whatever an earlier run did")
    .addHelpText(
      "after",
      `${FORMATS_HELP}

Examples
  quorate import users.jsonl
  quorate import users.csv --namespace staging
  cat users.jsonl | quorate import

Exit code 1 when some records could not be written; they and how many are named. Running it again does no harm.
Each write may take ${PUT_SECONDS} seconds with its retries unless --deadline says otherwise.`,
    )
    .action(async (file: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<ImportFlags>();
      await withClient(session, options, (client) => runImport(session, client, file, options), PUT_SECONDS);
    });
}

async function runImport(
  session: Session,
  client: Quorate,
  file: string,
  options: ImportFlags,
): Promise<ExitCode> {
  const format = FORMATS[options.format ?? formatOfPath(file)];
  if (file === "-") {
    const input = await session.terminal.readInput();
    const result = await importFrom(
      session,
      client,
      Readable.from([input]),
      format,
      options,
      0,
      () => undefined,
    );
    return reportImport(session, options, result);
  }
  const { size: bytes, mtimeMs: modifiedMs } = statSync(file);
  const { clusterId } = await client.cluster.status();
  const { namespace } = options;
  const resume = new ResumeFile<ImportState>(
    options.state ?? join(dirname(file), `${basename(file)}.quorate-import`),
  );
  const of = { bytes, modifiedMs, namespace, clusterId };
  const skip = options.restart === true ? 0 : doneBefore(resume.read(), of);
  if (skip > 0) session.terminal.err(`going on behind record ${skip}, where an earlier run was`);
  const input = createReadStream(file);
  const progress = progressOf(session.terminal, bytes, "bytes");
  let keptAtMs = 0;
  try {
    const result = await importFrom(session, client, input, format, options, skip, (done) => {
      progress.update(input.bytesRead);
      if (performance.now() - keptAtMs < KEEP_MS) return;
      keptAtMs = performance.now();
      resume.write({ ...of, done });
    });
    if (result.failed === 0) resume.remove();
    else resume.write({ ...of, done: result.done });
    progress.stop();
    return await reportImport(session, options, result);
  } finally {
    progress.stop();
    input.destroy();
  }
}

function doneBefore(kept: Partial<ImportState> | null, of: Omit<ImportState, "done">): number {
  const same =
    kept?.bytes === of.bytes &&
    kept.modifiedMs === of.modifiedMs &&
    kept.namespace === of.namespace &&
    kept.clusterId === of.clusterId;
  return same && Number.isSafeInteger(kept.done) ? (kept.done as number) : 0;
}

function importFrom(
  session: Session,
  { kv }: Quorate,
  input: Readable,
  format: (typeof FORMATS)[FormatName],
  options: ImportFlags,
  skip: number,
  onProgress: (done: number) => void,
): Promise<ImportResult> {
  let told = 0;
  return importRecords(format.read(input), {
    skip,
    inFlightMax: options.inFlight,
    put: ({ key, value }) => kv.put(key, value),
    onFailure(number, why) {
      told += 1;
      if (told <= FAILURES_TOLD) session.terminal.err(`record ${number}: ${why}`);
      if (told === FAILURES_TOLD + 1) session.terminal.err("further failures are only counted");
    },
    onProgress,
  });
}

async function reportImport(session: Session, options: ImportFlags, result: ImportResult): Promise<ExitCode> {
  const { imported, skipped, failed, abandoned } = result;
  if (options.json) {
    await writeJson(session, { imported, skipped, failed, abandoned });
  } else {
    const before = skipped > 0 ? `, ${skipped} by an earlier run` : "";
    const end = abandoned ? "; given up, since nothing succeeded any more" : "";
    await session.terminal.out(`imported ${imported} records${before}, ${failed} failed${end}\n`);
  }
  return failed === 0 ? EXIT.ok : EXIT.failed;
}
