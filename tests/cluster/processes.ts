import { readdirSync, readFileSync } from "node:fs";

/** What /proc/PID/stat says (proc(5)): one that has ended may be listed until its parent has taken note. */
function statOf(pid: number | string): { readonly state: string; readonly parentPid: number } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold spaces: fields are counted from behind it.
    const [state = "", parentPid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state, parentPid: Number(parentPid) };
  } catch {
    return null;
  }
}

/** Whether a process still runs. */
export function isAlive(pid: number): boolean {
  const stat = statOf(pid);
  return stat !== null && stat.state !== "Z";
}

/** The processes that a process has started and that still run. */
export function childrenOf(pid: number): number[] {
  const entries = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  return entries.filter((entry) => statOf(entry)?.parentPid === pid && isAlive(Number(entry))).map(Number);
}
