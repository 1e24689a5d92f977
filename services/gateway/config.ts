import {
  advertisedAddressFault,
  listenAddressFault,
  readSettings,
  type SettingFault,
  type SettingSpec,
} from "#settings";

export interface GatewayConfig {
  readonly listen: string;
  readonly nodes: readonly string[];
  readonly logLevel: string;
  readonly drainMs: number;
  /** Whether calls become spans. */
  readonly tracing: boolean;
}

export type GatewayConfigOutcome =
  | { readonly kind: "config"; readonly config: GatewayConfig }
  | { readonly kind: "help"; readonly text: string }
  | SettingFault;

export const PROGRAM_NAME = "quorate-gateway";

const settings: readonly SettingSpec[] = [
  { name: "listen", argument: "HOST:PORT", description: "where to serve" },
  {
    name: "nodes",
    argument: "HOST:PORT,…",
    description: "client addresses of nodes, from which the others and the leader are found",
  },
  {
    name: "log-level",
    argument: "LEVEL",
    description: "debug, info, warn, error or silent; info by default",
  },
  {
    name: "drain-ms",
    argument: "MS",
    description: "how long calls under way may take at shutdown; 5000 by default",
  },
  {
    name: "tracing",
    argument: "on|off",
    description: "whether calls become spans of the OpenTelemetry SDK that is loaded; off by default",
  },
];

const LOG_LEVELS: readonly string[] = ["debug", "info", "warn", "error", "silent"];

/** @param argv the arguments after the name of the program */
export function gatewayConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): GatewayConfigOutcome {
  const read = readSettings(
    { name: PROGRAM_NAME, description: "A stateless front door to a Quorate cluster.", settings },
    argv,
    env,
  );
  if (read.kind !== "read") return read;
  const { values } = read;

  const listen = values.get("listen") ?? "";
  const nodes = (values.get("nodes") ?? "").split(",").filter((address) => address !== "");
  const logLevel = values.get("log-level") ?? "info";
  const drainText = values.get("drain-ms") ?? "5000";
  const tracing = values.get("tracing") ?? "off";
  const [first, ...more] = [
    fault("listen", listenProblem(listen)),
    fault("nodes", nodesProblem(nodes)),
    fault(
      "log-level",
      LOG_LEVELS.includes(logLevel) ? null : `"${logLevel}" is none of ${LOG_LEVELS.join(", ")}`,
    ),
    fault(
      "drain-ms",
      /^\d{1,7}$/.test(drainText)
        ? null
        : `"${drainText}" must be a whole number of milliseconds from 0 to 9999999`,
    ),
    fault("tracing", ["on", "off"].includes(tracing) ? null : `"${tracing}" is none of on, off`),
  ].flat();
  if (first !== undefined) return more.length === 0 ? first : { ...first, more };
  return {
    kind: "config",
    config: { listen, nodes, logLevel, drainMs: Number(drainText), tracing: tracing === "on" },
  };
}

function listenProblem(listen: string): string | null {
  return listen === "" ? "is missing; give HOST:PORT, such as 127.0.0.1:7400" : listenAddressFault(listen);
}

function nodesProblem(nodes: readonly string[]): string | null {
  return nodes.length === 0
    ? "is missing; give at least one client address of a node, such as 127.0.0.1:7401"
    : (nodes.map(advertisedAddressFault).find((problem) => problem !== null) ?? null);
}

/** None where nothing is wrong. */
function fault(setting: string, problem: string | null): readonly SettingFault[] {
  return problem === null ? [] : [{ kind: "fault", setting, problem }];
}
