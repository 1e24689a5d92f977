import { execFileSync } from "node:child_process";
import { arch, cpus, loadavg, release, totalmem, type } from "node:os";

/** Where a measurement was taken. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  /** The file system and device of the data directories. */
  readonly disk: string;
  /** Load average of the last minute when the measurement began: above about 0.5 the figures are noisy. */
  readonly loadBefore: number;
  /** The commit, with a mark where the checkout differs from it. */
  readonly commit: string;
}

export function describeMachine(dataDir: string): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
    system: `${type()} ${release()} ${arch()}`,
    node: process.version,
    disk: diskOf(dataDir),
    loadBefore: loadavg()[0] ?? Number.NaN,
    commit: output("git", ["describe", "--always", "--dirty", "--abbrev=12"]),
  };
}

function diskOf(dataDir: string): string {
  const row = output("df", ["--output=fstype,source", dataDir]).split("\n").at(-1) ?? "unknown";
  return row.trim().split(/\s+/).join(" on ");
}

function output(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    // Such as a copy of the sources without a repository: the figure stands without it.
    return "unknown";
  }
}
