import { Command, CommanderError } from "commander";
import { addBackupCommand } from "./backup-commands";
import { addChangeCommands } from "./change-commands";
import { addCheckCommand } from "./check-command";
import { addClusterCommand } from "./cluster-commands";
import { addCompactCommand } from "./compact-command";
import { addCompletionCommand } from "./completion-command";
import { addCoordinationCommands } from "./coordination-commands";
import { addDemoCommand } from "./demo-command";
import { EXIT, EXIT_HELP, type ExitCode } from "./exit-codes";
import { addExportCommand } from "./export-command";
import { addImportCommand } from "./import-command";
import { addKeyCommands } from "./key-commands";
import { addLeaseCommand } from "./lease-commands";
import { addListingCommands } from "./listing-commands";
import { addMemberCommand } from "./member-commands";
import { addNamespaceCommand } from "./namespace-commands";
import { addReplCommand } from "./repl-command";
import type { Session } from "./session";
import { addGlobalOptions } from "./settings";
import { addStatusCommand } from "./status-command";
import type { Terminal } from "./terminal";
import { addTxnCommand } from "./txn-command";
import { addVerifyCommand } from "./verify-command";
import { addWatchCommand } from "./watch-command";

/** Runs the command line and says what the process should end with. @param argv the arguments alone */
export async function run(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const session: Session = { terminal, exitCode: EXIT.ok };
  let text = "";
  const program = programOf(session, (part) => {
    text += part;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
    return session.exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0 || error.code === "commander.help") {
      await terminal.out(text);
      return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    }
    terminal.err(error.message.replaceAll("\n", " "));
    return EXIT.usage;
  }
}

function programOf(session: Session, write: (text: string) => void): Command {
  const program = addGlobalOptions(new Command("quorate"))
    .description("Client and operator tool of Quorate, a replicated key-value store.")
    .version("0.1.0")
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      "after",
      `
Examples
  quorate cluster start                     a cluster on this machine
  quorate put greeting hello
  quorate get greeting
  quorate help import

${EXIT_HELP}`,
    );
  addKeyCommands(program, session);
  addListingCommands(program, session);
  addChangeCommands(program, session);
  addTxnCommand(program, session);
  addWatchCommand(program, session);
  addLeaseCommand(program, session);
  addCoordinationCommands(program, session);
  addCompactCommand(program, session);
  addNamespaceCommand(program, session);
  addStatusCommand(program, session);
  addMemberCommand(program, session);
  addVerifyCommand(program, session);
  addCheckCommand(program, session);
  addBackupCommand(program, session);
  addDemoCommand(program, session);
  addImportCommand(program, session);
  addExportCommand(program, session);
  addClusterCommand(program, session);
  addCompletionCommand(program, session);
  addReplCommand(program, session, {
    names: program.commands.map((command) => command.name()),
    run: (argv) => run(argv, session.terminal),
  });
  for (const command of [program, ...commandsBelow(program)]) {
    command
      .exitOverride()
      .allowExcessArguments(false)
      .configureHelp({ showGlobalOptions: true })
      .configureOutput({ writeOut: write, writeErr: write, outputError: () => undefined });
  }
  return program;
}

function commandsBelow(command: Command): readonly Command[] {
  return command.commands.flatMap((below) => [below, ...commandsBelow(below)]);
}
