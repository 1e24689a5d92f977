import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LauncherFault } from "./fault";
import type { RunningProcess } from "./process";

/** The timing that nodes are started with. */
export const PROFILES = ["default", "fast", "wan"] as const;

export type Profile = (typeof PROFILES)[number];

/** What is kept of a local cluster in its data directory. */
export interface ClusterDescription {
  readonly format: 1;
  readonly clusterId: string;
  readonly basePort: number;
  readonly profile: Profile;
  readonly gateway: boolean;
  /** Whether every founding member has started once: from then on none of them may make a data directory. */
  readonly bootstrapped: boolean;
  /** The backup that it begins with: kept until then, for members that begin differently would never agree. */
  readonly restore?: string;
  readonly members: readonly MemberDescription[];
}

/** One node of a local cluster. */
export interface MemberDescription {
  readonly id: string;
  readonly clientAddress: string;
  readonly peerAddress: string;
  /** Metrics and health. */
  readonly httpAddress: string;
  /** Whether it came to the cluster while that was running. */
  readonly joined?: boolean;
}

function descriptionPath(dataDir: string): string {
  return join(dataDir, "cluster.json");
}

/** null when the directory holds no cluster. @throws LauncherFault when its file cannot be understood */
export function readDescription(dataDir: string): ClusterDescription | null {
  const path = descriptionPath(dataDir);
  const text = readIfThere(path);
  if (text === null) return null;
  const description = parse(text, path) as Partial<ClusterDescription> | null;
  if (
    description?.format !== 1 ||
    typeof description.clusterId !== "string" ||
    !Array.isArray(description.members)
  ) {
    throw new LauncherFault(`${path} is not a cluster file of this version: choose another --data-dir`);
  }
  return description as ClusterDescription;
}

/** Replaces the file at once, so that no reader sees half of it. */
export function writeDescription(dataDir: string, description: ClusterDescription): void {
  mkdirSync(dataDir, { recursive: true });
  writeWhole(descriptionPath(dataDir), description);
}

/** The name under which the launcher in the foreground keeps its own process. */
export const LAUNCHER_NAME = "launcher";

/** A process that was started, whether or not it still runs. Each has a file: several commands may start and stop some. */
export function readProcess(dataDir: string, name: string): RunningProcess | null {
  const path = processPath(dataDir, name);
  const text = readIfThere(path);
  if (text === null) return null;
  const found = parse(text, path) as Partial<RunningProcess> | null;
  if (typeof found?.pid !== "number" || found.pid < 1 || typeof found.commandLine !== "string") return null;
  return { pid: found.pid, commandLine: found.commandLine };
}

export function writeProcess(dataDir: string, name: string, running: RunningProcess): void {
  mkdirSync(join(dataDir, "run"), { recursive: true });
  writeWhole(processPath(dataDir, name), running);
}

export function removeProcess(dataDir: string, name: string): void {
  rmSync(processPath(dataDir, name), { force: true });
}

function processPath(dataDir: string, name: string): string {
  return join(dataDir, "run", `${name}.json`);
}

function writeWhole(path: string, content: unknown): void {
  const draft = `${path}.${process.pid}.draft`;
  writeFileSync(draft, `${JSON.stringify(content, null, 2)}\n`);
  renameSync(draft, path);
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new LauncherFault(`${path} cannot be read: ${(error as Error).message}`);
  }
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new LauncherFault(`${path} is not JSON: remove it, or choose another --data-dir`);
  }
}
