import pino, { type Logger } from "pino";
import type { StoreFailure } from "#replica";
import { FAULT_EXIT_CODE, faultLine, tuneEngine } from "#settings";
import { backupVerdict } from "./backup-check";
import { type NodeConfig, nodeConfig, PROGRAM_NAME } from "./config";

import { Node, type ServedAddresses } from "./node";
import { startFault } from "./start-fault";
import type { StartRefusal } from "./start-refusal";

/** EX_SOFTWARE of sysexits.h: whoever supervises the process may start it again, which verifies the disk anew. */
const STORE_FAILURE_EXIT_CODE = 70;

/** Starting it again is of no use: the cluster refuses this data directory for good. */
const REMOVED_EXIT_CODE = 3;

/** Whoever reads standard error may have stopped doing so. */
const LOG_END_MS_MAX = 500;

type LogWriter = ReturnType<typeof pino.destination>;

async function main(): Promise<void> {
  const outcome = nodeConfig(process.argv.slice(2), process.env);
  switch (outcome.kind) {
    case "help":
      process.stdout.write(outcome.text);
      return;
    case "fault":
      process.stderr.write(`${faultLine(PROGRAM_NAME, outcome)}\n`);
      process.exitCode = FAULT_EXIT_CODE;
      return;
    case "verify_backup":
      process.exitCode = await tellOfBackup(outcome.file);
      return;
    case "config":
      await run(outcome.config);
  }
}

async function run(config: NodeConfig): Promise<void> {
  tuneEngine();
  const written = pino.destination(2);
  const log = pino({ level: config.logLevel, base: { node: config.id } }, written);
  let node: Node | null = null;
  let exitCode: number | null = null;
  let lastLine = "";
  let isEnding = false;
  const starting = new AbortController();
  const exit = (code: number): void => {
    if (lastLine === "" || isEnding) process.exit(code);
    isEnding = true;
    // What is logged from here on has no one to write it.
    log.level = "silent";
    void ended(written).then(() => {
      process.stderr.write(lastLine);
      process.exit(code);
    });
  };
  const exitWhenClosed = (code: number): void => {
    // A second reason to stop while the first is being followed: at once.
    if (exitCode !== null) {
      exit(code === 0 ? 1 : code);
      return;
    }
    exitCode = code;
    starting.abort();
    // A start that is under way ends by itself, and then the process.
    if (node === null) return;
    node.close().then(
      () => exit(code),
      (error: unknown) => {
        log.error({ err: error }, "shutdown failed");
        exit(code === 0 ? 1 : code);
      },
    );
  };
  const stop = (signal: NodeJS.Signals): void => {
    log.info({ signal }, "shutting down");
    exitWhenClosed(0);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);

  const owner = {
    signal: starting.signal,
    failed: (failure: StoreFailure): void => {
      const advice = startFault(failure)?.problem;
      const sentence = `a store failed: ${failure.message}${advice === undefined ? "" : `: ${advice}`}`;
      log.error({ err: failure, dataLoss: failure.dataLoss }, sentence);
      lastLine = `${faultLine(PROGRAM_NAME, { kind: "fault", setting: "data-dir", problem: sentence })}\n`;
      exitWhenClosed(STORE_FAILURE_EXIT_CODE);
    },
    removed: (): void => exitWhenClosed(REMOVED_EXIT_CODE),
    refused: (refusal: StartRefusal): void => {
      tellRefusal(refusal);
      exitWhenClosed(FAULT_EXIT_CODE);
    },
  };
  try {
    const opened = await Node.open(config, log, owner);
    if (opened.kind === "aborted") {
      exit(exitCode ?? 0);
      return;
    }
    if (opened.kind === "refused") {
      tellRefusal(opened);
      process.exit(opened.isRemoval === true ? REMOVED_EXIT_CODE : FAULT_EXIT_CODE);
    }
    node = opened.node;
    tellReady(config, log, opened.served);
    if (exitCode !== null) await node.close().then(() => exit(exitCode ?? 0));
  } catch (error) {
    const told = tellOfFailedStart(error, log);
    lastLine = told.line;
    exit(told.exitCode);
  }
}

function tellReady({ id, dataDir }: NodeConfig, log: Logger, served: ServedAddresses): void {
  log.info({ ...served, dataDir }, "serving");
  process.stdout.write(`quorate node ${id} ready: clients ${served.client}, peers ${served.peer}\n`);
}

function tellRefusal({ setting, message }: StartRefusal): void {
  process.stderr.write(`${faultLine(PROGRAM_NAME, { kind: "fault", setting, problem: message })}\n`);
}

/** So that a line for people is the last that is read of a process: what the log has is written, or its reader is gone. */
async function ended(written: LogWriter): Promise<void> {
  await new Promise<void>((resolve) => {
    written.once("close", resolve);
    written.once("error", () => resolve());
    setTimeout(resolve, LOG_END_MS_MAX);
    written.end();
  });
}

/** The last line for people, with which the process ends. */
function tellOfFailedStart(
  error: unknown,
  log: Logger,
): { readonly line: string; readonly exitCode: number } {
  const fault = startFault(error);
  if (fault !== null) return { line: `${faultLine(PROGRAM_NAME, fault)}\n`, exitCode: FAULT_EXIT_CODE };
  const message = error instanceof Error ? error.message : String(error);
  log.error({ err: error }, `the node cannot start: ${message}`);
  const isOfStore = error instanceof Error && error.name === "StoreFailure";
  const setting = isOfStore ? "data-dir" : "the node cannot start";
  return {
    line: `${faultLine(PROGRAM_NAME, { kind: "fault", setting, problem: message })}\n`,
    exitCode: isOfStore ? STORE_FAILURE_EXIT_CODE : 1,
  };
}

/** @returns the exit code */
async function tellOfBackup(file: string): Promise<number> {
  const { isSound, line } = await backupVerdict(file);
  if (isSound) process.stdout.write(`${line}\n`);
  else process.stderr.write(`${PROGRAM_NAME}: verify-backup: ${line}\n`);
  return isSound ? 0 : 1;
}

void main();
