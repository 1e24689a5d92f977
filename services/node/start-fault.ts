import type { SettingFault } from "#settings";

/** A port could not be taken. */
export class ListenFailure extends Error {
  /** The setting that says where to listen. */
  readonly setting: string;
  readonly address: string;

  constructor(setting: string, address: string, cause: unknown) {
    super(`${setting}: ${address} cannot be served: ${textOf(cause)}`, { cause });
    this.name = "ListenFailure";
    this.setting = setting;
    this.address = address;
  }
}

/** @throws ListenFailure where `listen` rejects */
export async function listening<T>(setting: string, address: string, listen: Promise<T>): Promise<T> {
  try {
    return await listen;
  } catch (error) {
    throw new ListenFailure(setting, address, error);
  }
}

/**
 * What the operator can put right about a start that failed: the setting it is about, and what would be right. null for
 * what no setting and no shell can put right.
 */
export function startFault(error: unknown): SettingFault | null {
  const reason = systemReason(error);
  if (reason === "EMFILE" || reason === "ENFILE") {
    return fault(
      "data-dir",
      "the process is out of file descriptors: raise their number, `ulimit -n 65536` in the shell that starts it (LimitNOFILE= in a systemd unit), and start it again",
    );
  }
  if (error instanceof ListenFailure) return fault(error.setting, listenProblem(error, reason));
  if (reason === "ENOSPC") {
    return fault("data-dir", "the disk is full: free some of it, or give a --data-dir on another disk");
  }
  return null;
}

function listenProblem({ setting, address, cause }: ListenFailure, reason: SystemReason | null): string {
  const port = address.slice(address.lastIndexOf(":") + 1);
  switch (reason) {
    case "EADDRINUSE":
      return `port ${port} of ${address} is taken by another process: stop that one, or give another --${setting}`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `${address} is no address of this machine: give one that it has, or 0.0.0.0:${port}, with --${setting}`;
    case "EACCES":
      return `port ${port} of ${address} may not be used by this account: give one above 1023 with --${setting}`;
    default:
      return `${address} cannot be served: ${textOf(cause)}`;
  }
}

const SYSTEM_REASONS = [
  "EMFILE",
  "ENFILE",
  "EADDRINUSE",
  "EADDRNOTAVAIL",
  "ENOTFOUND",
  "EACCES",
  "ENOSPC",
] as const;

type SystemReason = (typeof SYSTEM_REASONS)[number];

/** LevelDB and gRPC give the system's reason in words only. */
const reasonsInWords: readonly (readonly [RegExp, SystemReason])[] = [
  [/Too many open files/i, "EMFILE"],
  [/No space left on device/i, "ENOSPC"],
];

/** How deep a reason may lie among the causes of causes. */
const CAUSES_MAX = 8;

/** The system's reason of an error or of what caused it. */
export function systemReason(error: unknown): SystemReason | null {
  let at: unknown = error;
  for (let depth = 0; depth < CAUSES_MAX && typeof at === "object" && at !== null; depth += 1) {
    const code: unknown = Reflect.get(at, "code");
    const text = textOf(at);
    const found =
      SYSTEM_REASONS.find((reason) => reason === code || new RegExp(`\\b${reason}\\b`).test(text)) ??
      reasonsInWords.find(([words]) => words.test(text))?.[1];
    if (found !== undefined) return found;
    at = Reflect.get(at, "cause");
  }
  return null;
}

function textOf(error: unknown): string {
  const message = typeof error === "object" && error !== null ? Reflect.get(error, "message") : undefined;
  return typeof message === "string" ? message : String(error);
}

function fault(setting: string, problem: string): SettingFault {
  return { kind: "fault", setting, problem };
}
