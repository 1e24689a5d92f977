import { Argument, type Command } from "commander";
import { bashScript } from "./completion/bash";
import { fishScript } from "./completion/fish";
import { type CommandShape, shapeOf } from "./completion/shape";
import { zshScript } from "./completion/zsh";
import { EXIT } from "./exit-codes";
import { guarded, type Session } from "./session";
import type { GlobalOptions } from "./settings";
import { writeJson } from "./write-json";

const SCRIPTS = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
} as const satisfies Record<string, (program: CommandShape) => string>;

type Shell = keyof typeof SCRIPTS;

/** completion */
export function addCompletionCommand(program: Command, session: Session): void {
  program
    .command("completion")
    .description(
      "write a script with which a shell completes commands and flags; --json: what there is to complete",
    )
    .addArgument(new Argument("<shell>", "which shell").choices(Object.keys(SCRIPTS)))
    .addHelpText(
      "after",
      `
Examples
  quorate completion bash > ~/.local/share/bash-completion/completions/quorate
  source <(quorate completion zsh)
  quorate completion fish > ~/.config/fish/completions/quorate.fish`,
    )
    .action(async (shell: Shell, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await guarded(session, options, async () => {
        const shape = shapeOf(program);
        if (options.json) await writeJson(session, shape);
        else await session.terminal.out(SCRIPTS[shell](shape));
        return EXIT.ok;
      });
    });
}
