import pino from "pino";
import type { StoreFailure } from "#replica";
import { FAULT_EXIT_CODE, faultLine } from "#settings";
import { nodeConfig, PROGRAM_NAME } from "./config";
import { Node } from "./node";

/** EX_SOFTWARE of sysexits.h: whoever supervises the process may start it again, which verifies the disk anew. */
const STORE_FAILURE_EXIT_CODE = 70;

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
    case "config":
      break;
  }
  const { config } = outcome;
  const log = pino({ level: config.logLevel, base: { node: config.id } }, pino.destination(2));

  let node: Node | null = null;
  let exitCode: number | null = null;
  const exitWhenClosed = (code: number): void => {
    // A second reason to stop while the first is being followed: at once.
    if (exitCode !== null) process.exit(code === 0 ? 1 : code);
    exitCode = code;
    Promise.resolve(node?.close()).then(
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

  const onFailure = (failure: StoreFailure): void => {
    log.error({ err: failure, dataLoss: failure.dataLoss }, `a store failed: ${failure.message}`);
    exitWhenClosed(STORE_FAILURE_EXIT_CODE);
  };
  try {
    const opened = await Node.open(config, log, onFailure);
    if (opened.kind === "refused") {
      process.stderr.write(
        `${faultLine(PROGRAM_NAME, { kind: "fault", setting: "data-dir", problem: opened.message })}\n`,
      );
      process.exit(FAULT_EXIT_CODE);
    }
    node = opened.node;
    const [client, peer] = [
      withPort(config.listenClient, opened.ports.client),
      withPort(config.listenPeer, opened.ports.peer),
    ];
    log.info({ client, peer, dataDir: config.dataDir }, "serving");
    process.stdout.write(`quorate node ${config.id} ready: clients ${client}, peers ${peer}\n`);
  } catch (error) {
    const isStoreFailure = error instanceof Error && error.name === "StoreFailure";
    log.error(
      { err: error },
      `the node cannot start: ${error instanceof Error ? error.message : String(error)}`,
    );
    process.exit(isStoreFailure ? STORE_FAILURE_EXIT_CODE : 1);
  }
}

function withPort(address: string, port: number): string {
  return `${address.slice(0, address.lastIndexOf(":"))}:${port}`;
}

void main();
