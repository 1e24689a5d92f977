import { spawn } from "node:child_process";
import { text } from "@quorate/client";
import type { Command } from "commander";
import { EXIT, UsageFault } from "./exit-codes";
import { type Session, withClient } from "./session";
import { type GlobalOptions, milliseconds } from "./settings";
import { untilInterrupted } from "./until-interrupted";
import { writeJson } from "./write-json";

interface HoldFlags extends GlobalOptions {
  readonly ttl?: number;
  readonly wait?: number;
}

/** Who waits for a lock or leadership waits for days if need be. */
const WAIT_MS_MAX = 2 ** 31 - 1;

/** lock, elect */
export function addCoordinationCommands(program: Command, session: Session): void {
  withTimes(program.command("lock"))
    .description("hold a lock until Ctrl-C, or while a command runs")
    .argument("<name>", "the lock")
    .argument("[command...]", "run this while the lock is held; it is ended (SIGTERM) when the lock is lost")
    .addHelpText(
      "after",
      `
Examples
  quorate lock nightly -- ./report.sh       runs with $QUORATE_LOCK_KEY and $QUORATE_LOCK_TOKEN
  quorate lock nightly --wait 5s            exit code 1 when it is not had within 5 seconds

The exit code is that of the command, or 1 when the lock is lost.`,
    )
    .action(async (name: string, argv: readonly string[], _: unknown, command: Command) => {
      const options = command.optsWithGlobals<HoldFlags>();
      await withClient(session, options, async (client) => {
        const lock = await client.lock(name, { ...timesOf(options), namespace: options.namespace });
        const held = { name, key: lock.key, token: lock.token };
        try {
          if (argv.length > 0) {
            const environment = { QUORATE_LOCK_KEY: lock.key, QUORATE_LOCK_TOKEN: String(lock.token) };
            const code = await runWhile(argv, environment, lock.signal);
            if (lock.signal.aborted) session.terminal.err(lostText(lock.signal));
            return code;
          }
          // Before anybody is told, who may answer with a signal at once.
          const ended = untilInterrupted(lock.signal);
          if (options.json) await writeJson(session, held);
          else await session.terminal.out(`holding ${name} with token ${lock.token}; Ctrl-C releases it\n`);
          if ((await ended) === "interrupted") return EXIT.ok;
          session.terminal.err(lostText(lock.signal));
          return EXIT.failed;
        } finally {
          await lock.release();
        }
      });
    });
  withTimes(program.command("elect"))
    .description("campaign in an election and lead until Ctrl-C; or, without a value, tell who leads")
    .argument("<name>", "the election")
    .argument("[value]", "what the leader is to be known by")
    .option("--observe", "tell each new leader until Ctrl-C")
    .addHelpText(
      "after",
      "\nExamples\n  quorate elect scheduler host-7\n  quorate elect scheduler\n  quorate elect scheduler --observe",
    )
    .action(async (name: string, value: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<HoldFlags & { readonly observe?: boolean }>();
      await withClient(session, options, async (client) => {
        const { terminal } = session;
        if (value !== undefined && options.observe === true)
          throw new UsageFault("--observe does not go with a value: who campaigns waits to lead");
        const election = client.election(name, text, { namespace: options.namespace });
        if (value !== undefined) {
          const leadership = await election.campaign(value, timesOf(options));
          try {
            const ended = untilInterrupted(leadership.signal);
            if (options.json) await writeJson(session, { name, value, token: leadership.token });
            else
              await terminal.out(`${value} leads ${name} with token ${leadership.token}; Ctrl-C resigns\n`);
            if ((await ended) === "interrupted") return EXIT.ok;
            terminal.err(lostText(leadership.signal));
            return EXIT.failed;
          } finally {
            await leadership.resign();
          }
        }
        const tell = async (leader: { readonly value: string; readonly token: number } | undefined) => {
          if (options.json) await writeJson(session, leader ?? null);
          else
            await terminal.out(
              leader === undefined ? "nobody leads\n" : `${leader.value}\t${leader.token}\n`,
            );
        };
        if (options.observe !== true) {
          const leader = await election.leader();
          await tell(leader);
          return leader === undefined ? EXIT.notFound : EXIT.ok;
        }
        const interrupted = new AbortController();
        void untilInterrupted(interrupted.signal).then(() => interrupted.abort());
        for await (const leader of election.observe({ signal: interrupted.signal })) await tell(leader);
        return EXIT.ok;
      });
    });
}

function withTimes(command: Command): Command {
  return command
    .option("--ttl <time>", "how long it stays taken when this program dies (default: 10s)", milliseconds)
    .option("--wait <time>", "how long to wait for it at most (default: as long as it takes)", milliseconds);
}

function timesOf({ ttl, wait }: HoldFlags): { readonly ttlMs?: number; readonly deadlineMs: number } {
  return { ...(ttl === undefined ? {} : { ttlMs: ttl }), deadlineMs: wait ?? WAIT_MS_MAX };
}

function lostText(signal: AbortSignal): string {
  return `it was lost: ${(signal.reason as Error).message}`;
}

/** Runs a program with our input and output until it ends. @returns its exit code */
function runWhile(
  [program = "", ...argv]: readonly string[],
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { stdio: "inherit", env: { ...process.env, ...environment } });
    const stop = (): void => {
      child.kill("SIGTERM");
    };
    // The terminal sends Ctrl-C to the program as well; we stay to release what we hold.
    const ignore = (): void => undefined;
    process.on("SIGINT", ignore);
    process.once("SIGTERM", stop);
    signal.addEventListener("abort", stop, { once: true });
    const settle = (run: () => void): void => {
      process.removeListener("SIGINT", ignore);
      process.removeListener("SIGTERM", stop);
      signal.removeEventListener("abort", stop);
      run();
    };
    child.once("error", (error) => settle(() => reject(error)));
    child.once("exit", (code) => settle(() => resolve(signal.aborted ? EXIT.failed : (code ?? EXIT.failed))));
  });
}
