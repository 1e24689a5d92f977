import type { Command } from "commander";
import { EXIT } from "./exit-codes";
import type { ReplContext } from "./repl/commands";
import { complete } from "./repl/completion";
import { evaluate } from "./repl/evaluate";
import { HistoryFile } from "./repl/history-file";
import { endpointsOf, type Session, withClient } from "./session";
import type { GlobalOptions } from "./settings";

/** repl */
export function addReplCommand(program: Command, session: Session): void {
  program
    .command("repl")
    .description("work with keys line by line, with history and completion")
    .addHelpText(
      "after",
      `
Examples
  quorate repl
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
        };
        const history = HistoryFile.open(
          terminal.isInteractive ? terminal.environment : { QUORATE_HISTORY: "" },
        );
        const lines = terminal.lines({
          history: history.lines,
          complete: (line) => complete(context.kv, line),
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
