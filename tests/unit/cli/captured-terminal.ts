import { type ExitCode, run, type Terminal } from "@quorate/cli";

/** What one run of the command wrote, and how it ended. */
export interface CapturedRun {
  readonly exitCode: ExitCode;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line with this as its environment and input. */
export async function quorate(
  argv: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  input = "",
  more: Partial<Terminal> = {},
): Promise<CapturedRun> {
  const out: Buffer[] = [];
  let err = "";
  const terminal: Terminal = {
    environment,
    isWatched: false,
    isScreen: false,
    isInteractive: false,
    out: async (data) => {
      out.push(Buffer.from(data));
    },
    err(line) {
      err += `${line}\n`;
    },
    readInput: async () => Buffer.from(input),
    lines: () => {
      const lines = input === "" ? [] : input.replace(/\n$/, "").split("\n");
      return { next: async () => lines.shift() ?? null, close: () => undefined };
    },
    ...more,
  };
  const exitCode = await run(argv, terminal);
  return { exitCode, out: Buffer.concat(out).toString(), err };
}
