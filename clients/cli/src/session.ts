import { connect, type Quorate, QuorateError } from "@quorate/client";
import { LauncherFault } from "@quorate/services/launcher";
import { EXIT, type ExitCode, UsageFault } from "./exit-codes";
import { DEADLINE_SECONDS_DEFAULT, ENDPOINTS_DEFAULT, type GlobalOptions } from "./settings";
import type { Terminal } from "./terminal";

/** One run of the command: its terminal, and the exit code that it will end with. */
export interface Session {
  readonly terminal: Terminal;
  exitCode: ExitCode;
}

/** A client for the options of a command. */
export function clientOf(session: Session, options: GlobalOptions, deadlineSeconds?: number): Quorate {
  return connect({
    endpoints: endpointsOf(session, options),
    namespace: options.namespace,
    deadlineMs: (options.deadline ?? deadlineSeconds ?? DEADLINE_SECONDS_DEFAULT) * 1000,
  });
}

/** The endpoints of a command: flag, then environment, then default. */
export function endpointsOf(session: Session, options: GlobalOptions): string {
  return options.endpoints ?? session.terminal.environment.QUORATE_ENDPOINTS ?? ENDPOINTS_DEFAULT;
}

/** Runs a command with a client that is closed at its end, whatever the end. */
export async function withClient(
  session: Session,
  options: GlobalOptions,
  run: (client: Quorate) => Promise<ExitCode>,
  deadlineSeconds?: number,
): Promise<void> {
  await guarded(session, options, async () => {
    const client = clientOf(session, options, deadlineSeconds);
    try {
      return await run(client);
    } finally {
      await client.close();
    }
  });
}

/** Runs a command; its failures become a line and an exit code. */
export async function guarded(
  session: Session,
  options: Pick<GlobalOptions, "json">,
  run: () => Promise<ExitCode>,
): Promise<void> {
  try {
    session.exitCode = await run();
  } catch (error) {
    session.exitCode = error instanceof UsageFault ? EXIT.usage : EXIT.failed;
    if (error instanceof QuorateError) {
      session.terminal.err(options.json ? JSON.stringify({ error: errorFields(error) }) : describe(error));
    } else if (error instanceof UsageFault || error instanceof LauncherFault || isSystemError(error)) {
      session.terminal.err(
        options.json ? JSON.stringify({ error: { message: error.message } }) : error.message,
      );
    } else {
      throw error;
    }
  }
}

/** A failed call in one line for people. */
export function describe(error: QuorateError): string {
  const reason = error.reason === "UNSPECIFIED" || error.reason === error.code ? "" : ` (${error.reason})`;
  const outcome = error.outcome === "unknown" ? "; it may or may not have been applied" : "";
  const hint =
    error.code === "UNAVAILABLE" && error.reason === "UNSPECIFIED"
      ? "; is a cluster running there? One is started by: npx quorate cluster start"
      : "";
  return `${error.code}${reason}: ${error.message}${outcome}${hint}`;
}

/** A failed call for programs. */
export function errorFields(error: QuorateError): Record<string, unknown> {
  const { code, reason, message, outcome, retryable } = error;
  return { code, reason, message, outcome, retryable };
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === "string";
}
