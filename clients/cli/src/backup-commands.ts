import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { verifyBackupFile } from "@quorate/services/launcher";
import type { Command } from "commander";
import { EXIT, type ExitCode, UsageFault } from "./exit-codes";
import { addPlace, addStartFlags, report, type StartFlags, startAndShow } from "./local-place";
import { guarded, type Session, withClient } from "./session";
import type { GlobalOptions } from "./settings";
import { size } from "./units";
import { writeJson } from "./write-json";

/** A node freezes its state before the first byte, and may have much to write before. */
const DEADLINE_SECONDS = 60;

interface SaveFlags extends GlobalOptions {
  readonly member?: string;
  readonly force?: boolean;
}

/** backup save, verify, restore */
export function addBackupCommand(program: Command, session: Session): void {
  const backup = program
    .command("backup")
    .description("save everything to a file while work goes on, check such a file, begin a cluster with it")
    .addHelpText(
      "after",
      `
Examples
  quorate backup save monday.backup
  quorate backup save - | ssh vault "cat > monday.backup"
  quorate backup save last.backup --member n2 --stale    where no majority is left: what that node has
  quorate backup verify monday.backup
  quorate backup restore monday.backup --data-dir ./restored --base-port 7500`,
    );
  addSave(backup, session);
  addVerify(backup, session);
  addRestore(backup, session);
}

function addSave(backup: Command, session: Session): void {
  backup
    .command("save")
    .description("write a backup of the whole cluster, as it is at one log index")
    .argument("<file>", "the file, which appears when it is whole; - writes to standard output")
    .option("--member <id>", "let this node write it, instead of the one in use")
    .option("--force", "let it take the place of a file that is there")
    .action(async (file: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<SaveFlags>();
      await withClient(
        session,
        options,
        async ({ cluster }) => {
          const { member, stale = false, force = false } = options;
          if (file !== "-") await checkPlace(file, force);
          const parts = cluster.backup(member === undefined ? { stale } : { member, stale });
          return file === "-" ? saveToOutput(session, parts) : saveToFile(session, options, file, parts);
        },
        DEADLINE_SECONDS,
      );
    });
}

function addVerify(backup: Command, session: Session): void {
  backup
    .command("verify")
    .description("check every byte of a backup file, without restoring it; exit code 1 when it is damaged")
    .argument("<file>")
    .action(async (file: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await guarded(session, options, () => verify(session, options, file));
    });
}

function addRestore(backup: Command, session: Session): void {
  addStartFlags(addPlace(backup.command("restore")))
    .description(
      "check a backup file and begin a new cluster on this machine with it, of any size and with a new id",
    )
    .argument("<file>")
    .addHelpText(
      "after",
      "\nOn machines of their own each node is started with --bootstrap --restore FILE: see docs/operations/runbook.md.",
    )
    .action(async (file: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<StartFlags>();
      await guarded(session, options, async () => {
        const verdict = await verifyBackupFile(file);
        if (verdict.isSound) return startAndShow(session, options, { restore: file });
        return refuse(session, options, `${verdict.line}; nothing was restored`);
      });
    });
}

async function verify(session: Session, options: GlobalOptions, file: string): Promise<ExitCode> {
  const { isSound, line } = await verifyBackupFile(file);
  return isSound
    ? report(session, options, line, { file, sound: true, message: line })
    : refuse(session, options, line);
}

function refuse(session: Session, options: GlobalOptions, line: string): ExitCode {
  session.terminal.err(options.json ? JSON.stringify({ error: { message: line } }) : line);
  return EXIT.failed;
}

/** A backup is often all that is left: it is not overwritten by a command typed once more. */
async function checkPlace(path: string, mayReplace: boolean): Promise<void> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (found === null) return;
  if (!found.isFile())
    throw new UsageFault(`${path} is no file: give one that is not there yet, or - for standard output`);
  if (!mayReplace) {
    throw new UsageFault(
      `${path} is there already: give another name, or --force to let the backup take its place`,
    );
  }
}

async function saveToOutput(session: Session, parts: AsyncIterable<Uint8Array>): Promise<ExitCode> {
  for await (const part of parts) await session.terminal.out(part);
  return EXIT.ok;
}

/** What breaks off leaves no file under the name: a half backup must not be taken for one. */
async function saveToFile(
  session: Session,
  options: GlobalOptions,
  path: string,
  parts: AsyncIterable<Uint8Array>,
): Promise<ExitCode> {
  const draft = `${path}.part`;
  const file = await open(draft, "w");
  let bytes = 0;
  try {
    for await (const part of parts) {
      await file.writeFile(part);
      bytes += part.length;
    }
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(draft, { force: true });
    throw error;
  }
  await file.close();
  await rename(draft, path);
  await syncDirectory(dirname(path));
  if (options.json) await writeJson(session, { file: path, bytes });
  else session.terminal.err(`saved ${size(bytes)} to ${path}`);
  return EXIT.ok;
}

async function syncDirectory(path: string): Promise<void> {
  const directory: FileHandle = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
