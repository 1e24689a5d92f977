import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "#forward";
import { type DataDirectory, pledgePath, readPledgedMs, writePledgedMs } from "#storage";
import type { NodeConfig } from "./config";
import { dataRefusal, type StartRefusal } from "./start-refusal";

export type PledgingOutcome =
  /** For how long this member may have pledged itself up to now. */
  { readonly kind: "known"; readonly pledgedMs: number } | StartRefusal | { readonly kind: "aborted" };

/**
 * Sees to it that the next start knows how long this one may pledge itself, before it can. An earlier one may have pledged
 * itself for longer, as where lease reads are turned off now: that is waited out here, once. The directory is to be locked.
 */
export async function rememberPledges(
  config: Pick<NodeConfig, "leaseReads" | "profile">,
  { path }: Pick<DataDirectory, "path">,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<PledgingOutcome> {
  const ownMs = config.leaseReads ? config.profile.electionTimeoutMs : 0;
  try {
    const read = await readPledgedMs(path);
    if (read.kind === "damaged") {
      return dataRefusal(
        `${pledgePath(path)} is damaged: remove it when this node has been down for longer than its election timeout`,
      );
    }
    const { pledgedMs } = read;
    const isLonger = pledgedMs > ownMs;
    if (isLonger) {
      log.info(
        { pledgedMs },
        "waits until no leader can read by a lease that this member helped it to before",
      );
      if (!(await isWaitedOut(pledgedMs, signal))) return { kind: "aborted" };
    }
    if (pledgedMs !== ownMs) await writePledgedMs(path, ownMs);
    return { kind: "known", pledgedMs: isLonger ? 0 : pledgedMs };
  } catch (error) {
    return dataRefusal(`${pledgePath(path)} cannot be read or written: ${String(error)}`);
  }
}

/** False where the signal came first. */
async function isWaitedOut(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await delay(ms, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
