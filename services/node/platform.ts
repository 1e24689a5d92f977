import { createHash, hash as hashOnce } from "node:crypto";
import { afterInput, takeIn } from "@quorate/proto/http2";
import type { Clock, Digest, Scheduler } from "#replica";

/** The ports of the pure folders that Node itself provides. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
};

/** The check phase of the event loop: after all input that the poll phase found. Microtasks would batch ones. */
export const turnScheduler: Scheduler = {
  afterThisTurn: (run) => {
    setImmediate(takeIn, run, undefined);
  },
  afterThisInput: afterInput,
  takeIn,
  afterMs: (delayMs, run) => {
    setTimeout(run, delayMs).unref();
  },
};

export const sha256Digest: Digest = {
  sha256: (parts) => {
    const [only] = parts;
    // Without an object of its own: a third less for what is short.
    if (parts.length === 1 && only !== undefined) return hashOnce("sha256", only, "buffer");
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return hash.digest();
  },
};
