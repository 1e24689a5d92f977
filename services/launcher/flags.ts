import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { PROFILES, type Profile } from "./cluster-file";
import { isBasePort, NODES_MAX } from "./ports";

/** What `npm start` takes. What is not given stays out, so that a cluster comes back as it was made. */
export interface LauncherFlags {
  readonly nodes?: number;
  readonly basePort?: number;
  readonly dataDir: string;
  readonly profile?: Profile;
  readonly restore?: string;
}

/** What came of reading the flags: settings, a text that was asked for, or one line that names the wrong one. */
export type FlagsOutcome =
  | { readonly kind: "flags"; readonly flags: LauncherFlags }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "wrong"; readonly line: string };

/** Reads what follows `npm start --`. */
export function readFlags(argv: readonly string[]): FlagsOutcome {
  let text = "";
  const command = new Command("npm start --")
    .description("Starts Quorate nodes and a gateway on this machine. Ctrl-C stops them.")
    .addOption(
      new Option("--nodes <count>", `how many nodes, 1 to ${NODES_MAX} (default: 3)`).argParser(nodeCount),
    )
    .addOption(
      new Option(
        "--base-port <port>",
        "the gateway's port; node i serves clients at +i, peers at +20+i, metrics and health over HTTP at +40+i (default: 7400)",
      ).argParser(basePort),
    )
    .option("--data-dir <directory>", "where the data is kept", "./data")
    .addOption(
      new Option("--profile <profile>", "the timing of elections (default: default)").choices(PROFILES),
    )
    .option("--restore <file>", "begin a new cluster with what that backup holds")
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({
      writeOut: (part) => {
        text += part;
      },
      writeErr: () => undefined,
    });
  try {
    command.parse([...argv], { from: "user" });
    return { kind: "flags", flags: command.opts<LauncherFlags>() };
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: "help", text };
    return { kind: "wrong", line: error.message.replaceAll("\n", " ") };
  }
}

/** The number of nodes that a flag names. @throws InvalidArgumentError */
export function nodeCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > NODES_MAX) {
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${NODES_MAX}.`);
  }
  return count;
}

/** The base port that a flag names. @throws InvalidArgumentError */
export function basePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || !isBasePort(port)) {
    throw new InvalidArgumentError(
      "It must be a port from 1 to 65475, for the ports up to 60 above it are used too.",
    );
  }
  return port;
}
