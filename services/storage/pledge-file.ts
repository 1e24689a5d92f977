import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readFileIfThere, replaceFile, syncDirectory } from "./durable-file";

const PLEDGE_FILE = "pledge";

export type PledgeRead =
  /** 0: never. */
  { readonly kind: "read"; readonly pledgedMs: number } | { readonly kind: "damaged" };

/**
 * For how long, in milliseconds, whoever runs on that directory may pledge itself to a leader that reads by a lease (#raft):
 * what it pledged it forgets when it ends, and it has to wait as long when it starts again.
 */
export async function readPledgedMs(dataPath: string): Promise<PledgeRead> {
  const text = await readFileIfThere(pledgePath(dataPath));
  if (text === null) return { kind: "read", pledgedMs: 0 };
  return /^[1-9]\d{0,8}\n$/.test(text) ? { kind: "read", pledgedMs: Number(text) } : { kind: "damaged" };
}

/** Durable when it resolves. */
export async function writePledgedMs(dataPath: string, pledgedMs: number): Promise<void> {
  const path = pledgePath(dataPath);
  if (pledgedMs > 0) {
    await replaceFile(path, `${pledgedMs}\n`);
    return;
  }
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}

export function pledgePath(dataPath: string): string {
  return join(dataPath, PLEDGE_FILE);
}
