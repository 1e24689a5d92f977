import { randomInt } from "node:crypto";
import pino from "pino";
import { FAULT_EXIT_CODE, faultLine, tuneEngine } from "#settings";
import { seededRandom } from "#std";
import { gatewayConfig, PROGRAM_NAME } from "./config";
import { Gateway } from "./gateway";

async function main(): Promise<void> {
  const outcome = gatewayConfig(process.argv.slice(2), process.env);
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
  tuneEngine();
  const { listen, nodes, logLevel, drainMs, tracing } = outcome.config;
  const log = pino({ level: logLevel, base: { program: "gateway" } }, pino.destination(2));
  const gateway = new Gateway({ listen, nodes, log, random: seededRandom(randomInt(2 ** 32)), tracing });
  let port: number;
  try {
    port = await gateway.open();
  } catch (error) {
    process.stderr.write(
      `${PROGRAM_NAME}: listen: ${listen} cannot be served: ${(error as Error).message}\n`,
    );
    process.exit(1);
  }

  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal }, "shutting down");
    gateway.close(drainMs).then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, "shutdown failed");
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.stdout.write(`quorate gateway ready: ${listen.replace(/:0$/, `:${port}`)}\n`);
}

void main();
