import { execFileSync } from "node:child_process";

/** Its name, wherever the PATH finds it. */
export const PROGRAM = "etcd";

/** The version of etcd that is installed; null for none. */
export function etcdVersion(): string | null {
  try {
    const text = execFileSync(PROGRAM, ["--version"], { encoding: "utf8" });
    return /etcd Version: (\S+)/.exec(text)?.[1] ?? "unknown";
  } catch {
    return null;
  }
}
