import { readFileSync } from "node:fs";

/** Memory of a process, in bytes. */
export interface ProcessMemory {
  /** Resident, mapped files such as LevelDB's tables included. */
  readonly rssBytes: number;
  /** Resident of its own. */
  readonly ownBytes: number;
}

/** What /proc/PID/status says (proc(5)). */
function memoryOf(pid: number): ProcessMemory {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const bytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
  return { rssBytes: bytes("VmRSS"), ownBytes: bytes("RssAnon") };
}

/** The most resident memory that the process ever had, in bytes. */
export function peakRssBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** Before and at most while a body ran. */
export interface MemoryCourse {
  readonly before: ProcessMemory;
  readonly most: ProcessMemory;
}

const LOOK_INTERVAL_MS = 100;

/** Looks at the memory of processes, by name, while the body runs. */
export async function watchingMemory<T>(
  pids: ReadonlyMap<string, number>,
  body: () => Promise<T>,
): Promise<{ readonly result: T; readonly memory: ReadonlyMap<string, MemoryCourse> }> {
  const memory = new Map<string, MemoryCourse>();
  const look = (): void => {
    for (const [name, pid] of pids) {
      const now = memoryOf(pid);
      const { before, most } = memory.get(name) ?? { before: now, most: now };
      const rssBytes = Math.max(most.rssBytes, now.rssBytes);
      memory.set(name, { before, most: { rssBytes, ownBytes: Math.max(most.ownBytes, now.ownBytes) } });
    }
  };
  look();
  const timer = setInterval(look, LOOK_INTERVAL_MS);
  try {
    return { result: await body(), memory };
  } finally {
    clearInterval(timer);
  }
}
