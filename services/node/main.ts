import "./quiet-grpc";

import pino, { type Logger } from "pino";
import type { StoreFailure } from "#replica";
import { FAULT_EXIT_CODE, faultLine } from "#settings";
import { backupVerdict } from "./backup-check";
import { type NodeConfig, nodeConfig, PROGRAM_NAME } from "./config";
import { Node, type ServedAddresses } from "./node";
import { startFault } from "./start-fault";

/** EX_SOFTWARE of sysexits.h: whoever supervises the process may start it again, which verifies the disk anew. */
const STORE_FAILURE_EXIT_CODE = 70;

/** Starting it again is of no use: the cluster refuses this data directory for good. */
const REMOVED_EXIT_CODE = 3;

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
  const log = pino({ level: config.logLevel, base: { node: config.id } }, pino.destination(2));
  let node: Node | null = null;
  let exitCode: number | null = null;
  const starting = new AbortController();
  const exitWhenClosed = (code: number): void => {
    // A second reason to stop while the first is being followed: at once.
    if (exitCode !== null) process.exit(code === 0 ? 1 : code);
    exitCode = code;
    starting.abort();
    // A start that is under way ends by itself, and then the process.
    if (node === null) return;
    node.close().then(
      () => process.exit(code),
      (error: unknown) => {
        log.error({ err: error }, "shutdown failed");
        process.exit(code === 0 ? 1 : code);
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
      exitWhenClosed(STORE_FAILURE_EXIT_CODE);
    },
    removed: (): void => exitWhenClosed(REMOVED_EXIT_CODE),
  };
  try {
    const opened = await Node.open(config, log, owner);
    if (opened.kind === "aborted") process.exit(exitCode ?? 0);
    if (opened.kind === "refused") {
      const { setting, message, isRemoval } = opened;
      process.stderr.write(`${faultLine(PROGRAM_NAME, { kind: "fault", setting, problem: message })}\n`);
      process.exit(isRemoval === true ? REMOVED_EXIT_CODE : FAULT_EXIT_CODE);
    }
    node = opened.node;
    tellReady(config, log, opened.served);
    if (exitCode !== null) await node.close().then(() => process.exit(exitCode ?? 0));
  } catch (error) {
    process.exit(tellOfFailedStart(error, log));
  }
}

function tellReady({ id, dataDir }: NodeConfig, log: Logger, served: ServedAddresses): void {
  log.info({ ...served, dataDir }, "serving");
  process.stdout.write(`quorate node ${id} ready: clients ${served.client}, peers ${served.peer}\n`);
}

/** @returns the exit code */
function tellOfFailedStart(error: unknown, log: Logger): number {
  const fault = startFault(error);
  if (fault !== null) {
    process.stderr.write(`${faultLine(PROGRAM_NAME, fault)}\n`);
    return FAULT_EXIT_CODE;
  }
  log.error(
    { err: error },
    `the node cannot start: ${error instanceof Error ? error.message : String(error)}`,
  );
  return error instanceof Error && error.name === "StoreFailure" ? STORE_FAILURE_EXIT_CODE : 1;
}

/** @returns the exit code */
async function tellOfBackup(file: string): Promise<number> {
  const { isSound, line } = await backupVerdict(file);
  if (isSound) process.stdout.write(`${line}\n`);
  else process.stderr.write(`${PROGRAM_NAME}: verify-backup: ${line}\n`);
  return isSound ? 0 : 1;
}

void main();
