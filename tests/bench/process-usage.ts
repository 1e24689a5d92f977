import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** What a process has used so far. */
export interface ProcessUsage {
  /** User and system time, in microseconds, in steps of one clock tick (10 ms as a rule). */
  readonly cpuMicros: number;
  /** Resident memory, in bytes. */
  readonly rssBytes: number;
  /** What it had the system write to disks, in bytes: pages it made dirty, so whole pages. */
  readonly diskBytes: number;
  /** What it handed over in write calls, to files and connections, in bytes. */
  readonly writtenBytes: number;
}

const TICKS_PER_SECOND = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** Reads /proc/PID/stat, /proc/PID/status and /proc/PID/io (proc(5)). */
export function usageOf(pid: number): ProcessUsage {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may hold spaces: fields are counted from behind it, where the third one stands.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[14 - 3]) + Number(fields[15 - 3]);
  const rssKib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  const io = readFileSync(`/proc/${pid}/io`, "utf8");
  return {
    cpuMicros: (ticks / TICKS_PER_SECOND) * 1e6,
    rssBytes: Number(rssKib) * 1024,
    diskBytes: Number(/^write_bytes: (\d+)$/m.exec(io)?.[1]),
    writtenBytes: Number(/^wchar: (\d+)$/m.exec(io)?.[1]),
  };
}
