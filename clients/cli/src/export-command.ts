import { type FileHandle, open } from "node:fs/promises";
import { endOfPrefix, type KvRecord, type Quorate, type ScanOptions, toBytes } from "@quorate/client";
import { type Command, Option } from "commander";
import { EXIT, type ExitCode, UsageFault } from "./exit-codes";
import { FORMATS, FORMATS_HELP, type Format, type FormatName, formatOfPath } from "./format";
import { progressOf } from "./progress";
import { ResumeFile } from "./resume-file";
import { type Session, withClient } from "./session";
import { freshness, type GlobalOptions } from "./settings";
import { writeJson } from "./write-json";

/** Records are gathered to about this many bytes before they are written. */
const CHUNK_BYTES = 256 * 1024;

interface ExportFlags extends GlobalOptions {
  readonly format?: FormatName;
  readonly prefix: string;
  readonly state?: string;
  readonly restart?: boolean;
}

/** Where an export stands: everything up to `lastKey` is in the first `bytes` bytes of the file. */
interface ExportState {
  readonly clusterId: string;
  readonly namespace: string;
  readonly prefix: string;
  readonly format: FormatName;
  readonly revision: number;
  /** In base64. */
  readonly lastKey: string;
  readonly bytes: number;
  readonly records: number;
}

/** export */
export function addExportCommand(program: Command, session: Session): void {
  program
    .command("export")
    .description(
      "write all records into a file, as of one revision; an interrupted export goes on when it is run again",
    )
    .argument("[file]", "the file to write; - or nothing writes to standard output", "-")
    .addOption(new Option("--format <format>", "the format of the file").choices(Object.keys(FORMATS)))
    .option("--prefix <prefix>", "only keys that begin with this", "")
    .option("--state <path>", "where to keep how far the export is (default: FILE.quorate-export)")
    .option("--restart", "begin anew, whatever an earlier run did")
    .addHelpText(
      "after",
      `${FORMATS_HELP}

Examples
  quorate export backup.jsonl
  quorate export users.csv --prefix user/
  quorate export | gzip > backup.jsonl.gz`,
    )
    .action(async (file: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<ExportFlags>();
      await withClient(session, options, async (client) => {
        const name = options.format ?? formatOfPath(file);
        return file === "-"
          ? exportToOutput(session, client, options, FORMATS[name])
          : exportToFile(session, client, file, options, name);
      });
    });
}

async function exportToOutput(
  session: Session,
  { kv }: Quorate,
  options: ExportFlags,
  format: Format,
): Promise<ExitCode> {
  if (options.state !== undefined) throw new UsageFault("--state goes with a file, not with standard output");
  await session.terminal.out(format.header);
  for await (const record of kv.scan({ prefix: options.prefix }, freshness(options))) {
    await session.terminal.out(lineOf(format, record));
  }
  return EXIT.ok;
}

async function exportToFile(
  session: Session,
  client: Quorate,
  path: string,
  options: ExportFlags,
  formatName: FormatName,
): Promise<ExitCode> {
  const format: Format = FORMATS[formatName];
  const resume = new ResumeFile<ExportState>(options.state ?? `${path}.quorate-export`);
  const { clusterId } = await client.cluster.status();
  const { namespace, prefix } = options;
  const of = { clusterId, namespace, prefix, format: formatName };
  const kept = options.restart === true ? null : stateOf(resume.read(), of);
  if (kept !== null)
    session.terminal.err(`going on behind record ${kept.records}, at revision ${kept.revision}`);
  const total = await client.kv.count({ prefix }, freshness(options));
  const progress = progressOf(session.terminal, total, "records");
  const file = await open(path, kept === null ? "w" : "r+");
  try {
    let state: ExportState = kept ?? { ...of, revision: 0, lastKey: "", bytes: 0, records: 0 };
    await file.truncate(state.bytes);
    let chunk = kept === null ? format.header : "";
    for await (const record of recordsBehind(client, state, options, (revision) => {
      state = { ...state, revision };
    })) {
      chunk += lineOf(format, record);
      state = { ...state, lastKey: base64(record.keyBytes), records: state.records + 1 };
      if (chunk.length < CHUNK_BYTES) continue;
      state = await writeChunk(file, chunk, state);
      resume.write(state);
      chunk = "";
      progress.update(state.records);
    }
    state = await writeChunk(file, chunk, state);
    await file.sync();
    resume.remove();
    progress.stop();
    const { records, revision } = state;
    if (options.json) await writeJson(session, { exported: records, revision });
    else session.terminal.err(`exported ${records} records as of revision ${revision}`);
    return EXIT.ok;
  } finally {
    progress.stop();
    await file.close();
  }
}

function stateOf(kept: Partial<ExportState> | null, of: Partial<ExportState>): ExportState | null {
  const same =
    kept !== null &&
    kept.clusterId === of.clusterId &&
    kept.namespace === of.namespace &&
    kept.prefix === of.prefix &&
    kept.format === of.format;
  return same && typeof kept.bytes === "number" && typeof kept.lastKey === "string"
    ? (kept as ExportState)
    : null;
}

/** The records that are still missing, at the revision of those that are there. */
async function* recordsBehind(
  { kv }: Quorate,
  state: ExportState,
  options: ExportFlags,
  onRevision: (revision: number) => void,
): AsyncGenerator<KvRecord, void, undefined> {
  const lastKey = Buffer.from(state.lastKey, "base64");
  const range =
    lastKey.length === 0
      ? { prefix: options.prefix }
      : { start: lastKey, end: endOfPrefix(toBytes(options.prefix)) };
  const scan: ScanOptions = {
    ...freshness(options),
    ...(state.revision === 0 ? {} : { revision: state.revision }),
    onHeader: ({ revision }) => onRevision(state.revision === 0 ? revision : state.revision),
  };
  for await (const record of kv.scan(range, scan)) {
    if (Buffer.compare(record.keyBytes, lastKey) !== 0) yield record;
  }
}

async function writeChunk(file: FileHandle, chunk: string, state: ExportState): Promise<ExportState> {
  const data = Buffer.from(chunk);
  let written = 0;
  while (written < data.length) {
    const { bytesWritten } = await file.write(data, written, data.length - written, state.bytes + written);
    written += bytesWritten;
  }
  return { ...state, bytes: state.bytes + data.length };
}

function lineOf(format: Format, record: KvRecord): string {
  return format.write({ key: record.keyBytes, value: record.bytes });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
