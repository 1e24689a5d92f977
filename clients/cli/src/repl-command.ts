import type { Command } from "commander";
import { EXIT, type ExitCode } from "./exit-codes";
import type { ReplContext } from "./repl/commands";
import { complete } from "./repl/completion";
import { evaluate } from "./repl/evaluate";
import { HistoryFile } from "./repl/history-file";
import { endpointsOf, type Session, withClient } from "./session";
import type { GlobalOptions } from "./settings";

/** The commands of the command line, which the REPL has too. */
export interface ProgramCommands {
  readonly names: readonly string[];
  /** Runs one as if it were typed in a shell; its failures are told on standard error. */
  run(argv: readonly string[]): Promise<ExitCode>;
}

/** repl */
export function addReplCommand(program: Command, session: Session, commands: ProgramCommands): void {
  program
    .command("repl")
    .description("work with keys line by line, with history and completion")
    .addHelpText(
      "after",
      `
Examples
  quorate repl
  quorate> mset a 1 b 2
  quorate> watch a --count 1
  printf 'set a 1\\nincr a\\n' | quorate repl

Lines are kept in ~/.quorate_history, or in the file that $QUORATE_HISTORY names (empty: nowhere).`,
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withClient(session, options, async (client) => {
        const { terminal } = session;
        let { namespace } = options;
        const context: ReplContext = {
          client,
          get kv() {
            return client.namespace(namespace);
          },
          get namespace() {
            return namespace;
          },
          use(name) {
            namespace = name;
          },
          programNames: commands.names,
          async runProgram(argv) {
            const where = ["--endpoints", endpointsOf(session, options), "--namespace", namespace];
            await commands.run([...where, ...argv]);
          },
        };
        const history = HistoryFile.open(
          terminal.isInteractive ? terminal.environment : { QUORATE_HISTORY: "" },
        );
        const lines = terminal.lines({
          history: history.lines,
          complete: (line) => complete(context.kv, line, commands.names),
        });
        try {
          if (terminal.isInteractive) {
            await terminal.out(`connected to ${endpointsOf(session, options)}; help tells what there is\n`);
          }
          for (;;) {
            const prompt = namespace === "default" ? "quorate> " : `quorate ${namespace}> `;
            const line = await lines.next(prompt);
            if (line === null) return EXIT.ok;
            history.add(line);
            const outcome = await evaluate(context, line);
            if (outcome.kind === "quit") return EXIT.ok;
            if (outcome.text !== "") await terminal.out(`${outcome.text}\n`);
          }
        } finally {
          lines.close();
        }
      });
    });
}
